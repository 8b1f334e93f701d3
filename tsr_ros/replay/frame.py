# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from tsr_ros.evaluation.ground_truth import GroundTruth
from tsr_ros.vision.image_codecs import decode_compressed

JPEG_QUALITY = 90
# JPEG and PNG: what sensor_msgs/CompressedImage names
_STORED_AS_THEY_ARE = (b'\xff\xd8\xff', b'\x89PNG')


class Frame(NamedTuple):
    """One picture of a recording, film or folder, decoded only when it is asked for."""

    name: str                                # of its file, or of the source with a number
    stamp_ns: int                            # nanoseconds, never 0
    compressed: bytes | None                 # the image file as it was stored, or None
    decode: Callable[[], np.ndarray] | None  # gives the BGR picture where there is no such file
    ground_truth: GroundTruth | None         # None: not known; empty: nothing is there

    def bgr(self) -> np.ndarray:
        """
        Return the picture, uint8 (H, W, 3).

        :raises ImageError: where it is damaged.
        """
        if self.compressed is not None:
            return decode_compressed(self.compressed)
        assert self.decode is not None
        return self.decode()

    def jpeg(self) -> bytes:
        """
        Return the picture as a JPEG or PNG file: as it was stored, or encoded now.

        :raises ImageError: where it is damaged and has to be encoded.
        """
        if self.compressed is not None and self.compressed.startswith(_STORED_AS_THEY_ARE):
            return self.compressed
        return encode_jpeg(self.bgr())


def encode_jpeg(bgr: np.ndarray, quality: int = JPEG_QUALITY) -> bytes:
    """Return a BGR picture as a JPEG file."""
    return cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
from typing import NamedTuple

import cv2
import numpy as np

from .detections import Detections

GREY = 114  # the padding that YOLOv7 is trained with


class LetterboxGeometry(NamedTuple):
    """Where the source image lies in the network's input, in pixels of the input."""

    source_wh: tuple
    resized_wh: tuple
    left: int
    top: int

    def to_source(self, xyxy):
        """Return boxes of the network's input as boxes of the source image, cut to it, (N, 4)."""
        width, height = self.source_wh
        scale_x, scale_y = width / self.resized_wh[0], height / self.resized_wh[1]
        scale = np.array([scale_x, scale_y, scale_x, scale_y], np.float32)
        offset = np.array([self.left, self.top, self.left, self.top], np.float32)
        limit = np.array([width, height, width, height], np.float32)
        return np.clip((xyxy - offset) * scale, 0, limit)

    def detections(self, xyxy, score, class_id):
        """
        Return what was found in the network's input as Detections in the source image.

        Each box has an area there: one that lies wholly in the padding is left out.
        """
        found = Detections(self.to_source(xyxy), score, class_id)
        inside = found.xyxy[:, 2:] > found.xyxy[:, :2]
        return found if inside.all() else found.select(inside.all(axis=1))

    def to_input(self, xyxy):
        """Return boxes of the source image as boxes of the network's input, (N, 4)."""
        scale_x = self.resized_wh[0] / self.source_wh[0]
        scale_y = self.resized_wh[1] / self.source_wh[1]
        scale = np.array([scale_x, scale_y, scale_x, scale_y], np.float32)
        return xyxy * scale + np.array([self.left, self.top, self.left, self.top], np.float32)


def letterbox_geometry(source_wh, input_wh):
    """Fit (width, height) into the input keeping its aspect, centred."""
    scale = min(input_wh[0] / source_wh[0], input_wh[1] / source_wh[1])
    width = min(max(round(source_wh[0] * scale), 1), input_wh[0])
    height = min(max(round(source_wh[1] * scale), 1), input_wh[1])
    return LetterboxGeometry(
        tuple(source_wh), (width, height), (input_wh[0] - width) // 2, (input_wh[1] - height) // 2
    )


def letterbox(image, input_wh):
    """
    Fit a BGR image (H, W, 3) uint8 into (input height, input width, 3), padded with grey.

    Returns the input and its geometry.
    """
    geometry = letterbox_geometry((image.shape[1], image.shape[0]), input_wh)
    out = np.full((input_wh[1], input_wh[0], 3), GREY, np.uint8)
    _resize_into(image, geometry, out)
    return out, geometry


class Letterbox:
    """Fits one image after another into the same buffer, which has to be used before the next."""

    def __init__(self, input_wh):
        self.input_wh = tuple(input_wh)
        self.batch = np.full((1, self.input_wh[1], self.input_wh[0], 3), GREY, np.uint8)
        self._geometry = None

    def __call__(self, image):
        """Return the (1, H, W, 3) uint8 input made of a BGR image, and its geometry."""
        source_wh = image.shape[1], image.shape[0]
        if self._geometry is None or self._geometry.source_wh != source_wh:
            self._geometry = letterbox_geometry(source_wh, self.input_wh)
            self.batch[:] = GREY  # the padding stays as it is while the source keeps its size
        _resize_into(image, self._geometry, self.batch[0])
        return self.batch, self._geometry


def _resize_into(image, geometry, out):
    width, height = geometry.resized_wh
    view = out[geometry.top:geometry.top + height, geometry.left:geometry.left + width]
    if geometry.resized_wh == geometry.source_wh:
        view[:] = image
    else:
        cv2.resize(image, geometry.resized_wh, dst=view, interpolation=cv2.INTER_LINEAR)

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import contextlib
import time
from typing import NamedTuple

import numpy as np

from ..vision.decode import HeadDecoder
from ..vision.letterbox import Letterbox
from ..vision.nms import class_aware_nms
from .factory import create_backend
from .manifest import MAX_LOSS


class Timings(NamedTuple):
    """How long the parts of one detection took."""

    preprocess_ms: float
    inference_ms: float
    postprocess_ms: float


class Detector:
    """From an image to boxes in its pixels, on a loaded backend."""

    def __init__(self, backend, model_file, confidence=0.25, iou=0.45, max_detections=300,
                 class_confidence=None):
        self.backend = backend
        self.model_file = model_file
        self.labels = list(model_file.labels)
        self.timings = Timings(0.0, 0.0, 0.0)
        self._letterbox = Letterbox(model_file.input_wh)
        self._decoder = HeadDecoder(model_file.anchors, model_file.strides, len(self.labels))
        self.set_thresholds(confidence, iou, max_detections)
        for label, threshold in (class_confidence or {}).items():
            self._confidence[self.labels.index(label)] = threshold

    def set_thresholds(self, confidence, iou=None, max_detections=None):
        """
        Change what counts from the next image on.

        `confidence` is the least score, one for all classes or a list with one for each.
        """
        confidence = np.array(np.broadcast_to(
            np.asarray(confidence, np.float32), (len(self.labels),)))
        if not ((confidence >= 0) & (confidence <= 1)).all():
            raise ValueError('a confidence lies between 0 and 1, not {}'.format(confidence))
        if iou is not None and not 0 <= iou <= 1:
            raise ValueError('an overlap (IoU) lies between 0 and 1, not {}'.format(iou))
        self._confidence = confidence
        self._iou = self._iou if iou is None else iou
        self._max_detections = self._max_detections if max_detections is None else max_detections

    def detect(self, image):
        """
        Return the Detections in a BGR image (H, W, 3) uint8, in its own pixels, best first.

        Each box has an area: it is cut to the image, and left out where nothing remains.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ValueError('an image is (H, W, 3) uint8, not {} {}'.format(
                image.shape, image.dtype))
        start = time.perf_counter()
        batch, geometry = self._letterbox(image)
        prepared = time.perf_counter()
        maps = self.backend.infer(batch)
        inferred = time.perf_counter()
        xyxy, score, class_id = self._decoder([head[0] for head in maps], self._confidence)
        kept = class_aware_nms(xyxy, score, class_id, self._iou)[:self._max_detections]
        detections = geometry.detections(xyxy[kept], score[kept], class_id[kept])
        self.timings = Timings(
            (prepared - start) * 1e3, (inferred - prepared) * 1e3,
            (time.perf_counter() - inferred) * 1e3)
        return detections

    def close(self):
        """Give back what the backend holds."""
        self.backend.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def load_detector(model='yolov7-tiny', backend='onnxruntime', precision='auto', device='auto',
                  threads=0, models_dir=None, input_wh=None, fallback=(), max_loss=MAX_LOSS,
                  on_progress=None, **options):
    """
    Return a Detector, loaded and warm; see create_backend and Detector for the arguments.

    `on_progress` is called with a line of text now and then, where loading takes long.

    Raises BackendError (BackendMissing, ModelFileError, DeviceError) where that cannot be.
    """
    runtime = create_backend(
        backend, model, precision=precision, device=device, threads=threads,
        models_dir=models_dir, input_wh=input_wh, fallback=fallback, max_loss=max_loss)
    runtime.on_progress = on_progress
    runtime.load()
    try:
        detector = Detector(runtime, runtime.model_file, **options)
        runtime.warm_up()
        return detector
    except Exception:
        with contextlib.suppress(Exception):  # a GPU that is lost fails at that, too
            runtime.close()
        raise

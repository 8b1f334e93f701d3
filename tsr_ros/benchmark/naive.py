# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What one gets without any of this package's care: the yardstick that the ratios refer to."""

from __future__ import annotations

import time

import cv2
import numpy as np
import torch

from tsr_ros.backends.base import BackendInfo
from tsr_ros.backends.detector import Timings
from tsr_ros.backends.manifest import ModelFile
from tsr_ros.vision.boxes import cxcywh_to_xyxy
from tsr_ros.vision.detections import Detections
from tsr_ros.vision.letterbox import letterbox_geometry
from tsr_ros.vision.nms import nms_numpy
from tsr_ros.yolov7.checkpoint import load_weights
from tsr_ros.yolov7.decode import decode_maps

_IOU = 0.45  # above which the worse of two boxes goes


class NaiveDetector:
    """
    PyTorch eager in fp32 with the usual pre- and postprocessing, like a first script has them.

    The image is resized, padded, turned and scaled in copies; every row is decoded and looked at.
    Convolutions and batch norms are fused, as exported files have them too.
    """

    def __init__(self, model_file: ModelFile, threads: int, confidence: float = 0.25):
        torch.set_num_threads(threads)
        self.model_file, self.confidence = model_file, confidence
        self.labels = list(model_file.labels)
        self.threads = threads
        self.timings = Timings(0.0, 0.0, 0.0)
        self._network = load_weights(model_file.path)

    def describe(self) -> BackendInfo:
        """Return what runs."""
        return BackendInfo('naive', torch.__version__, 'cpu', 'fp32', self.threads,
                           'PyTorch eager, NCHW, usual pre- and postprocessing')

    @torch.no_grad()
    def detect(self, image: np.ndarray) -> Detections:
        """Return the Detections in a BGR image (H, W, 3) uint8."""
        start = time.perf_counter()
        geometry = letterbox_geometry((image.shape[1], image.shape[0]), self.model_file.input_wh)
        width, height = self.model_file.input_wh
        resized = cv2.resize(image, geometry.resized_wh, interpolation=cv2.INTER_LINEAR)
        padded = cv2.copyMakeBorder(
            resized, geometry.top, height - geometry.top - geometry.resized_wh[1],
            geometry.left, width - geometry.left - geometry.resized_wh[0],
            cv2.BORDER_CONSTANT, value=(114, 114, 114))
        pixels = np.ascontiguousarray(padded[:, :, ::-1].transpose(2, 0, 1)).astype(np.float32)
        x = torch.from_numpy(pixels / 255)[None]
        prepared = time.perf_counter()
        maps = self._network(x)
        inferred = time.perf_counter()
        rows = decode_maps(maps, self._network.anchors, self._network.strides)[0].numpy()
        scores = rows[:, 4:5]
        if len(self.labels) > 1:
            scores = scores * rows[:, 5:]
        class_id, score = scores.argmax(1), scores.max(1)
        kept = score >= self.confidence
        xyxy, score, class_id = cxcywh_to_xyxy(rows[kept, :4]), score[kept], class_id[kept]
        kept = nms_numpy(xyxy, score, class_id, _IOU)
        found = Detections(
            geometry.to_source(xyxy[kept]), score[kept], class_id[kept].astype(np.int32))
        self.timings = Timings((prepared - start) * 1e3, (inferred - prepared) * 1e3,
                               (time.perf_counter() - inferred) * 1e3)
        return found

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A replay without ROS: every frame through the detector in this process, the same each time."""

from __future__ import annotations

import time

from tqdm import tqdm

from tsr_ros.backends.detector import Detector, load_detector
from tsr_ros.replay.frame import Frame
from tsr_ros.replay.run import DROPS, Answer, DetectorOptions, Run, in_labels_of
from tsr_ros.replay.sources import Source, SourceError
from tsr_ros.vision.image_codecs import ImageError

LEAST_SCORE = 0.01  # low enough for whole precision-recall curves
_SHOWN = 5          # damaged frames named one by one


def replay_offline(source: Source, options: DetectorOptions | None = None,
                   progress: bool = True) -> Run:
    """
    Run the detector on every frame, as fast as it goes.

    A damaged frame is counted, named and passed over.

    :raises BackendError: where the detector cannot be loaded.
    :raises SourceError: where the source cannot be read, or none of its frames.
    """
    options = options or DetectorOptions()
    answers: list[Answer] = []
    damaged: list[str] = []
    with load_detector(
            options.model, backend=options.backend, precision=options.precision,
            device=options.device, threads=options.threads, models_dir=options.models_dir or None,
            confidence=min(LEAST_SCORE, options.confidence_threshold),
            max_detections=100) as detector:
        labels = tuple(detector.labels)
        bar = tqdm(source.frames(), total=source.count or None, unit='frame', desc='replaying',
                   disable=None if progress else True)
        for frame in bar:
            frame = frame._replace(
                ground_truth=in_labels_of(frame.ground_truth, source.labels, labels))
            try:
                answers.append(_detect(frame, detector))
            except ImageError as error:
                answers.append(Answer(frame.name, frame.stamp_ns, frame.ground_truth, None, {}))
                damaged.append(f'{frame.name}: {error}')
        info = detector.backend.describe()
    if len(damaged) == len(answers):
        raise SourceError(f'{source.path}: not one of its frames can be read; '
                          f'the first: {damaged[0] if damaged else "there is none"}')
    problems = damaged[:_SHOWN]
    if len(damaged) > _SHOWN:
        problems.append(f'and {len(damaged) - _SHOWN} more frames are damaged')
    shortfall = source.shortfall(len(answers))
    if shortfall:
        problems.append(shortfall)
    described = {'model': options.model, 'backend': f'{info.name} {info.version}',
                 'precision': info.precision, 'device': info.device,
                 'threads': str(info.threads), 'detail': info.detail}
    return Run('offline', source.name, source.kind, source.condition, source.rate_hz, 0.0, labels,
               described, options.confidence_threshold,
               min(LEAST_SCORE, options.confidence_threshold), answers,
               dict.fromkeys(DROPS, 0) | {'bad': len(damaged)}, problems)


def _detect(frame: Frame, detector: Detector) -> Answer:
    start = time.perf_counter()
    bgr = frame.bgr()
    decoded = time.perf_counter()
    detections = detector.detect(bgr)
    times_ms = {'decode': (decoded - start) * 1e3, **{
        stage.removesuffix('_ms'): float(value)
        for stage, value in detector.timings._asdict().items()}}
    times_ms['total'] = (time.perf_counter() - start) * 1e3
    return Answer(frame.name, frame.stamp_ns, frame.ground_truth, detections, times_ms)

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tsr_ros.evaluation.ground_truth import GroundTruth
from tsr_ros.vision.detections import Detections

# One image's way, in order; what a live replay adds before and after stands at the ends.
STAGES = ('queue_wait', 'decode', 'preprocess', 'inference', 'postprocess', 'publish')
LEAST_RATE, MOST_RATE = 0.01, 1000.0  # times a source's pace, as the player takes them
DROPS = {
    'overwritten': 'a newer frame came before the detector was free',
    'too_old': 'older than max_frame_age when the detector was free',
    'bad': 'could not be decoded, or the network failed on it',
    'lost': 'the middleware never brought it to the node',
    'answer_lost': 'answered, but the middleware never brought the answer',
}


class DetectorOptions(NamedTuple):
    """What is asked of the detector; the defaults are the node's."""

    model: str = 'yolov7-tiny'
    backend: str = 'onnxruntime'
    precision: str = 'auto'
    device: str = 'auto'
    threads: int = 0
    models_dir: str = ''
    confidence_threshold: float = 0.35


class Answer(NamedTuple):
    """One frame of a source and what became of it."""

    name: str
    stamp_ns: int
    ground_truth: GroundTruth | None
    detections: Detections | None  # None: dropped
    times_ms: dict[str, float]     # by stage, what was measured


class Run(NamedTuple):
    """A source played to a detector once."""

    mode: str                # live or offline
    source: str
    kind: str                # recording, film or images
    condition: str           # light and weather
    source_rate_hz: float
    rate: float              # times the source's pace; of an offline run 0: as fast as it goes
    labels: tuple[str, ...]  # of the detector; class ids of the ground truth too are its
    detector: dict[str, str]  # model, backend, precision, device and what else is known
    confidence: float        # score from which on a detection counts
    least_score: float       # down to which detections were kept, for whole curves
    answers: list[Answer]    # one for each frame, in order
    dropped: dict[str, int]  # frames by cause, see DROPS
    problems: list[str]      # what the reader has to know: damaged frames, a pace not kept

    @property
    def answered(self) -> int:
        """Number of frames that were answered."""
        return sum(answer.detections is not None for answer in self.answers)

    @property
    def duration_s(self) -> float:
        """Seconds of the source's own time that the frames cover."""
        if not self.answers:
            return 0.0
        between_s = (self.answers[-1].stamp_ns - self.answers[0].stamp_ns) / 1e9
        return between_s + 1 / self.source_rate_hz

    @property
    def has_ground_truth(self) -> bool:
        """Tell whether it can be said of any frame what really was there."""
        return any(answer.ground_truth is not None for answer in self.answers)

    def times_ms(self, stage: str) -> np.ndarray:
        """Return what was measured of one stage, milliseconds, for the frames that have it."""
        times = np.array([answer.times_ms[stage] for answer in self.answers
                          if stage in answer.times_ms], float)
        return times[np.isfinite(times)]

    def stages(self) -> list[str]:
        """Return the stages of which anything was measured, in the order of an image's way."""
        measured = {stage for answer in self.answers for stage in answer.times_ms}
        order = ('age_at_arrival', *STAGES, 'total', 'end_to_end')
        return [stage for stage in order if stage in measured and len(self.times_ms(stage))]

    def confident(self, answer: Answer) -> Detections:
        """Return the detections of a frame that count; none of a frame that was dropped."""
        found = answer.detections or Detections.empty()
        return found.select(found.score >= np.float32(self.confidence))

    def detections_per_class(self) -> dict[str, int]:
        """Return how many detections each class has over all frames."""
        counts = np.zeros(len(self.labels), int)
        for answer in self.answers:
            counts += np.bincount(self.confident(answer).class_id, minlength=len(self.labels))
        return dict(zip(self.labels, counts.tolist(), strict=True))


def percentiles_ms(times_ms: np.ndarray) -> dict[str, float]:
    """Return the median, the 95th and 99th percentile and the greatest."""
    p50, p95, p99 = np.percentile(times_ms, (50, 95, 99))
    return {'p50': float(p50), 'p95': float(p95), 'p99': float(p99), 'max': float(times_ms.max())}


def in_labels_of(truth: GroundTruth | None, labels: Sequence[str],
                 detector_labels: Sequence[str]) -> GroundTruth | None:
    """Return ground truth with the detector's class ids; classes that it does not know go."""
    if truth is None or tuple(labels) == tuple(detector_labels):
        return truth
    known = np.array([label in detector_labels for label in labels] + [False], bool)
    truth = truth.select(known[truth.class_id])
    ids = np.array([list(detector_labels).index(label) if label in detector_labels else -1
                    for label in labels], np.int32)
    return truth._replace(class_id=ids[truth.class_id])


def to_json(run: Run) -> dict[str, Any]:
    """Return the run for a JSON file: what was counted and measured, and each frame's boxes."""
    return {
        'mode': run.mode,
        'source': {'name': run.source, 'kind': run.kind, 'condition': run.condition,
                   'rate_hz': run.source_rate_hz, 'duration_s': run.duration_s},
        'rate': run.rate,
        'detector': run.detector,
        'confidence': run.confidence,
        'labels': list(run.labels),
        'frames': {'sent': len(run.answers), 'answered': run.answered, 'dropped': run.dropped},
        'latency_ms': {stage: percentiles_ms(run.times_ms(stage)) for stage in run.stages()},
        'detections_per_class': run.detections_per_class(),
        'problems': run.problems,
        'answers': [_answer_to_json(answer, run) for answer in run.answers],
    }


def _answer_to_json(answer: Answer, run: Run) -> dict[str, Any]:
    found = run.confident(answer)
    return {
        'frame': answer.name,
        'stamp_ns': answer.stamp_ns,
        'times_ms': {stage: time if np.isfinite(time) else None
                     for stage, time in answer.times_ms.items()},
        'detections': None if answer.detections is None else [
            {'label': run.labels[class_id], 'class_id': class_id, 'score': score, 'xyxy': xyxy}
            for xyxy, score, class_id in zip(found.xyxy.tolist(), found.score.tolist(),
                                             found.class_id.tolist(), strict=True)],
    }

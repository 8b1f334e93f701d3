# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judging a detector on labelled images, whatever runtime and precision it has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from tsr_ros.backends.base import BackendInfo
from tsr_ros.backends.detector import Detector
from tsr_ros.evaluation.dataset import (
    DataError,
    LabelledImage,
    ground_truth,
    read_class_names,
    read_dataset,
    read_image,
)
from tsr_ros.evaluation.matching import MOST_DETECTIONS, ImageResult, Matches, match_results
from tsr_ros.evaluation.metrics import Scores, by_group, by_size, score_matches
from tsr_ros.evaluation.mistakes import Mistakes, count_mistakes, find_mistakes

LEAST_SCORE = 0.001
NMS_IOU = 0.45


class Subject(NamedTuple):
    """What was judged, and on what."""

    model: str
    input_wh: tuple[int, int]
    backend: BackendInfo
    data: str
    split: str  # '' for all images
    nms_iou: float
    model_sha256: str


class Evaluation(NamedTuple):
    """A detector's scores on a set of images, and all that they are made from."""

    subject: Subject
    labels: tuple[str, ...]
    items: tuple[LabelledImage, ...]
    results: tuple[ImageResult, ...]
    matches: Matches
    scores: Scores
    groups: dict[str, dict[str, Scores]]  # by 'condition', 'size' and 'source', each by its value
    mistakes: Mistakes

    def as_dict(self) -> dict:
        """Return what was judged, the scores and the curves, as JSON takes them."""
        subject = self.subject._asdict()
        subject['backend'] = self.subject.backend._asdict()
        return {
            **subject, 'labels': list(self.labels), 'images': len(self.results),
            **self.scores.as_dict(), 'mistakes': count_mistakes(self.matches, self.mistakes),
            'precision_at_recall': {
                row.label: np.round(precision, 4).tolist()
                for row, precision in zip(self.scores.classes, self.scores.precision_at_recall)
                if row.objects},
            **{f'by_{kind}': {value: scores.as_dict() for value, scores in group.items()}
               for kind, group in self.groups.items()}}


def read_labelled_images(folder: Path, split: str | None,
                         labels: Sequence[str]) -> list[LabelledImage]:
    """
    Return a split's images, or all, whose classes are those of a model.

    :raises DataError: where the classes differ, or for what is missing or wrong in the data
    """
    names = read_class_names(Path(folder))
    if names is not None and names != list(labels):
        raise DataError(
            f'{folder}: its classes are {", ".join(names)}, but the model knows '
            f'{", ".join(map(str, labels))}; names and order have to be the same')
    return read_dataset(Path(folder), split, len(labels))


def run_detector(detector: Detector, items: Sequence[LabelledImage],
                 nms_iou: float = NMS_IOU, progress: bool | None = True) -> list[ImageResult]:
    """
    Return what a detector finds in each image, down to LEAST_SCORE, beside what is there.

    The detector's thresholds are changed. `progress` None shows a bar only on a terminal.

    :raises DataError: for an image that cannot be read
    """
    detector.set_thresholds(LEAST_SCORE, nms_iou, MOST_DETECTIONS * len(detector.labels))
    results = []
    hidden = None if progress is None else not progress
    for item in tqdm(items, 'evaluating', unit='image', disable=hidden, leave=False):
        image = read_image(item.path)
        results.append(ImageResult(
            item.path.name, item.condition, detector.detect(image),
            ground_truth(item, (image.shape[1], image.shape[0])), item.labelled))
    return results


def evaluate(detector: Detector, folder: Path, split: str | None, *, nms_iou: float = NMS_IOU,
             threshold: float | None = None, progress: bool | None = True) -> Evaluation:
    """
    Judge a loaded detector on a folder of labelled images in YOLO layout.

    :param split: which images; None takes all
    :param threshold: least score for precision, recall, F1 and mistakes; None takes the best
    :raises DataError: for what is missing or wrong in the data, with file and line
    """
    labels = tuple(map(str, detector.labels))
    items = read_labelled_images(folder, split, labels)
    results = run_detector(detector, items, nms_iou, progress)
    model_file = detector.model_file
    subject = Subject(
        model_file.name, tuple(model_file.input_wh), detector.backend.describe(),
        Path(folder).resolve().name, split or '', nms_iou, model_file.sha256)
    return judge(subject, labels, items, results, threshold)


def judge(subject: Subject, labels: Sequence[str], items: Sequence[LabelledImage],
          results: Sequence[ImageResult], threshold: float | None = None) -> Evaluation:
    """Return the evaluation of results that are there already, one for each item."""
    matches = match_results(results, len(labels))
    scores = score_matches(matches, labels, len(results), threshold)
    groups = {
        'condition': by_group(
            results, [result.condition for result in results], labels, scores.threshold),
        'size': by_size(results, labels, scores.threshold),
        'source': by_group(results, [item.source for item in items], labels, scores.threshold),
    }
    return Evaluation(
        subject, tuple(labels), tuple(items), tuple(results), matches, scores, groups,
        find_mistakes(matches, scores.threshold))

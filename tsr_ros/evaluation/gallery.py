# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of the worst mistakes, cut out of their images with the boxes drawn in."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from tsr_ros.evaluation.dataset import read_image
from tsr_ros.evaluation.mistakes import POOR_IOU, best_score_on, overlap_with_own_class
from tsr_ros.evaluation.run import Evaluation
from tsr_ros.vision.draw import PALETTE
from tsr_ros.vision.letterbox import GREY

SIDE = 320  # pixels of a picture
CONTEXT = 3.0  # widths of the box that are shown
MARGIN = 1.2  # widths of the box that are shown at least
LEAST_VIEW = 64  # pixels of the image
TRUTH = (255, 255, 255)
MOST_PICTURES = 12


class View(NamedTuple):
    """A square of an image, in its pixels."""

    left: int
    top: int
    side: int


def missed(evaluation: Evaluation) -> list[tuple[bytes, str]]:
    """Return (JPEG, caption) of the largest objects that nothing was found on."""
    matches = evaluation.matches
    rows = evaluation.mistakes.missed[:MOST_PICTURES]
    pictures = []
    for row, weak in zip(rows, best_score_on(matches, rows)):
        width, height = matches.objects.xyxy[row, 2:] - matches.objects.xyxy[row, :2]
        label = evaluation.labels[matches.objects.class_id[row]]
        words = f'{label}, {width:.0f} x {height:.0f} px, '
        words += f'score only {weak:.2f}' if weak else 'not seen at all'
        pictures.append(_picture(
            evaluation, matches.objects.image[row], matches.objects.xyxy[row], words))
    return pictures


def false_alarms(evaluation: Evaluation) -> list[tuple[bytes, str]]:
    """Return (JPEG, caption) of the false alarms with the highest scores."""
    matches = evaluation.matches
    rows = evaluation.mistakes.false_alarms[:MOST_PICTURES]
    pictures = []
    for row, overlap in zip(rows, overlap_with_own_class(matches, rows)):
        words = f'{evaluation.labels[matches.class_id[row]]} {matches.score[row]:.2f}'
        if overlap >= POOR_IOU:
            words += f', IoU {overlap:.2f} with one that is there'
        pictures.append(_picture(evaluation, matches.image[row], matches.xyxy[row], words))
    return pictures


def confused(evaluation: Evaluation) -> list[tuple[bytes, str]]:
    """Return (JPEG, caption) of objects taken for another class, highest scores first."""
    matches, labels = evaluation.matches, evaluation.labels
    pictures = []
    for row, thing in evaluation.mistakes.confused[:MOST_PICTURES]:
        words = (f'{labels[matches.objects.class_id[thing]]} taken for '
                 f'{labels[matches.class_id[row]]} {matches.score[row]:.2f}')
        pictures.append(_picture(evaluation, matches.image[row], matches.xyxy[row], words))
    return pictures


def _picture(evaluation, index, xyxy, words):
    """Return a JPEG of the surroundings of a box, and its caption."""
    image = read_image(evaluation.items[index].path)
    view = view_around(xyxy, (image.shape[1], image.shape[0]))
    picture = crop(image, view)
    objects, matches = evaluation.matches.objects, evaluation.matches
    boxes = [(box, TRUTH) for box in objects.xyxy[objects.image == index]]
    shown = (matches.image == index) & (matches.score >= evaluation.scores.threshold)
    boxes += [(matches.xyxy[row], PALETTE[matches.class_id[row] % len(PALETTE)])
              for row in np.flatnonzero(shown)[::-1]]
    # the one that matters thick and on top, the best of the others next
    for box, colour in sorted(boxes, key=lambda box: (box[0] == xyxy).all()):
        _draw(picture, box, view, colour, bold=(box == xyxy).all())
    result = evaluation.results[index]
    where = f'{result.name}, {result.condition}' if result.condition else result.name
    done, jpeg = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
    assert done
    return jpeg.tobytes(), f'{words} · {where}'


def view_around(xyxy: np.ndarray, resolution_wh: tuple[int, int]) -> View:
    """Return a square around a box, moved into the image as far as it fits."""
    box_side = float((xyxy[2:] - xyxy[:2]).max())
    # of a large box less is shown around it, rather than beyond the image
    side = max(min(CONTEXT * box_side, *resolution_wh), MARGIN * box_side)
    side = round(max(side, LEAST_VIEW))
    place = []
    for low, high, limit in zip(xyxy[:2], xyxy[2:], resolution_wh):
        start = round(float(low + high) / 2 - side / 2)
        place.append(max(0, min(start, limit - side)) if side <= limit else (limit - side) // 2)
    return View(*place, side)


def crop(image: np.ndarray, view: View) -> np.ndarray:
    """Return a view of an image (SIDE, SIDE, 3), grey where it leaves the image."""
    canvas = np.full((view.side, view.side, 3), GREY, np.uint8)
    height, width = image.shape[:2]
    left, top = max(0, view.left), max(0, view.top)
    right, bottom = min(width, view.left + view.side), min(height, view.top + view.side)
    canvas[top - view.top:bottom - view.top, left - view.left:right - view.left] = image[
        top:bottom, left:right]
    smaller = view.side > SIDE
    return cv2.resize(canvas, (SIDE, SIDE),
                      interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def _draw(picture, xyxy, view, colour, bold):
    """Draw a box, a bold one with a dark edge, so that it shows on any ground."""
    corners = (np.asarray(xyxy).reshape(2, 2) - view[:2]) * SIDE / view.side
    first, second = (tuple(round(value) for value in corner) for corner in corners)
    if bold:
        cv2.rectangle(picture, first, second, (0, 0, 0), 5, cv2.LINE_AA)
    cv2.rectangle(picture, first, second, colour, 3 if bold else 1, cv2.LINE_AA)

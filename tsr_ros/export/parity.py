# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether every backend and precision says what PyTorch says in fp32, on the same images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from tsr_ros.backends.base import Backend, BackendError, BackendMissing, UnsupportedError
from tsr_ros.backends.detector import Detector
from tsr_ros.backends.factory import BACKENDS, backend_class, backend_status, create_backend
from tsr_ros.backends.manifest import Manifest, find_model_file
from tsr_ros.backends.nvidia_driver import has_nvidia_driver
from tsr_ros.evaluation.dataset import IMAGE_SUFFIXES, LabelledImage, ground_truth, read_image
from tsr_ros.evaluation.matching import ImageResult
from tsr_ros.evaluation.metrics import score
from tsr_ros.evaluation.run import LEAST_SCORE, read_labelled_images
from tsr_ros.report.files import or_none
from tsr_ros.vision.boxes import box_area, box_iou
from tsr_ros.vision.detections import Detections

SURE = 0.3  # boxes of the reference with this score may not be missing
SLACK = 0.05  # a box just below is not missing: it is a difference of score
SAME_IOU = 0.5  # boxes of one class that overlap this much are the same


class Limits(NamedTuple):
    """What a precision may differ from the reference; None: as much as it likes."""

    pixels: float | None
    score: float | None
    missing: int | None
    map50_loss: float


LIMITS = {
    'fp32': Limits(0.5, 0.002, 0, 0.001),
    'fp16': Limits(None, None, None, 0.002),
    'bf16': Limits(None, None, None, 0.002),
    'int8': Limits(None, None, None, 0.01),
}


class Output(NamedTuple):
    """What one backend says of one image."""

    maps: list[np.ndarray]
    detections: Detections
    resolution_wh: tuple[int, int]  # of the image


class BoxDifferences(NamedTuple):
    """How the boxes of one image differ; the arrays have one row for each that was matched."""

    iou: np.ndarray
    pixels: np.ndarray  # the most that one edge lies off
    score: np.ndarray
    missing: int
    extra: int


class Row(NamedTuple):
    """How one backend in one precision differs from the reference, over all images."""

    backend: str
    precision: str
    version: str
    device: str
    map_max: float  # absolute difference of the raw head maps
    map_mean: float
    matched: int  # boxes of the reference with a score of SURE
    missing: int
    extra: int
    iou_min: float  # NaN where nothing was matched, as are the next two
    pixels_max: float
    score_max: float
    map50: float  # NaN without labels, as is the next
    map50_loss: float
    problems: tuple[str, ...]  # what is beyond the limits

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it, None for NaN."""
        return {name: or_none(value) if isinstance(value, float) else value
                for name, value in self._asdict().items()}


class Parity(NamedTuple):
    """The reference, the rows, and what could not be compared and why, by fault or not."""

    model: str
    reference: tuple[str, str]  # backend, version
    images: int
    map50: float  # of the reference, NaN without labels
    rows: tuple[Row, ...]
    left_out: dict[str, str]
    failed: dict[str, str]  # such as a file that is missing or damaged

    @property
    def good(self) -> bool:
        """Whether something was compared, nothing failed, and all is within its limits."""
        return bool(self.rows) and not self.failed and not any(row.problems for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return {
            'model': self.model, 'reference': dict(zip(('backend', 'version'), self.reference)),
            'images': self.images, 'map50': or_none(self.map50),
            'good': self.good, 'rows': [row.as_dict() for row in self.rows],
            'left_out': self.left_out, 'failed': self.failed}


class _Listener:
    """Stands before a backend and keeps what it said last."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.maps: list[np.ndarray] = []

    def infer(self, images: np.ndarray) -> list[np.ndarray]:
        self.maps = self._backend.infer(images)
        return self.maps


def find_images(folder: Path, split: str | None, labels: Sequence[str],
                most: int) -> tuple[list[LabelledImage], bool]:
    """
    Return up to `most` images of a folder, evenly spread, and whether they are labelled.

    :raises DataError: for what is wrong in labelled data
    :raises ValueError: where there is no image
    """
    labelled = (folder / 'images').is_dir() and (folder / 'labels').is_dir()
    if labelled:
        items = read_labelled_images(folder, split, labels)
    else:
        items = [LabelledImage(path, np.zeros(0, int), np.zeros((0, 4), np.float32),
                               np.ones(len(labels), bool))
                 for path in sorted(folder.rglob('*')) if path.suffix.lower() in IMAGE_SUFFIXES]
    if not items:
        raise ValueError(f'there is no image in {folder}')
    if most and len(items) > most:
        items = [items[i] for i in np.linspace(0, len(items) - 1, most).round().astype(int)]
    return items, labelled


def check_parity(models_dir: str, model: str, items: Sequence[LabelledImage], labelled: bool,
                 backends: Sequence[str] = (), threads: int = 0) -> Parity:
    """
    Compare all installed backends and precisions on images, each on the device that it chooses.

    The reference runs on the CPU, so that a GPU has something to be measured by.

    :raises BackendMissing: where no backend is there that could be the reference
    """
    manifest = Manifest.read(models_dir)
    entry = manifest.model(model or manifest.default)
    status = backend_status()
    name = next((name for name in ('pytorch', 'onnxruntime') if not status[name].problem), None)
    if name is None:
        raise BackendMissing(
            'neither PyTorch nor ONNX Runtime can run here: ' + status['pytorch'].problem)
    if name != 'pytorch':
        tqdm.write(f'PyTorch is not here: all is compared with {name} in fp32 instead')
    options = {'threads': threads, 'models_dir': models_dir}
    with create_backend(name, entry.name, 'fp32', device='cpu', **options) as backend:
        backend.load()
        reference = list(_run(backend, items, labelled))
    map50 = _map50(reference, items, entry.labels) if labelled else float('nan')

    rows, left_out, failed = [], {}, {}
    for other, precision, reason in _variants(entry, backends):
        if (other, precision) == (name, 'fp32') and not has_nvidia_driver():
            continue  # it would be compared with itself
        if reason and other in backends and not precision:
            failed[other] = reason  # somebody wants to know about this one
            continue
        if reason:
            left_out[f'{other} {precision}'.strip()] = reason
            continue
        try:
            with create_backend(other, entry.name, precision, **options) as backend:
                backend.load()
                outputs = _run(backend, items, labelled)
                rows.append(_compare(backend, reference, outputs, items, entry.labels, map50))
        except BackendError as error:
            # what no such computer can do is no fault
            reasons = left_out if isinstance(error, UnsupportedError) else failed
            reasons[f'{other} {precision}'] = str(error)
    return Parity(entry.name, (name, status[name].version), len(items), map50, tuple(rows),
                  left_out, failed)


def _variants(entry: Any, backends: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield backend, precision and why it is left out, or ''."""
    status = backend_status(backends or BACKENDS)
    for name in status:
        cls = backend_class(name)
        if status[name].problem:
            yield name, '', status[name].problem
            continue
        for precision in cls.precisions:
            (formats, stored), = cls.file_choices(precision)
            reason = ''
            try:
                find_model_file(entry, formats, stored)
            except BackendError as error:
                reason = str(error)
            yield name, precision, reason


def _run(backend: Backend, items: Sequence[LabelledImage], labelled: bool) -> Iterator[Output]:
    """Yield what a loaded backend says of each image."""
    listener = _Listener(backend)
    detector = Detector(listener, backend.model_file,
                        confidence=LEAST_SCORE if labelled else SURE / 2)
    title = f'{backend.name} {backend.precision}'
    for item in tqdm(items, title, unit='image', leave=False):
        image = read_image(item.path)
        found = detector.detect(image)
        yield Output([head.copy() for head in listener.maps], found,
                     (image.shape[1], image.shape[0]))


def _compare(backend: Backend, reference: Sequence[Output], outputs: Iterator[Output],
             items: Sequence[LabelledImage], labels: Sequence[str], map50: float) -> Row:
    found, boxes = [], []
    map_max, map_mean = 0.0, []
    for expected, output in zip(reference, outputs):
        differences = [np.abs(a - b) for a, b in zip(expected.maps, output.maps)]
        # not max(): it would let NaN through
        map_max = np.maximum(map_max, max(float(d.max()) for d in differences))
        map_mean.append(sum(d.sum(dtype=float) for d in differences)
                        / sum(d.size for d in differences))
        boxes.append(compare_boxes(expected.detections, output.detections))
        found.append(output._replace(maps=[]))
    iou, pixels, scores = (
        np.concatenate([getattr(b, name) for b in boxes]) for name in ('iou', 'pixels', 'score'))
    own_map50 = float('nan') if np.isnan(map50) else _map50(found, items, labels)
    info = backend.describe()
    row = Row(
        info.name, info.precision, info.version, info.device, float(map_max),
        float(np.mean(map_mean)), len(iou), sum(b.missing for b in boxes),
        sum(b.extra for b in boxes), _extreme(iou, np.min), _extreme(pixels, np.max),
        _extreme(scores, np.max), own_map50, map50 - own_map50, ())
    return row._replace(problems=tuple(find_problems(row)))


def compare_boxes(expected: Detections, found: Detections) -> BoxDifferences:
    """
    Match the boxes of two results for one image, the surest first, and measure the differences.

    Boxes of the same class that overlap by SAME_IOU are the same. Counted are those with a score
    of SURE that have an area; their counterparts may lie SLACK below.
    """
    expected, found = (
        detections.select((detections.score >= SURE - SLACK) & (box_area(detections.xyxy) > 0))
        for detections in (expected, found))
    iou = box_iou(expected.xyxy, found.xyxy)
    iou[expected.class_id[:, None] != found.class_id[None, :]] = 0
    free = np.ones(len(found.score), bool)
    pairs = []
    for row in range(len(expected.score)):
        best = np.where(free, iou[row], 0)
        if len(best) and best.max() >= SAME_IOU:
            pairs.append((row, int(best.argmax())))
            free[pairs[-1][1]] = False
    pairs = np.array(pairs, int).reshape(-1, 2)
    missing = np.setdiff1d(np.flatnonzero(expected.score >= SURE), pairs[:, 0])
    a, b = pairs[expected.score[pairs[:, 0]] >= SURE].T
    return BoxDifferences(
        iou[a, b], np.abs(expected.xyxy[a] - found.xyxy[b]).max(axis=1, initial=0),
        np.abs(expected.score[a] - found.score[b]), len(missing),
        int(np.count_nonzero(free & (found.score >= SURE))))


def find_problems(row: Row) -> Iterator[str]:
    """Yield what of a row is beyond the limits of its precision."""
    limits = LIMITS[row.precision]
    if not np.isfinite(row.map_max):
        yield 'the maps are not finite'
    for value, limit, text in (
            (row.pixels_max, limits.pixels, 'a box lies {:.2f} px off, not {:g}'),
            (row.score_max, limits.score, 'a score differs by {:.4f}, not {:g}'),
            (row.missing, limits.missing, '{} boxes are missing, not {}'),
            (row.map50_loss, limits.map50_loss, 'mAP@0.5 is {:.4f} lower, not {:g}')):
        if limit is not None and value > limit:
            yield text.format(value, limit)


def _map50(outputs: Sequence[Output], items: Sequence[LabelledImage],
           labels: Sequence[str]) -> float:
    results = [
        ImageResult(item.path.name, item.condition, output.detections,
                    ground_truth(item, output.resolution_wh), item.labelled)
        for item, output in zip(items, outputs)]
    return score(results, labels).overall.ap50


def _extreme(values: np.ndarray, function: Callable) -> float:
    return float(function(values)) if len(values) else float('nan')

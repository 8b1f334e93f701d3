# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`tsr detect`: signs and lights in images, folders, films and recordings."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from tsr_ros.backends.base import BackendError
from tsr_ros.backends.detector import load_detector
from tsr_ros.backends.factory import AUTO, BACKENDS, ON_REQUEST
from tsr_ros.cli.arguments import add_models_dir, not_negative, share
from tsr_ros.cli.json_records import JsonArrayFile, JsonLines
from tsr_ros.evaluation.dataset import IMAGE_SUFFIXES
from tsr_ros.replay.bag import is_bag
from tsr_ros.replay.frame import encode_jpeg
from tsr_ros.replay.sources import SourceError, open_source
from tsr_ros.report.files import write_bytes
from tsr_ros.vision.detections import Detections
from tsr_ros.vision.draw import draw_detections
from tsr_ros.vision.image_codecs import ImageError, decode_compressed


class SaveError(Exception):
    """A folder into which nothing is to be written: why, and what to do."""


ERRORS = (BackendError, SourceError, SaveError)


class Picture(NamedTuple):
    """One image or frame, read only when it is asked for."""

    name: str
    file_name: str  # without folder and suffix, for the drawn picture
    read: Callable[[], np.ndarray]  # (H, W, 3) uint8 BGR; raises ImageError


class Input(NamedTuple):
    """One SOURCE of the command line."""

    path: Path
    count: int  # of pictures; of a film, as its container promises
    pictures: Callable[[], Iterator[Picture]]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        'Find signs and lights in images, folders of images, films and rosbag2 recordings. '
        'Without --json, prints a line for each picture in which something was found. What '
        'cannot be read is named on standard error, the rest goes on, and the exit status is 1.')
    parser.add_argument('sources', nargs='+', metavar='SOURCE', type=Path,
                        help='image, folder (searched through), film or rosbag2')
    add_model_arguments(parser)
    parser.add_argument('--conf', type=share, default=0.25, metavar='SCORE',
                        help='least score of a detection, 0 to 1 (default: %(default)s)')
    parser.add_argument('--iou', type=share, default=0.45, metavar='IOU',
                        help='overlap above which the worse of two boxes of one class goes '
                        '(default: %(default)s)')
    parser.add_argument('--topic', help='images of recordings that have several')
    parser.add_argument('--json', metavar='FILE',
                        help='write the detections into FILE, as one JSON array with an object '
                        'for each picture, or, if FILE is -, to standard output as one object a '
                        'line. Pictures of films and recordings are named film.mp4#12, counted '
                        'from 0; xyxy are left, top, right, bottom in pixels of the picture')
    parser.add_argument('--save', metavar='DIR', type=Path,
                        help='write the pictures with their boxes into DIR, as JPEG')


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that choose the model and what runs it."""
    parser.add_argument('--model', default='yolov7-tiny',
                        help="name of a model (`tsr models` lists them), '' for the manifest's "
                        'default, or path of a model file of your own (default: %(default)s)')
    add_models_dir(parser)
    parser.add_argument('--backend', default='onnxruntime',
                        choices=(*BACKENDS, *ON_REQUEST, AUTO),
                        help='inference runtime; `tsr doctor` says which run here; auto takes the '
                        'fastest, which is measured once (default: %(default)s)')
    parser.add_argument('--precision', default='auto',
                        choices=('auto', 'fp32', 'fp16', 'bf16', 'int8'),
                        help='arithmetic of the network (default: %(default)s, int8 where that '
                        'was measured to be as good)')
    parser.add_argument('--device', default='auto',
                        help='auto, cpu, cuda, or as the runtime names it (default: %(default)s)')
    parser.add_argument('--threads', type=not_negative, default=0, metavar='N',
                        help='on a CPU (default: one for each core)')


def run(args: argparse.Namespace) -> int:
    """Detect in all sources; return 1 if a picture could not be read."""
    inputs = [open_input(path, args.topic) for path in args.sources]
    if args.save is not None:
        check_outside(args.save, args.sources)
    if args.json is None:
        writer = nullcontext()
    else:
        writer = JsonLines() if args.json == '-' else JsonArrayFile(args.json)
    bad = 0
    taken = set()
    with load_detector(
            args.model, args.backend, precision=args.precision, device=args.device,
            threads=args.threads, models_dir=args.models_dir, confidence=args.conf,
            iou=args.iou) as detector, writer as file, tqdm(
            total=sum(source.count for source in inputs), unit=' pictures', disable=None) as bar:
        if args.save is not None:
            args.save.mkdir(parents=True, exist_ok=True)
        for picture in chain.from_iterable(source.pictures() for source in inputs):
            bar.update()
            try:
                image = picture.read()
            except ImageError as error:
                bar.write(f'tsr detect: {picture.name}: {error}', file=sys.stderr)
                bad += 1
                continue
            found = detector.detect(image)
            if file is not None:
                file.write(as_record(picture.name, image, found, detector.labels))
            elif len(found.score):
                bar.write(f'{picture.name}: {summary(found, detector.labels)}', file=sys.stdout)
            if args.save is not None:
                drawn = draw_detections(image, found, detector.labels)
                save(args.save / f'{free_name(picture.file_name, taken)}.jpg', drawn)
    return 1 if bad else 0


def open_input(path: Path, topic: str | None = None) -> Input:
    """
    Return what a SOURCE holds; raises SourceError where it cannot be used.

    Folders are searched through to the bottom. Labels that lie beside images are not read: a
    mistake in them must not keep anyone from looking at the images.

    :param topic: of a recording's images; of others nothing is asked
    """
    if path.is_dir() and not is_bag(path):
        files = sorted(file for file in path.rglob('*')
                       if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file())
        if not files:
            raise SourceError(f'{path} holds no images ({", ".join(IMAGE_SUFFIXES)})')
        return _image_input(path, path, files)
    if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES:
        return _image_input(path, path.parent, [path])

    source = open_source(path, topic=topic if is_bag(path) else None)

    def pictures() -> Iterator[Picture]:
        for number, frame in enumerate(source.frames()):
            yield Picture(f'{path}#{number}', f'{path.stem}-{number:06d}', frame.bgr)
    return Input(path, source.count, pictures)


def _image_input(path: Path, folder: Path, files: Sequence[Path]) -> Input:
    def pictures() -> Iterator[Picture]:
        for file in files:
            inside = file.relative_to(folder).with_suffix('')
            yield Picture(str(file), '-'.join(inside.parts), partial(read_image, file))
    return Input(path, len(files), pictures)


def read_image(path: Path) -> np.ndarray:
    """Return the BGR image (H, W, 3) uint8 of a file; raises ImageError where that cannot be."""
    try:
        return decode_compressed(path.read_bytes())
    except OSError as error:
        raise ImageError(f'cannot be read: {error.strerror}') from error


def as_record(name: str, image: np.ndarray, found: Detections, labels: Sequence[str]) -> dict:
    """Return the detections in one picture as JSON knows them; pixels with two decimals."""
    return {
        'image': name, 'width': image.shape[1], 'height': image.shape[0],
        'detections': [
            {'label': labels[class_id], 'class_id': int(class_id), 'score': round(float(score), 4),
             'xyxy': [round(float(value), 2) for value in xyxy]}
            for xyxy, score, class_id in zip(*found)],
    }


def summary(found: Detections, labels: Sequence[str]) -> str:
    """Return a line like '2 warning (0.91, 0.45), 1 light (0.80)'."""
    counts = Counter(found.class_id.tolist())
    return ', '.join(
        f'{count} {labels[class_id]} '
        f'({", ".join(f"{score:.2f}" for score in found.score[found.class_id == class_id])})'
        for class_id, count in counts.items())


def free_name(name: str, taken: set[str]) -> str:
    """Return a name that is not taken yet, numbered if need be, and take it."""
    free = name
    for number in count(2):
        if free not in taken:
            break
        free = f'{name}-{number}'
    taken.add(free)
    return free


def check_outside(folder: Path, sources: Sequence[Path]) -> None:
    """Refuse a folder for drawn pictures in which they would be sources themselves."""
    inside = folder.resolve()
    for source in sources:
        if source.is_dir() and inside.is_relative_to(source.resolve()):
            raise SaveError(f'--save {folder} lies in {source}, whose images are read; '
                            'name a folder outside')


def save(path: Path, image: np.ndarray) -> None:
    """Write a JPEG, whole or not at all."""
    write_bytes(path, encode_jpeg(image), durable=False)

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings, films and folders of images behind one contract."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import PIL.Image

from tsr_ros.evaluation.dataset import IMAGE_SUFFIXES, DataError, read_class_names, read_labels
from tsr_ros.evaluation.ground_truth import LABELS, GroundTruth
from tsr_ros.replay.bag import BagError, BagReader, is_bag
from tsr_ros.replay.frame import Frame
from tsr_ros.vision.boxes import cxcywh_to_xyxy

VIDEO_SUFFIXES = ('.mp4', '.mkv', '.avi', '.mov', '.webm', '.m4v', '.mpg', '.mpeg', '.ts', '.wmv')
FOLDER_RATE_HZ = 10.0
LEAST_RATE_HZ, MOST_RATE_HZ = 0.01, 1000.0
_START_NS = 10**9  # stamp of the first picture of what has no clock; 0 would mean: no stamp
_LOG = logging.getLogger(__name__)


class SourceError(Exception):
    """A source that cannot be opened or read: which, why, and what can be done."""


class Source(NamedTuple):
    """What can be played to the detector, more than once."""

    path: Path
    name: str                    # of its file or folder
    kind: str                    # recording, film or images
    condition: str               # light and weather, 'unspecified' where nothing is noted
    labels: tuple[str, ...]      # names of the ground truth's classes
    rate_hz: float               # frames per second at its own pace
    count: int                   # frames, as its container promises
    has_ground_truth: bool
    topic: str | None            # of a recording's images, where one was asked for
    camera_info: Any             # the first sensor_msgs/CameraInfo of a recording, or None
    frames: Callable[[], Iterator[Frame]]  # from the first on; raises SourceError

    def shortfall(self, count: int) -> str:
        """Return what is to be said if it gave so many frames: '' if they are all."""
        # films often promise a frame or two too many
        if count >= self.count - (2 if self.kind == 'film' else 0):
            return ''
        return (f'{self.path} ends after {count} of {self.count} frames: it is cut short or '
                'damaged')


def open_source(path: str | Path, rate_hz: float | None = None,
                topic: str | None = None) -> Source:
    """
    Return a rosbag2, a film, a folder of images or a single image as a source.

    Labels in YOLO layout beside the images are their ground truth: `labels/` beside `images/`,
    `labels/train/` beside `images/train/`, or a text file beside each image; `data.yaml` or
    `classes.txt` may name the classes. Images come in the order of the numbers in their names.

    :param rate_hz: frames per second of what has no clock; None: as the film says, 10 for images.
    :param topic: of a recording's images; None: the usual one, or the only one.
    :raises SourceError: where it is none of these, damaged or empty.
    """
    path = Path(path).resolve()
    if rate_hz is not None and not LEAST_RATE_HZ <= rate_hz <= MOST_RATE_HZ:
        raise SourceError(f'the rate is {rate_hz:g} Hz, but it lies between {LEAST_RATE_HZ:g} and '
                          f'{MOST_RATE_HZ:g}')
    if not path.exists():
        raise SourceError(f'{path} does not exist')
    if is_bag(path):
        return _bag_source(path, topic)
    if topic is not None:
        raise SourceError(f'{path} is no recording, so it has no topic {topic}')
    if path.is_dir():
        return _folder_source(path, rate_hz or FOLDER_RATE_HZ)
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return _image_source(path, path.parent, [path], rate_hz or FOLDER_RATE_HZ)
    if suffix in VIDEO_SUFFIXES:
        return _film_source(path, rate_hz)
    raise SourceError(
        f'{path} is not a rosbag2 ({", ".join((".mcap", ".db3"))} or their folder), nor a film '
        f'({", ".join(VIDEO_SUFFIXES)}), nor an image ({", ".join(IMAGE_SUFFIXES)})')


# -- recordings ----------------------------------------------------------------------------------

def _bag_source(path: Path, topic: str | None) -> Source:
    def frames() -> Iterator[Frame]:
        try:
            with BagReader(path) as bag:
                yield from bag.frames(topic)
        except BagError as error:
            raise SourceError(str(error)) from error

    try:
        with BagReader(path) as bag:
            images = bag.image_topic(topic)
            count = next(entry.count for entry in bag.topics if entry.name == images)
            try:
                seconds = bag.span_s(images)
            except BagError:  # damaged near its end: what is good before that can still be played
                seconds = bag.duration_ns / 1e9
            _tell_what_others_have(bag, images)
            return Source(
                path, path.name, 'recording', bag.condition, bag.labels(images),
                (count - 1) / seconds if count > 1 and seconds > 0 else FOLDER_RATE_HZ, count,
                bag.beside(images, 'ground_truth') is not None, topic, _camera_info(bag, images),
                frames)
    except BagError as error:
        raise SourceError(str(error)) from error


def _camera_info(bag: BagReader, images: str) -> Any:
    topic = bag.beside(images, 'camera_info')
    for _, _, message in bag.messages([topic] if topic else []):
        return message
    return None


def _tell_what_others_have(bag: BagReader, images: str) -> None:
    """Warn where a camera lacks what seems to be another one's in the recording."""
    for name in ('camera_info', 'ground_truth'):
        others = [topic.name for topic in bag.topics
                  if topic.name.endswith(f'/{name}') and topic.count]
        if others and bag.beside(images, name) is None:
            _LOG.warning('%s: %s has no %s; %s is taken for another camera\'s', bag.path, images,
                         name, ' or '.join(others))


# -- films ---------------------------------------------------------------------------------------

def _film_source(path: Path, rate_hz: float | None) -> Source:
    capture = _open_film(path)
    promised = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
    own_rate_hz = capture.get(cv2.CAP_PROP_FPS)
    readable = capture.grab()
    capture.release()
    if not readable:
        raise SourceError(f'{path} has no frame that can be read: it is empty or damaged')
    rate_hz = rate_hz or (
        own_rate_hz if LEAST_RATE_HZ <= own_rate_hz <= MOST_RATE_HZ else FOLDER_RATE_HZ)

    def frames() -> Iterator[Frame]:
        capture = _open_film(path)
        count = 0
        try:
            while True:
                good, bgr = capture.read()
                if not good:
                    break
                yield Frame(f'{path.name}:{count}', _stamp_ns(count, rate_hz), None,
                            _returning(bgr), None)
                count += 1
        finally:
            capture.release()
        shortfall = source.shortfall(count)
        if shortfall:
            _LOG.warning(shortfall)

    source = Source(path, path.name, 'film', 'unspecified', LABELS, rate_hz, promised, False,
                    None, None, frames)
    return source


def _open_film(path: Path) -> cv2.VideoCapture:
    if not is_utf8(path):
        raise SourceError(f'the name of {path} is not UTF-8, and OpenCV, which reads films, '
                          'takes no other; rename it')
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise SourceError(f'{path} is not a film that can be read, or it is damaged')
    return capture


def is_utf8(path: Path) -> bool:
    """Tell whether a path's name is text in UTF-8; it can be any bytes."""
    try:
        return bool(os.fspath(path).encode())
    except UnicodeEncodeError:
        return False


def _returning(bgr: np.ndarray) -> Callable[[], np.ndarray]:
    return lambda: bgr


# -- images --------------------------------------------------------------------------------------

def _folder_source(path: Path, rate_hz: float) -> Source:
    folder = path
    images = _images(folder)
    if not images and (path / 'images').is_dir():
        folder = path / 'images'
        images = _images(folder)
    if not images:
        splits = sorted(str(inside.relative_to(path)) for inside in (
            *path.glob('images/*'), *path.glob('*/images')) if inside.is_dir())
        raise SourceError(
            f'{path} has no images ({", ".join(IMAGE_SUFFIXES)}), and it is no rosbag2'
            + (f'; name one of its folders: {", ".join(splits)}' if splits else ''))
    return _image_source(path, folder, images, rate_hz)


def _images(folder: Path) -> list[Path]:
    return sorted((file for file in folder.iterdir()
                   if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()), key=_natural)


def _natural(file: Path) -> tuple[list[str | int], str]:
    """Return a key by which frame 2 comes before frame 10, however many zeros are before them."""
    parts = re.split('([0-9]+)', file.name)
    return [int(part) if k % 2 else part for k, part in enumerate(parts)], file.name


def _image_source(path: Path, folder: Path, images: Sequence[Path], rate_hz: float) -> Source:
    label_folder = _label_folder(folder)
    label_files = [label_folder / f'{image.stem}.txt' for image in images]
    labels = _labels(folder)

    def frames() -> Iterator[Frame]:
        for count, (image, label_file) in enumerate(zip(images, label_files, strict=True)):
            yield Frame(image.name, _stamp_ns(count, rate_hz), *_content(image),
                        _ground_truth(image, label_file, labels))

    return Source(path, path.name, 'images', 'unspecified', labels, rate_hz, len(images),
                  any(file.is_file() for file in label_files), None, None, frames)


def _label_folder(folder: Path) -> Path:
    if folder.name == 'images':
        beside = folder.parent / 'labels'
    elif folder.parent.name == 'images':  # of one split
        beside = folder.parent.parent / 'labels' / folder.name
    else:
        beside = folder / 'labels'
    return beside if beside.is_dir() else folder


def _content(image: Path) -> tuple[bytes | None, Callable[[], np.ndarray] | None]:
    """Return the file as it is, also where it is damaged: whoever decodes it will say so."""
    try:
        return image.read_bytes(), None
    except OSError as error:
        raise SourceError(f'{image} cannot be read: {error.strerror}') from error


def _ground_truth(image: Path, label_file: Path, labels: Sequence[str]) -> GroundTruth | None:
    if not label_file.is_file():
        return None
    try:
        class_id, cxcywh = read_labels(label_file, len(labels))
    except DataError as error:
        raise SourceError(str(error)) from error
    try:
        with PIL.Image.open(image) as header:
            width, height = header.size
    except OSError:
        return None  # of an image that is damaged nothing is known
    return GroundTruth.of(cxcywh_to_xyxy(cxcywh) * [width, height, width, height], class_id)


def _labels(folder: Path) -> tuple[str, ...]:
    """Return the class names in classes.txt or data.yaml of the set, else this package's."""
    above = [folder, folder.parent]
    if 'images' in (folder.name, folder.parent.name):  # and of all splits together
        above.append(folder.parent.parent)
    for place in above:
        try:
            names = read_class_names(place)
        except DataError as error:
            raise SourceError(str(error)) from error
        if names:
            return tuple(names)
    return LABELS


def _stamp_ns(count: int, rate_hz: float) -> int:
    return _START_NS + round(count * 1e9 / rate_hz)

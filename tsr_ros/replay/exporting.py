# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings as films or as labelled images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from tsr_ros.replay.files import write_atomically
from tsr_ros.replay.frame import Frame
from tsr_ros.replay.label_files import data_yaml, label_text
from tsr_ros.replay.sources import Source
from tsr_ros.vision.detections import Detections
from tsr_ros.vision.draw import draw_detections

VIDEO_SUFFIX = '.mp4'


class ExportError(Exception):
    """A film or folder that cannot be written: which, why, and what can be done."""


def export_video(source: Source, path: str | Path, *, boxes: bool = False,
                 overwrite: bool = False, progress: bool = True) -> int:
    """
    Write a source as an MP4 film at its own mean rate and return the number of frames.

    The film appears under its name once it is complete.

    :param boxes: draw the ground truth.
    :raises ExportError: where the film exists or cannot be written, or the size changes midway.
    :raises ImageError, SourceError: for a damaged picture or source.
    """
    path = Path(path)
    if path.suffix.lower() != VIDEO_SUFFIX:
        raise ExportError(f'{path}: films are written as {VIDEO_SUFFIX}')
    if path.exists() and not overwrite:
        raise ExportError(f'{path} exists already; --overwrite replaces it')
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'.{path.stem}.part{VIDEO_SUFFIX}')
    try:
        count = _write_video(source, partial, path, boxes, progress)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _write_video(source: Source, partial: Path, path: Path, boxes: bool, progress: bool) -> int:
    writer, size_wh, count = None, (0, 0), 0
    try:
        for frame in _with_progress(source, progress):
            picture = _picture(frame, source.labels, boxes)
            height, width = picture.shape[:2]
            if writer is None:
                size_wh = (width, height)
                writer = cv2.VideoWriter(str(partial), cv2.CAP_FFMPEG,
                                         cv2.VideoWriter_fourcc(*'mp4v'), source.rate_hz, size_wh)
                if not writer.isOpened():
                    raise ExportError(f'{path} cannot be written as {VIDEO_SUFFIX} of '
                                      f'{width} x {height} pixels')
            elif (width, height) != size_wh:
                raise ExportError(
                    f'{frame.name} has {width} x {height} pixels, those before it '
                    f'{size_wh[0]} x {size_wh[1]}; a film has one size: export images instead')
            writer.write(picture)
            count += 1
    finally:
        if writer is not None:
            writer.release()
    return count


def export_images(source: Source, folder: str | Path, *, boxes: bool = False,
                  overwrite: bool = False, progress: bool = True) -> int:
    """
    Write a source as labelled images in YOLO layout and return their number.

    images/<source>_<number>.jpg or .png, the stored files where there are such; labels/ beside
    them wherever ground truth is known, empty files where nothing is there; data.yaml.

    :param boxes: draw the ground truth into the images.
    :param overwrite: write into a folder that is not empty.
    :raises ExportError: where the folder is not empty.
    :raises ImageError, SourceError: for a damaged picture or source; what was finished stays.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not overwrite:
        raise ExportError(f'{folder} exists already and is not empty; --overwrite writes into it')
    for kind in ('images', 'labels'):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    write_atomically(folder / 'data.yaml', data_yaml(source.labels).encode())
    count = 0
    for frame in _with_progress(source, progress):
        picture = frame.bgr()
        name = f'{Path(source.name).stem}_{count:06d}'
        if frame.ground_truth is not None:
            height, width = picture.shape[:2]
            write_atomically(folder / 'labels' / f'{name}.txt',
                             label_text(frame.ground_truth, (width, height)).encode())
        if boxes:
            frame = frame._replace(compressed=None, decode=_drawn(frame, source.labels))
        data = frame.jpeg()
        suffix = '.png' if data[:4] == b'\x89PNG' else '.jpg'
        write_atomically(folder / 'images' / (name + suffix), data)
        count += 1
    return count


def _with_progress(source: Source, progress: bool) -> Iterable[Frame]:
    return tqdm(source.frames(), total=source.count or None, unit='frame', disable=not progress)


def _drawn(frame: Frame, labels: Sequence[str]):
    return lambda: _picture(frame, labels, True)


def _picture(frame: Frame, labels: Sequence[str], boxes: bool) -> np.ndarray:
    """Return the BGR picture, with the ground truth in it if asked for."""
    picture = frame.bgr()
    truth = frame.ground_truth
    if not boxes or truth is None:
        return picture
    return draw_detections(picture, Detections(truth.xyxy, truth.visible, truth.class_id), labels,
                           copy=True)

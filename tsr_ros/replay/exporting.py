# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings as films or as labelled images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from tsr_ros.evaluation.ground_truth import GroundTruth
from tsr_ros.replay.conversion import Conversion
from tsr_ros.replay.frame import Frame, encode_jpeg
from tsr_ros.replay.label_files import data_yaml, label_text
from tsr_ros.replay.sources import Source, is_utf8
from tsr_ros.report.files import whole_file, write_bytes
from tsr_ros.vision.detections import Detections
from tsr_ros.vision.draw import draw_detections
from tsr_ros.vision.image_codecs import ImageError

VIDEO_SUFFIX = '.mp4'


class ExportError(Exception):
    """A film or folder that cannot be written: which, why, and what can be done."""


def export_video(source: Source, path: str | Path, *, boxes: bool = False,
                 overwrite: bool = False, progress: bool = True) -> Conversion:
    """
    Write a source as an MP4 film at its own mean rate; damaged pictures are left out and told.

    The film appears under its name once it is complete.

    :param boxes: draw the ground truth.
    :raises ExportError: where the film exists or cannot be written, no picture is readable, or
        their size changes midway.
    :raises SourceError: for a damaged source.
    """
    path = Path(path)
    if path.suffix.lower() != VIDEO_SUFFIX:
        raise ExportError(f'{path}: films are written as {VIDEO_SUFFIX}')
    if path.exists() and not overwrite:
        raise ExportError(f'{path} exists already; --overwrite replaces it')
    if not is_utf8(path):
        raise ExportError(f'the name of {path} is not UTF-8, and OpenCV, which writes films, '
                          'takes no other; choose another')
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, suffix=f'.part{VIDEO_SUFFIX}') as partial:
        conversion = _write_video(source, partial, path, boxes, progress)
        if not conversion.written:
            raise ExportError(f'{source.path} has no readable picture, so there is no film')
    return conversion


def _write_video(source: Source, partial: Path, path: Path, boxes: bool,
                 progress: bool) -> Conversion:
    writer, size_wh, written, left_out = None, (0, 0), 0, []
    try:
        for frame in _with_progress(source, progress):
            try:
                picture = frame.bgr()
            except ImageError as error:
                left_out.append(f'{frame.name}: {error}')
                continue
            if boxes:
                picture = _drawn(picture, frame.ground_truth, source.labels)
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
            written += 1
    finally:
        if writer is not None:
            writer.release()
    return Conversion(written, tuple(left_out))


def export_images(source: Source, folder: str | Path, *, boxes: bool = False,
                  overwrite: bool = False, progress: bool = True) -> Conversion:
    """
    Write a source as labelled images in YOLO layout; damaged ones are left out and told.

    images/<source>_<number>.jpg or .png, the stored files where there are such; labels/ beside
    them wherever ground truth is known, empty files where nothing is there; data.yaml.

    :param boxes: draw the ground truth into the images.
    :param overwrite: write into a folder that is not empty.
    :raises ExportError: where the folder is not empty.
    :raises SourceError: for a damaged source; what was finished stays.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not overwrite:
        raise ExportError(f'{folder} exists already and is not empty; --overwrite writes into it')
    for kind in ('images', 'labels'):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    write_bytes(folder / 'data.yaml', data_yaml(source.labels).encode())
    written, left_out = 0, []
    for number, frame in enumerate(_with_progress(source, progress)):
        name = f'{Path(source.name).stem}_{number:06d}'
        try:
            _write_image(folder, name, frame, source.labels, boxes)
            written += 1
        except ImageError as error:
            left_out.append(f'{frame.name}: {error}')
    return Conversion(written, tuple(left_out))


def _write_image(folder: Path, name: str, frame: Frame, labels: Sequence[str],
                 boxes: bool) -> None:
    picture = frame.bgr()
    if frame.ground_truth is not None:
        height, width = picture.shape[:2]
        write_bytes(folder / 'labels' / f'{name}.txt',
                    label_text(frame.ground_truth, (width, height)).encode(), durable=False)
    data = encode_jpeg(_drawn(picture, frame.ground_truth, labels)) if boxes else frame.jpeg()
    suffix = '.png' if data[:4] == b'\x89PNG' else '.jpg'
    write_bytes(folder / 'images' / (name + suffix), data, durable=False)


def _with_progress(source: Source, progress: bool) -> Iterable[Frame]:
    return tqdm(source.frames(), total=source.count or None, unit='frame', disable=not progress)


def _drawn(picture: np.ndarray, truth: GroundTruth | None, labels: Sequence[str]) -> np.ndarray:
    """Return a BGR picture with its ground truth, if any is known, in it."""
    if truth is None:
        return picture
    return draw_detections(picture, Detections(truth.xyxy, truth.visible, truth.class_id), labels,
                           copy=True)

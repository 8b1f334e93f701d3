# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Films, folders of images and YOLO sets as rosbag2 recordings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from tsr_ros.replay.bag import BagWriter
from tsr_ros.replay.conversion import Conversion
from tsr_ros.replay.frame import Frame
from tsr_ros.replay.sources import SourceError, open_source
from tsr_ros.vision.image_codecs import ImageError


def import_recording(source_path: str | Path, bag: str | Path, *, rate_hz: float | None = None,
                     compressed: bool = True, storage: str = 'mcap',
                     condition: str | None = None, licence: str | None = None,
                     overwrite: bool = False, progress: bool = True) -> Conversion:
    """
    Write a film, a folder of images or a YOLO set as a recording; labels become ground truth.

    Damaged pictures are left out and told; their places in time stay empty. `bag` appears once it
    is complete.

    :param rate_hz: images get stamps at this rate (default 10); of a film, which keeps its pace,
        as many frames are taken (default all).
    :param compressed: JPEG and PNG files as they are, all else as JPEG; otherwise raw pixels.
    :param condition: light and weather, noted in the recording for reports.
    :param licence: terms of the pictures, noted in the recording.
    :raises SourceError: where the source cannot be opened, its labels are wrong, or it is a
        recording already.
    :raises BagError: where the recording cannot be written or no picture was readable.
    """
    source = open_source(source_path, rate_hz)
    if source.kind == 'recording':
        raise SourceError(f'{source_path} is a recording already; `rosbags-convert` changes its '
                          'storage')
    thins = source.kind == 'film' and rate_hz is not None
    if thins:
        source = open_source(source_path)
    notes = {'source': source.name, 'condition': condition or source.condition,
             'licence': licence or 'unspecified'}
    written, left_out = 0, []
    with BagWriter(bag, storage, notes, overwrite) as writer:
        frames = tqdm(source.frames(), total=source.count or None, unit='frame',
                      disable=not progress)
        for frame in thinned(frames, rate_hz) if thins else frames:
            try:
                writer.write_frame(frame, compressed=compressed, labels=source.labels)
                written += 1
            except ImageError as error:
                left_out.append(f'{frame.name}: {error}')
    return Conversion(written, tuple(left_out))


def thinned(frames: Iterable[Frame], rate_hz: float) -> Iterator[Frame]:
    """Yield the first frame in each interval of 1 / `rate_hz` seconds, counted from the first."""
    start_ns, last_interval = None, -1
    for frame in frames:
        start_ns = frame.stamp_ns if start_ns is None else start_ns
        # stamps are rounded to nanoseconds, which must not push a frame into the interval before
        interval = int((frame.stamp_ns - start_ns + 1000) * rate_hz / 1e9)
        if interval > last_interval:
            last_interval = interval
            yield frame

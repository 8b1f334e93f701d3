# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A rendered drive as a rosbag2 recording with its ground truth."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

from tsr_ros.replay.bag import BagWriter
from tsr_ros.replay.frame import Frame
from tsr_ros.replay.messages import CAMERA_FRAME, transform
from tsr_ros.replay.render.drive import RenderedFrame, render_drive
from tsr_ros.replay.render.ground_truth import recognisable
from tsr_ros.replay.render.projection import focal_length_px
from tsr_ros.replay.render.scene import Scene

MAP_FRAME = 'map'
LICENCE = 'Apache-2.0'


def record_drive(scene: Scene, bag: str | Path, work: str | Path, overwrite: bool = False,
                 threads: int = 0, command: list[str] | None = None,
                 progress: bool = True) -> Path:
    """Render a drive and write it as a recording; `bag` appears once it is complete.

    Frames that an earlier, interrupted call finished in `work` are not rendered again. The
    recording's metadata holds the whole scene description. Parameters as of `render_drive`.

    :raises BagError, BlenderMissingError, BlenderError: see there
    """
    metadata = {'condition': scene.condition, 'source': 'rendered', 'licence': LICENCE,
                'scene': json.dumps(dataclasses.asdict(scene))}
    with BagWriter(bag, metadata=metadata, overwrite=overwrite) as writer:
        write_frames(writer, scene, render_drive(scene, work, threads, command, progress))
    return Path(bag)


def write_frames(writer: BagWriter, scene: Scene, frames: Iterable[RenderedFrame]) -> None:
    """Write pictures, camera data, ground truth and the camera's place in the map."""
    focal_px = focal_length_px(scene.camera.horizontal_fov_deg, scene.resolution_wh[0])
    for frame in frames:
        writer.write_frame(
            Frame(f'{scene.name}:{frame.number}', frame.stamp_ns, frame.jpeg, None,
                  recognisable(frame.labels)), focal_px=focal_px)
        writer.write('/tf', transform(frame.stamp_ns, MAP_FRAME, CAMERA_FRAME, frame.position,
                                      frame.orientation_xyzw), frame.stamp_ns)

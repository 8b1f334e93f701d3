# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cycles set up for many small frames on a few CPU cores, and its result as arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import OpenEXR


def set_up_engine(plan: dict[str, Any], threads: int) -> None:
    """Configure the scene's render: linear light, distance and object index, denoised."""
    scene = bpy.context.scene
    render, cycles = scene.render, scene.cycles
    render.engine = 'CYCLES'
    render.resolution_x, render.resolution_y = plan['resolution_wh']
    render.resolution_percentage = 100
    render.use_persistent_data = True
    render.threads_mode, render.threads = 'FIXED', threads
    render.use_motion_blur = plan['shutter_frames'] > 0
    render.motion_blur_shutter = max(plan['shutter_frames'], 0.01)
    render.motion_blur_position = 'CENTER'
    render.use_compositing = render.use_sequencer = False
    cycles.device = 'CPU'
    cycles.samples = plan['samples']
    cycles.use_adaptive_sampling = False
    cycles.use_denoising = True
    cycles.denoiser = 'OPENIMAGEDENOISE'
    cycles.denoising_input_passes = 'RGB_ALBEDO_NORMAL'
    cycles.denoising_prefilter = 'FAST'
    cycles.denoising_quality = 'BALANCED'
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 3, 1, 2
    cycles.transmission_bounces = cycles.volume_bounces = 0
    cycles.transparent_max_bounces = 2
    cycles.sample_clamp_indirect = 4
    cycles.caustics_reflective = cycles.caustics_refractive = False
    # many lamps at night: sampling them by importance keeps the verge's detail
    cycles.use_light_tree = plan['time_of_day'] == 'night'
    cycles.use_auto_tile = False
    layer = scene.view_layers[0]
    layer.use_pass_z = layer.use_pass_object_index = True
    scene.view_settings.view_transform = 'Standard'
    settings = render.image_settings
    settings.media_type = 'MULTI_LAYER_IMAGE'  # must come before the format
    settings.file_format = 'OPEN_EXR_MULTILAYER'
    settings.color_depth, settings.exr_codec = '32', 'NONE'


def render_frame(frame: int, target: Path) -> None:
    """Render one frame to `target` (.npz: light, depth, index), complete or not at all."""
    scene = bpy.context.scene
    scene.frame_set(frame)
    scene.cycles.seed = max(frame, 0)
    exr = target.with_suffix('.exr')
    scene.render.filepath = str(exr)
    bpy.ops.render.render(write_still=True)
    light, depth, index = _read_exr(exr)
    exr.unlink()
    partial = target.with_suffix('.part')
    with partial.open('wb') as file:
        np.savez(file, light=light, depth=depth, index=index)
    partial.replace(target)


def _read_exr(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return light (H, W, 3) float16, distance (H, W) float16 and object index uint16."""
    with OpenEXR.File(str(path), separate_channels=True) as file:
        channels = {name: channel.pixels for part in file.parts
                    for name, channel in part.channels.items()}

    def pixels(*ends: str) -> np.ndarray:
        return next(value for name, value in channels.items()
                    if any(name.endswith(end) for end in ends))

    light = np.stack([pixels(f'Combined.{c}') for c in 'RGB'], axis=-1)
    light = np.clip(np.nan_to_num(light), 0, 60_000).astype(np.float16)
    with np.errstate(over='ignore'):  # the sky's distance becomes infinity
        depth = pixels('Depth.Z', 'Depth.V', 'Depth.X').astype(np.float16)
    index = np.rint(pixels('Object Index.X', 'IndexOB.X')).astype(np.uint16)
    return light, depth, index

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`tsr bag render`: drives and labelled images, rendered."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from tsr_ros.cli.arguments import size_wh
from tsr_ros.replay.bag import BagError
from tsr_ros.replay.render.blender_process import BlenderError, BlenderMissingError
from tsr_ros.replay.render.canvas import FontMissingError
from tsr_ros.replay.render.cutouts import write_cutouts
from tsr_ros.replay.render.images import render_images
from tsr_ros.replay.render.recording import record_drive
from tsr_ros.replay.render.scene import TIMES_OF_DAY, WEATHERS, SceneError, read_scene

ERRORS = (SceneError, BagError, BlenderMissingError, BlenderError, FontMissingError)
DEFAULT_WORK = Path('~/.cache/tsr_ros/render')
# argument -> the scene's setting that it replaces
_SETTINGS = {
    'name': 'name', 'seed': 'seed', 'length': 'length_s', 'rate': 'rate_hz',
    'resolution': 'resolution_wh', 'weather': 'weather', 'time_of_day': 'time_of_day',
    'visibility': 'visibility_m', 'samples': 'samples',
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        'Render the drive that a scene file describes and record it with its ground truth, or, '
        'with --images, single labelled images of random scenes for training, or, with --signs '
        'and without Blender, the signs alone. Finished frames are kept: after a break, the same '
        'command goes on.')
    parser.add_argument('scene', nargs='?', metavar='SCENE.yaml', help='description of a drive')
    parser.add_argument('--images', nargs=2, metavar=('N', 'DIR'),
                        help='write N images in YOLO layout to DIR')
    parser.add_argument('--signs', nargs=2, metavar=('N', 'DIR'),
                        help='write each sign, more and more worn, N times as a picture with '
                        'opacity to DIR/<label>')
    parser.add_argument('--out', metavar='BAG', help='recording to make (default: the scene\'s '
                        'name in this folder)')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace a recording; never a folder with anything else in it')
    parser.add_argument('--work', metavar='DIR', default=str(DEFAULT_WORK),
                        help='folder for unfinished work, 5 MB a frame (default: %(default)s)')
    parser.add_argument('--threads', type=int, default=0, metavar='N',
                        help='processor threads (default: all)')
    settings = parser.add_argument_group('settings that replace those of the scene file')
    settings.add_argument('--name', help='of the drive')
    settings.add_argument('--seed', type=int, help='another road with other signs')
    settings.add_argument('--length', type=float, metavar='SECONDS')
    settings.add_argument('--rate', type=float, metavar='HZ', help='frames per second')
    settings.add_argument('--resolution', type=size_wh, metavar='WxH', help='pixels')
    settings.add_argument('--weather', choices=WEATHERS)
    settings.add_argument('--time-of-day', choices=TIMES_OF_DAY)
    settings.add_argument('--visibility', type=float, metavar='METRES')
    settings.add_argument('--samples', type=int, metavar='N', help='rays a pixel: 2 is quick, 4 '
                          'clean')


def run(args: argparse.Namespace) -> int:
    """Render a drive or images."""
    if sum(asked is not None for asked in (args.scene, args.images, args.signs)) != 1:
        raise SceneError('name either a scene file or --images N DIR or --signs N DIR')
    changes = {setting: getattr(args, argument) for argument, setting in _SETTINGS.items()
               if getattr(args, argument) is not None}
    progress = sys.stderr.isatty()
    try:
        if args.images is not None:
            _render_images(args, changes, progress)
        elif args.signs is not None:
            _draw_signs(args, changes)
        else:
            scene = read_scene(args.scene, changes)
            if args.name is None and (args.weather or args.time_of_day):
                scene = dataclasses.replace(scene, name=scene.condition)
            bag = Path(args.out or scene.name)
            record_drive(scene, bag, args.work, args.overwrite, args.threads, progress=progress)
            print(f'{bag}: {scene.frame_count} frames')
    except (BlenderError, KeyboardInterrupt):
        print('Finished frames are kept; the same command goes on from there.', file=sys.stderr)
        raise
    return 0


def _render_images(args: argparse.Namespace, changes: dict[str, Any], progress: bool) -> None:
    known = {'seed', 'resolution_wh', 'samples'}
    if not changes.keys() <= known:
        raise SceneError('with --images, light, weather and content are drawn by chance: only '
                         '--seed, --resolution and --samples can be set')
    number, folder = _count('--images', args.images[0]), args.images[1]
    render_images(folder, number, args.work, threads=args.threads, progress=progress, **changes)
    print(f'{folder}: {number} images')


def _draw_signs(args: argparse.Namespace, changes: dict[str, Any]) -> None:
    if not changes.keys() <= {'seed'}:
        raise SceneError('with --signs, only --seed can be set')
    number, folder = _count('--signs', args.signs[0]), args.signs[1]
    print(f'{folder}: {write_cutouts(folder, number, **changes)} pictures')


def _count(option: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise SceneError(f'{option} {text}: expected a whole number above 0')
    return int(text)

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`tsr bag info`: what is in a recording."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tsr_ros.evaluation.ground_truth import GroundTruth
from tsr_ros.replay.bag import BagError, BagReader
from tsr_ros.replay.messages import to_bgr, to_ground_truth
from tsr_ros.vision.image_codecs import ImageError

ERRORS = (BagError,)
_LONG = ('scene',)  # notes that would fill the screen; --json has them


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('bag', help='folder of a rosbag2, or its .mcap or .db3 file alone')
    parser.add_argument('--json', action='store_true', help='write it as one JSON object')


def run(args: argparse.Namespace) -> int:
    """Print what is known of the recording."""
    facts = examine(args.bag)
    print(json.dumps(facts, indent=2) if args.json else '\n'.join(lines(facts)))
    return 0


def examine(path: str) -> dict[str, Any]:
    """
    Return a recording's notes, topics, resolutions and ground truth in types that JSON knows.

    Images that cannot be decoded have no resolution, but a problem.

    :raises BagError: where it is damaged.
    """
    with BagReader(path) as bag:
        resolutions_wh, problems, truths = {}, {}, {}
        for topic in (topic.name for topic in bag.image_topics):
            try:
                resolutions_wh[topic] = _resolution_wh(bag, topic)
            except ImageError as error:
                problems[topic] = str(error)
            truth_topic = bag.beside(topic, 'ground_truth')
            if truth_topic and truth_topic not in truths:
                truths[truth_topic] = _ground_truth(bag, truth_topic, bag.labels(topic))
        return {
            'path': str(bag.path),
            'bytes': sum(file.stat().st_size for file in (
                bag.path.rglob('*') if bag.path.is_dir() else [bag.path]) if file.is_file()),
            'start_s': bag.start_ns / 1e9,
            'duration_s': bag.duration_ns / 1e9,
            'notes': bag.metadata,
            'topics': [topic._asdict() for topic in bag.topics],
            'resolution_wh': resolutions_wh,
            'problems': problems,
            'ground_truth': truths,
        }


def _resolution_wh(bag: BagReader, topic: str) -> list[int]:
    height, width = to_bgr(next(bag.messages([topic]))[2]).shape[:2]
    return [width, height]


def _ground_truth(bag: BagReader, topic: str, labels: Sequence[str]) -> dict[str, Any]:
    """Return the numbers of frames with ground truth, of boxes and of tracks by class."""
    frames, boxes, tracks = 0, Counter(), set()
    for _, _, message in bag.messages([topic]):
        try:
            truth: GroundTruth = to_ground_truth(message, labels)
        except ValueError as error:
            raise BagError(f'{bag.path}: {topic}: {error}') from None
        frames += 1
        boxes.update(truth.class_id.tolist())
        tracks.update(zip(truth.class_id.tolist(), truth.track_id))
    return {'frames': frames, 'classes': {
        label: {'boxes': boxes[class_id],
                'tracks': len({track for of_class, track in tracks
                               if of_class == class_id and track})}
        for class_id, label in enumerate(labels)}}


def lines(facts: dict[str, Any]) -> list[str]:
    """Return the report, one fact a line."""
    text = [facts['path']]
    rows = [('size', f'{facts["bytes"] / 1e6:.2f} MB'),
            ('duration', f'{facts["duration_s"]:.2f} s'),
            *((key, value) for key, value in sorted(facts['notes'].items())
              if key not in _LONG)]
    text += [f'  {name:12s}  {value}' for name, value in rows]
    text.append('topics')
    for topic in facts['topics']:
        name = topic['name']
        note = ''
        if name in facts['resolution_wh']:
            note = '  {} x {}'.format(*facts['resolution_wh'][name])
        elif name in facts['problems']:
            note = f'  ({facts["problems"][name]})'
        text.append(f'  {topic["count"]:6d}  {name}  {topic["type"]}{note}')
    for topic, truth in facts['ground_truth'].items():
        text.append(f'ground truth of {truth["frames"]} frames on {topic}')
        text += [f'  {label:16s}  {count["boxes"]:5d} boxes, {count["tracks"]:3d} tracks'
                 for label, count in truth['classes'].items()]
    if not facts['ground_truth']:
        text.append('no ground truth')
    return text

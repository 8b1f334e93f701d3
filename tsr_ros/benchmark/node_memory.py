# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How much memory the node takes with each backend, where a ROS 2 is at hand."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from tqdm import tqdm

from tsr_ros.benchmark.tables import is_on_cpu
from tsr_ros.benchmark.worker import NAIVE

_IMAGES = 10  # on top of those that settle it


def has_ros() -> bool:
    """Tell whether the node can run here: rclpy is there, and our messages are built."""
    try:
        return all(importlib.util.find_spec(name) is not None
                   for name in ('rclpy', 'vision_msgs', 'tsr_ros.msg'))
    except ImportError:
        return False


def add_node_memory(result: dict[str, Any], models_dirs: dict[str, str], image: np.ndarray,
                    note: Callable[[str], None] = print) -> None:
    """
    Write `node_resident_mb` into the cases on a CPU: the node's process, fed with raw 720p.

    A node that does not run is named and left out. The sum is that of one process, ROS included.

    :param models_dirs: folder with the manifest, for each model
    """
    from tsr_ros.benchmark.node_overhead import measure_node
    from tsr_ros.nodes.middleware import large_image_environment
    from tsr_ros.replay.node_process import LiveError

    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.update(large_image_environment())
    cases = [case for case in result['cases']
             if case['batch'] == 1 and case['backend'] != NAIVE and is_on_cpu(case)]
    for case in tqdm(cases, 'memory of the node', unit='node'):
        options = {'model': case['model'], 'models_dir': models_dirs[case['model']],
                   'backend': case['backend'], 'precision': case['precision'],
                   'threads': case['threads'], 'device': 'cpu'}
        try:
            measured = measure_node(image, '720p', 'raw', options, _IMAGES)
        except LiveError as error:
            note(f'the node with {case["title"]} was not measured: {error}')
            continue
        case['node_resident_mb'] = measured['resident_mb']

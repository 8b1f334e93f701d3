# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import os

import pytest
from helpers import LABELS, square_image

from tsr_ros.evaluation.ground_truth import GroundTruth
from tsr_ros.replay.bag import BagWriter
from tsr_ros.replay.frame import Frame, encode_jpeg

START_NS = 1_700_000_000_000_000_000


@pytest.fixture(scope='session')
def ros_domain():
    """Keep these tests' topics apart from whatever else runs on this computer."""
    before = os.environ.get('ROS_DOMAIN_ID')
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    yield
    if before is None:
        del os.environ['ROS_DOMAIN_ID']
    else:
        os.environ['ROS_DOMAIN_ID'] = before


@pytest.fixture(scope='session')
def drive(tmp_path_factory):
    """
    Return a recording of 12 frames, 10 a second, at 20 m/s.

    Sign `red` stands 40 m ahead at first, and is painted from frame 2 on. Sign `green` is there
    as well, but never painted. In frames 3 to 7 something blue is painted where nothing is.
    """
    frames = []
    for number in range(12):
        squares = [(24, 40, 16, 0)] if number >= 2 else []
        squares += [(120, 8, 16, 2)] if 3 <= number <= 7 else []
        ahead_m = 40.0 - 2 * number
        truth = GroundTruth.of(
            [(24, 40, 40, 56), (120, 64, 136, 80)], [0, 1], ['red', 'green'],
            [(0, 0, ahead_m), (3, 0, ahead_m + 4)])
        frames.append(Frame(f'{number}', START_NS + number * 100_000_000,
                            encode_jpeg(square_image(squares), 95), None, truth))
    path = tmp_path_factory.mktemp('drive') / 'drive'
    with BagWriter(path, metadata={'condition': 'fog'}) as writer:
        for frame in frames:
            writer.write_frame(frame, labels=LABELS)
    return path

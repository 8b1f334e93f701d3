# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Blender itself: do the projected boxes fit the pixels that it renders?"""

import pytest

from tsr_ros.replay.render.blender_process import BlenderMissingError, find_blender_python
from tsr_ros.replay.render.check import check_boxes
from tsr_ros.replay.render.scene import parse_scene


def blender_is_missing():
    try:
        find_blender_python()
    except BlenderMissingError:
        return True
    return False


@pytest.mark.skipif(blender_is_missing(), reason='needs Blender as a module (bpy, 1 GB): '
                    'tsr bag render says how to get it')
def test_projected_boxes_fit_the_rendered_masks(tmp_path):
    scene = parse_scene({'name': 'road', 'seed': 58, 'random_signs': 16})
    checks = check_boxes(scene, [5, 80], tmp_path)
    assert len({check.face for check in checks}) >= 6
    assert max(check.difference_px for check in checks) <= 1.0

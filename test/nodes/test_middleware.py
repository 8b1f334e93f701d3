# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import xml.etree.ElementTree

import pytest

from tsr_ros.nodes.middleware import large_image_environment, profiles_file


@pytest.mark.parametrize(
    ('environment', 'expected'),
    [
        ({}, ['FASTDDS_DEFAULT_PROFILES_FILE']),
        ({'ROS_DISTRO': 'humble'}, ['FASTRTPS_DEFAULT_PROFILES_FILE']),
        ({'ROS_DISTRO': 'jazzy'}, ['FASTRTPS_DEFAULT_PROFILES_FILE']),
        ({'ROS_DISTRO': 'kilted'}, ['FASTDDS_DEFAULT_PROFILES_FILE']),
        # on Humble alone they would undo it
        ({'ROS_DISTRO': 'humble', 'ROS_LOCALHOST_ONLY': '1'}, []),
        ({'ROS_DISTRO': 'humble', 'ROS_LOCALHOST_ONLY': '0'}, ['FASTRTPS_DEFAULT_PROFILES_FILE']),
        ({'ROS_DISTRO': 'jazzy', 'ROS_LOCALHOST_ONLY': '1'}, ['FASTRTPS_DEFAULT_PROFILES_FILE']),
        # what the user has chosen stays
        ({'FASTDDS_DEFAULT_PROFILES_FILE': 'mine.xml'}, []),
        ({'ROS_DISTRO': 'humble', 'FASTRTPS_DEFAULT_PROFILES_FILE': 'mine.xml'}, []),
    ],
)
def test_large_image_environment(environment, expected):
    found = large_image_environment(environment)
    assert list(found) == expected
    assert set(found.values()) <= {profiles_file()}


def test_the_segment_holds_several_images_of_full_hd():
    root = xml.etree.ElementTree.parse(profiles_file()).getroot()
    size, = (element.text for element in root.iter() if element.tag.endswith('segment_size'))
    assert int(size) > 8 * 1920 * 1080 * 3

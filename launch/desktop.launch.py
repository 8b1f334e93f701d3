# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Recognise signs and lights on a PC.

ros2 launch tsr_ros desktop.launch.py image:=/camera/image_raw rviz:=true
"""

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare


def generate_launch_description():
    """Return the detector with its own defaults: they are those of a PC."""
    return LaunchDescription([
        IncludeLaunchDescription(PythonLaunchDescriptionSource(PathJoinSubstitution(
            [FindPackageShare('tsr_ros'), 'launch', 'detector.launch.py']))),
    ])

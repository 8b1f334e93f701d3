# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Recognise signs and lights on a Jetson: a Nano, or an Orin with board:=orin.

ros2 launch tsr_ros jetson.launch.py camera:=csi

Like the node it needs ROS 2 Humble or later, which JetPack 4 and 5 have no packages of: there one
that was built on the board, in a container for example. It has not run on a Jetson.

The board's clocks and power are set with root's rights, so not from here. Once after each start:
sudo nvpmodel -m 0 && sudo jetson_clocks    (Nano: 10 W, all four cores, highest clocks)
"""

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    SetEnvironmentVariable,
)
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import EqualsSubstitution, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from tsr_ros.nodes.middleware import large_image_environment

# The sensor's own 720p mode. gscam demands the format of its image_encoding at the pipeline's end;
# that of yuv422 is one that nvvidconv makes without the CPU, and the smallest that both know. The
# queue keeps the newest picture only.
CSI_CAMERA = {
    'gscam_config':
        'nvarguscamerasrc ! video/x-raw(memory:NVMM), width=1280, height=720, framerate=30/1 '
        '! nvvidconv ! video/x-raw, format=UYVY ! queue max-size-buffers=1 leaky=downstream',
    'image_encoding': 'yuv422',
    'frame_id': 'camera',
    'sync_sink': False,
}


def camera_is(kind):
    """Return the condition that this camera was asked for."""
    return IfCondition(EqualsSubstitution(LaunchConfiguration('camera'), kind))


def generate_launch_description():
    """Return a camera, if asked for, and the detector with the board's parameters."""
    config = [FindPackageShare('tsr_ros'), '/config/jetson_', LaunchConfiguration('board'),
              '.yaml']
    camera_topics = [('image_raw', LaunchConfiguration('image')),
                     ('camera/image_raw', LaunchConfiguration('image'))]
    return LaunchDescription([
        *(SetEnvironmentVariable(*pair) for pair in large_image_environment().items()),
        DeclareLaunchArgument(
            'board', default_value='nano', choices=['nano', 'orin'], description='The Jetson.'),
        DeclareLaunchArgument(
            'camera', default_value='none', choices=['none', 'csi', 'usb'],
            description='Camera to start: csi needs the package gscam, usb v4l2_camera. '
                        'none: another launch file starts it.'),
        DeclareLaunchArgument(
            'image', default_value='/camera/image_raw', description='Topic of the images.'),
        DeclareLaunchArgument(
            'params_file', default_value=config, description='YAML file with parameters.'),
        Node(
            package='gscam', executable='gscam_node', name='camera', output='screen',
            parameters=[CSI_CAMERA], remappings=camera_topics, condition=camera_is('csi')),
        Node(
            package='v4l2_camera', executable='v4l2_camera_node', name='camera', output='screen',
            parameters=[{'image_size': [1280, 720], 'camera_frame_id': 'camera'}],
            remappings=camera_topics, condition=camera_is('usb')),
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(PathJoinSubstitution(
                [FindPackageShare('tsr_ros'), 'launch', 'detector.launch.py'])),
            launch_arguments={'params_file': LaunchConfiguration('params_file'),
                              'image': LaunchConfiguration('image')}.items()),
    ])

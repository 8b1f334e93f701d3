# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Play a recording to the detector, at its own pace and on its own clock.

ros2 launch tsr_ros replay.launch.py source:=film.mp4 rviz:=true
"""

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    IncludeLaunchDescription,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from tsr_ros.nodes.middleware import large_image_environment


def end(player, _context):
    """Return the end of all that was started, and why."""
    reason = 'the recording has ended'
    if player.returncode:
        reason = f'the player has failed with exit status {player.returncode}'
    return [EmitEvent(event=Shutdown(reason=reason))]


def generate_launch_description():
    """Return the player and the detector; when the recording ends, all of it ends."""
    player = Node(
        package='tsr_ros', executable='player_node', name='player_node', output='screen',
        emulate_tty=True,
        parameters=[{'source': ParameterValue(LaunchConfiguration('source'), value_type=str),
                     'rate': ParameterValue(LaunchConfiguration('rate'), value_type=float),
                     'loop': ParameterValue(LaunchConfiguration('loop'), value_type=bool),
                     'image_transport': LaunchConfiguration('image_transport')}],
        remappings=[('image', LaunchConfiguration('image'))])
    return LaunchDescription([
        *(SetEnvironmentVariable(*pair) for pair in large_image_environment().items()),
        DeclareLaunchArgument(
            'source', description='A rosbag2 folder, a video, or a folder of images.'),
        DeclareLaunchArgument(
            'rate', default_value='1.0', description='Times the pace of the recording.'),
        DeclareLaunchArgument(
            'loop', default_value='false', choices=['true', 'false'],
            description='Start again at the end.'),
        DeclareLaunchArgument(
            'image', default_value='/camera/image_raw', description='Topic of the images.'),
        DeclareLaunchArgument(
            'image_transport', default_value='compressed', choices=['raw', 'compressed'],
            description='How the images are sent and taken.'),
        DeclareLaunchArgument(
            'use_sim_time', default_value='true', choices=['true', 'false'],
            description="Take the time from /clock, where the player shows the recording's."),
        player,
        RegisterEventHandler(OnProcessExit(target_action=player, on_exit=end)),
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(PathJoinSubstitution(
                [FindPackageShare('tsr_ros'), 'launch', 'detector.launch.py'])),
            launch_arguments={'use_sim_time': LaunchConfiguration('use_sim_time'),
                              'image': LaunchConfiguration('image'),
                              'image_transport': LaunchConfiguration('image_transport')}.items()),
    ])

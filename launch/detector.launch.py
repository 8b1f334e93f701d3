# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start the detector, and rviz2 if asked for. The other launch files include this one."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from tsr_ros.nodes.middleware import large_image_environment

# Arguments that become parameters of the node. Empty ones are not passed on, so that what stands
# in params_file, or else the node's own default, holds.
PARAMETERS = ('model', 'models_dir', 'backend', 'device', 'precision', 'input_size',
              'image_transport')


def arguments():
    """Return the arguments, with ROS's usual names."""
    as_in_file = ' Empty: as in params_file, else the default of the node.'
    config = PathJoinSubstitution([FindPackageShare('tsr_ros'), 'config', 'desktop.yaml'])
    return [
        DeclareLaunchArgument(
            'params_file', default_value=config, description='YAML file with parameters.'),
        DeclareLaunchArgument('namespace', default_value='', description='Of the node.'),
        DeclareLaunchArgument(
            'use_sim_time', default_value='false', choices=['true', 'false'],
            description='Take the time from /clock.'),
        DeclareLaunchArgument(
            'image', default_value='/camera/image_raw',
            description='Topic of the images; compressed ones are taken from <image>/compressed.'),
        DeclareLaunchArgument(
            'image_transport', default_value='', choices=['', 'raw', 'compressed'],
            description='How the images come.' + as_in_file),
        DeclareLaunchArgument(
            'model', default_value='',
            description='Name of a model in the manifest, or path of a model file.' + as_in_file),
        DeclareLaunchArgument(
            'models_dir', default_value='',
            description='Folder with manifest.yaml.' + as_in_file),
        DeclareLaunchArgument(
            'backend', default_value='', description='Inference runtime.' + as_in_file),
        DeclareLaunchArgument(
            'device', default_value='', description='Where it computes.' + as_in_file),
        DeclareLaunchArgument(
            'precision', default_value='', choices=['', 'auto', 'fp32', 'fp16', 'bf16', 'int8'],
            description='Arithmetic of the network.' + as_in_file),
        DeclareLaunchArgument(
            'input_size', default_value='',
            description='Width x height for the network, such as 416x416.' + as_in_file),
        DeclareLaunchArgument(
            'autostart', default_value='', choices=['', 'true', 'false'],
            description='Configure and activate at start; if false, a lifecycle manager does.'
                        + as_in_file),
        DeclareLaunchArgument(
            'log_level', default_value='info',
            choices=['debug', 'info', 'warn', 'error', 'fatal'], description='Of the node.'),
        DeclareLaunchArgument(
            'rviz', default_value='false', choices=['true', 'false'],
            description='Show the annotated images in rviz2.'),
    ]


def start_detector(context):
    """Return the node, with only those parameters that were given."""
    given = {name: LaunchConfiguration(name).perform(context) for name in PARAMETERS}
    parameters = {name: value for name, value in given.items() if value}
    for name in 'use_sim_time', 'autostart':
        value = LaunchConfiguration(name).perform(context)
        if value:
            parameters[name] = value == 'true'
    # a logger's name has the namespace in it, also one that an outer launch file pushed
    namespace = LaunchConfiguration('namespace').perform(context)
    if not namespace.startswith('/'):
        namespace = context.launch_configurations.get('ros_namespace', '') + '/' + namespace
    logger = '.'.join([*filter(None, namespace.split('/')), 'detector_node'])
    return [Node(
        package='tsr_ros', executable='detector_node', name='detector_node',
        namespace=LaunchConfiguration('namespace'), output='screen', emulate_tty=True,
        parameters=[LaunchConfiguration('params_file'), parameters],
        remappings=[('image', LaunchConfiguration('image'))],
        ros_arguments=['--log-level', [logger, ':=', LaunchConfiguration('log_level')]])]


def generate_launch_description():
    """Return the arguments, the node and rviz2."""
    return LaunchDescription([
        *arguments(),
        *(SetEnvironmentVariable(*pair) for pair in large_image_environment().items()),
        OpaqueFunction(function=start_detector),
        Node(
            package='rviz2', executable='rviz2', name='rviz2', output='screen',
            namespace=LaunchConfiguration('namespace'),
            arguments=['-d', PathJoinSubstitution(
                [FindPackageShare('tsr_ros'), 'rviz', 'tsr.rviz'])],
            parameters=[{'use_sim_time': ParameterValue(
                LaunchConfiguration('use_sim_time'), value_type=bool)}],
            # the configuration names the topic as it is without a namespace
            remappings=[('/detector_node/image_annotated', 'detector_node/image_annotated')],
            condition=IfCondition(LaunchConfiguration('rviz'))),
    ])

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

import os

# Fast DDS 2 knows the one name, Fast DDS 3 warns of it.
_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
_WITH_FAST_DDS_2 = ('humble', 'iron', 'jazzy')
PROFILES = 'fastdds.xml'


def large_image_environment(environment=os.environ):
    """
    Return the variable that lets Fast DDS hand large images to other processes.

    It is for the process that sends. Empty where the user has profiles of his own, ours are not
    installed, or they would take a node of Humble onto the network that is to stay on this
    computer. docs/node.md says what they are good for.
    """
    path = profiles_file()
    distribution = environment.get('ROS_DISTRO')
    if path is None or any(environment.get(name) for name in _VARIABLES):
        return {}
    # Humble keeps to this computer by a transport of its own, beside those of the profiles
    if distribution == 'humble' and environment.get('ROS_LOCALHOST_ONLY') == '1':
        return {}
    return {_VARIABLES[distribution in _WITH_FAST_DDS_2]: path}


def profiles_file():
    """Return the path of the profiles that came with this package, or None."""
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    child = folder
    while child:
        folder, child = os.path.split(folder)
        for place in ('config', os.path.join('share', 'tsr_ros', 'config')):
            path = os.path.join(folder, place, PROFILES)
            if os.path.isfile(path):
                return path
    return None

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

import os

# Fast DDS 2 knows the one name, Fast DDS 3 warns of it.
_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
_WITH_FAST_DDS_2 = ('foxy', 'galactic', 'humble', 'iron', 'jazzy')
PROFILES = 'fastdds.xml'


def large_image_environment(environment=os.environ):
    """
    Return the variable that lets Fast DDS hand large images to other processes.

    It is for the process that sends. Empty where the user has profiles of his own, or ours are
    not installed. docs/node.md says what they are good for.
    """
    path = profiles_file()
    if path is None or any(environment.get(name) for name in _VARIABLES):
        return {}
    return {_VARIABLES[environment.get('ROS_DISTRO') in _WITH_FAST_DDS_2]: path}


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

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Traffic sign and light recognition for ROS 2 with YOLOv7 on several inference runtimes."""

__version__ = '0.1.0'

# Run from a checkout, the messages (tsr_ros.msg) are still those that the build generated.
__path__ = __import__('pkgutil').extend_path(__path__, __name__)

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 side: wiring, parameters, conversions and diagnostics."""

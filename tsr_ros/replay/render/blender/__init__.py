# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The part that runs inside Blender's Python (bpy): a plan in, linear pictures out."""

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings: render, import, export, play and score them."""

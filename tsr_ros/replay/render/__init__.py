# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drives rendered by the project itself: scene description in, labelled pictures out."""

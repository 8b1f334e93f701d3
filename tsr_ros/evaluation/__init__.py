# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How right detections are: precision, recall, average precision, by condition and size."""

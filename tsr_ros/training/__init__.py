# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data, augmentation and the training of the network."""

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One module for each target format, quantization, and the proof that all agree."""

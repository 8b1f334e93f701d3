# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Signs followed from image to image, and confirmed once they were seen often enough."""

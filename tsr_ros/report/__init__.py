# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pages that show results: one file each, which opens anywhere, prints well and fits a phone."""

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How fast every runtime is on this computer, and how far from what its processor could do."""

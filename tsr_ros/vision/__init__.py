# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Arrays in, arrays out: what happens to an image before the network and to its maps after it."""

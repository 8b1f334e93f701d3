# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / 'scripts'))  # to import what make calls

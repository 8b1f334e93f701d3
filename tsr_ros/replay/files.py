# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files that are either complete or not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_atomically(path: Path, data: bytes) -> None:
    """Write to a temporary name in the same folder, then rename."""
    partial = path.with_name(path.name + '.part')
    partial.write_bytes(data)
    partial.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically."""
    write_atomically(path, (json.dumps(value, indent=1) + '\n').encode())

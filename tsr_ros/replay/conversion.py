# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

from typing import NamedTuple


class Conversion(NamedTuple):
    """What became of a source's pictures."""

    written: int
    left_out: tuple[str, ...]  # one line for each damaged picture: its name and what is wrong

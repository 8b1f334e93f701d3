# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

import sys
from pathlib import Path

from tsr_ros.replay.conversion import Conversion

_NAMED_AT_MOST = 10


def print_conversion(target: str | Path, conversion: Conversion) -> int:
    """Say what was written and what was left out; return the exit status, 1 if anything was."""
    print(f'{target}: {conversion.written} frames')
    left_out = conversion.left_out
    if not left_out:
        return 0
    print(f'left out, {len(left_out)} damaged:', file=sys.stderr)
    for line in left_out[:_NAMED_AT_MOST]:
        print(f'  {line}', file=sys.stderr)
    if len(left_out) > _NAMED_AT_MOST:
        print('  …', file=sys.stderr)
    return 1

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / 'scripts' / 'tsr'


@pytest.fixture
def tsr():
    """Return a function that starts `tsr` as a process with some words; it gives the Popen."""
    processes = []

    def start(*words, **options):
        processes.append(subprocess.Popen(
            [sys.executable, SCRIPT, *map(str, words)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **{'text': True, **options}))
        return processes[-1]
    yield start
    for process in processes:
        process.kill()
        process.communicate()

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import signal
import subprocess
import sys

import pytest

# what it measures and where it waits for Ctrl-C
SCRIPT = """
import signal
from tsr_ros.benchmark import peak
peak._LEAST_S = 0.01
peaks = peak.measure_peaks(2)
try:
    print(*peaks, flush=True)
    signal.pause()
except KeyboardInterrupt:
    raise SystemExit(130)
"""


def test_ctrl_c_after_the_measurement_is_an_interrupt():
    pytest.importorskip('openvino')
    process = subprocess.Popen([sys.executable, '-c', SCRIPT], stdout=subprocess.PIPE, text=True)
    with process:
        measured = process.stdout.readline().split()
        process.send_signal(signal.SIGINT)
    assert set(measured) >= {'fp32', 'int8'}
    assert process.returncode == 130

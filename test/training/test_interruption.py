# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import signal
import subprocess
import sys
import threading

import pytest

from tsr_ros.training.interruption import Interruption

LEAVES_A_WORKER = '''
import multiprocessing, os, sys
from pathlib import Path
import torch
from tsr_ros.training.config import Stage, TrainingConfig
from tsr_ros.training.data import TrainingData
from tsr_ros.training.ranks import Ranks

folder, number = sys.argv[1:]
stage = Stage(1.0, view='whole', size=64, batch=2)
config = TrainingConfig(('stop', 'turn', 'yield'), (Path(folder),), stages=(stage,), workers=1)
data = TrainingData(config, Ranks(0, 1, torch.device('cpu')))
stream = iter(data.loader(data.batches(data.samples(stage))))
assert len(next(stream)[0]) == 2
worker, = multiprocessing.active_children()
os.kill(worker.pid, int(number))
print(worker.pid)
'''


@pytest.mark.parametrize('number', [0, signal.SIGSTOP])
def test_a_worker_does_not_hold_up_the_exit(generated_data, number):
    """Neither one that waits for work nor one that is stuck."""
    ended = subprocess.run(
        [sys.executable, '-c', LEAVES_A_WORKER, str(generated_data), str(int(number))],
        capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.strip().isdigit()
    assert ended.stderr == ''


def test_outside_the_main_thread_signals_stay_as_they_are():
    with Interruption() as interruption:
        assert not interruption.wanted
    thread = threading.Thread(target=lambda: Interruption().__enter__().__exit__())
    thread.start()
    thread.join()

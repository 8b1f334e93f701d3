# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import os
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # so that tests can import helpers

# PyTorch's threads wait for each other in a busy loop, which takes minutes instead of seconds
# where something else keeps the cores busy.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

# A shell without job control starts what runs in its background with Ctrl-C ignored, and all that
# this starts in turn inherits it. The tests interrupt what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope='session')
def models_root(tmp_path_factory):
    """
    Return a folder with `small` and `random`, the models of helpers.py, made once.

    To test the robot's old Pythons, on which the exporter does not run, make one with a newer
    Python (python test/helpers.py FOLDER) and name it in TSR_TEST_MODELS.
    """
    from helpers import write_test_models

    ready = os.environ.get('TSR_TEST_MODELS')
    return Path(ready) if ready else write_test_models(tmp_path_factory.mktemp('models'))


@pytest.fixture(scope='session')
def small_models(models_root):
    """Return a models folder with the network that finds squares; do not change it."""
    return models_root / 'small'


@pytest.fixture(scope='session')
def random_models(models_root):
    """Return a models folder with the network of random weights; do not change it."""
    return models_root / 'random'

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import importlib.util
import sys
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope='session', autouse=True)
def one_thread():
    torch.set_num_threads(1)  # the pictures are too small to be worth more


@pytest.fixture(scope='session')
def official_form():
    """The module beside this file that makes checkpoints of the official form."""
    path = Path(__file__).with_name('official_form.py')
    spec = importlib.util.spec_from_file_location('official_form', path)
    module = importlib.util.module_from_spec(spec)
    sys.modules['official_form'] = module
    spec.loader.exec_module(module)
    return module

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # so that tests can import helpers


@pytest.fixture(scope='session')
def small_models(tmp_path_factory):
    """Return a models folder with the small network of helpers.py, made once; do not change it."""
    from helpers import write_small_model

    return write_small_model(tmp_path_factory.mktemp('models'))

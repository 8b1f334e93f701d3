# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import shutil

from tsr_ros.backends.manifest import Manifest
from tsr_ros.benchmark.complete import complete_models


def test_what_is_not_stored_is_made_in_a_copy(small_models, tmp_path):
    stored = tmp_path / 'stored'
    shutil.copytree(small_models, stored)
    (stored / 'small' / 'fp32.tflite').unlink(missing_ok=True)
    before = sorted(path.name for path in stored.rglob('*'))
    for _ in range(2):  # the second time all is there
        copy = complete_models(stored, tmp_path / 'copy')
        files = Manifest.read(copy).model('small').files
        assert ('tflite', 'fp32') in {(file.format, file.precision) for file in files}
        assert (copy / 'small' / 'fp32.tflite').is_file()
    assert sorted(path.name for path in stored.rglob('*')) == before

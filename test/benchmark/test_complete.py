# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import shutil

import pytest
import yaml

from tsr_ros.backends.manifest import Manifest
from tsr_ros.benchmark.complete import complete_models


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*'))


@pytest.mark.parametrize('left_out', ['', 'tflite', 'torch'])
def test_what_is_not_stored_is_made_in_a_copy(small_models, tmp_path, left_out):
    stored = tmp_path / 'stored'
    shutil.copytree(small_models, stored)
    content = yaml.safe_load((stored / 'manifest.yaml').read_text())
    entry = content['models']['small']
    for file in [file for file in entry['files'] if file['format'] == left_out]:
        entry['files'].remove(file)
        (stored / file['path']).unlink()
    (stored / 'manifest.yaml').write_text(yaml.safe_dump(content))
    files = {(file['format'], file['precision']) for file in entry['files']}
    before = names(stored)
    for _ in range(2):  # the second time all is there
        copy = complete_models(stored, tmp_path / 'copy')
        found = {(file.format, file.precision): copy / file.path
                 for file in Manifest.read(copy).model('small').files}
        assert set(found) == files | ({('tflite', 'fp32')} if left_out == 'tflite' else set())
        assert all(path.is_file() for path in found.values())
    assert names(stored) == before


def test_a_manifest_without_models(tmp_path):
    (tmp_path / 'stored').mkdir()
    (tmp_path / 'stored' / 'manifest.yaml').write_text('version: 1\nmodels: {}\n')
    copy = complete_models(tmp_path / 'stored', tmp_path / 'copy')
    assert names(copy) == ['manifest.yaml']

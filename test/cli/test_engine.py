# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import os

import pytest


@pytest.mark.parametrize('precision', ['fp32', 'fp16'])
def test_an_engine_is_built_and_found_again(tsr, small_models, tmp_path, precision):
    words = ('engine', '--backend', 'tensorrt_rtx', '--precision', precision,
             '--models-dir', small_models)
    env = dict(os.environ, XDG_CACHE_HOME=str(tmp_path))
    paths = []
    for says in f'building the tensorrt_rtx engine of small in {precision}', '':
        process = tsr(*words, env=env)
        path, said = process.communicate()
        assert process.returncode == 0, said
        assert says in said
        assert bool(said) == bool(says)
        paths.append(path.strip())
    assert paths[0] == paths[1]
    assert os.path.getsize(paths[0]) > 100000
    assert paths[0].startswith(str(tmp_path / 'tsr_ros' / 'engines' / 'small-'))


def test_another_size_is_another_engine(tsr, small_models, tmp_path):
    paths = set()
    for size in ['160x96', '192x128']:
        process = tsr('engine', '--backend', 'tensorrt_rtx', '--models-dir', small_models,
                      '--input-size', size, env=dict(os.environ, XDG_CACHE_HOME=str(tmp_path)))
        paths.add(process.communicate()[0])
        assert process.returncode == 0
    assert len(paths) == 2


@pytest.mark.parametrize(('words', 'expected'), [
    (['--input-size', '100x96'], 'multiples of 32'),
    (['nothing'], "names no model 'nothing'"),
    (['--precision', 'int8'], 'has no int8 file of format onnx-tensorrt'),
    (['/nowhere/a.onnx'], 'model file /nowhere/a.onnx cannot be read'),
])
def test_what_cannot_be_built(tsr, small_models, words, expected):
    process = tsr('engine', '--backend', 'tensorrt_rtx', '--models-dir', small_models, *words)
    _, said = process.communicate()
    assert process.returncode == 1
    assert expected in said
    assert 'Traceback' not in said

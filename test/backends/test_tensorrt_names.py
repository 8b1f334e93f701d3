# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The stand-in for TensorRT 11.1 has the names of NVIDIA's own bindings, and no others."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import compile_library
from tensorrt_standin import API

# what the bindings want of TensorRT's libraries, which are not on PyPI; none of it is called
LIBRARIES = {
    'libnvinfer.so.11': ('createInferBuilder_INTERNAL', 'createInferRefitter_INTERNAL',
                         'createInferRuntime_INTERNAL', 'getBuilderPluginRegistry',
                         'getPluginRegistry'),
    'libnvinfer_plugin.so.11': ('initLibNvInferPlugins',),
    'libnvonnxparser.so.11': ('createNvOnnxParser_INTERNAL', 'getNvOnnxParserVersion',
                              'createNvOnnxParserRefitter_INTERNAL'),
}
LIST = '''
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location('tensorrt', sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(json.dumps({
    name: sorted(getattr(cls, '__members__', None) or
                 [member for member in dir(cls) if not member.startswith('_')])
    for name, cls in vars(module).items() if isinstance(cls, type)}))
'''


@pytest.fixture(scope='module')
def real_names(tmp_path_factory):
    """{class: names} of the bindings, which a process of its own loads over empty libraries."""
    folder = tmp_path_factory.mktemp('libraries')
    for name, functions in LIBRARIES.items():
        compile_library(folder / name, ''.join(
            f'void *{function}(void) {{ return 0; }}\n' for function in functions),
            f'-Wl,-soname,{name}')
    package, = importlib.util.find_spec('tensorrt_bindings').submodule_search_locations
    path = str(folder) + os.pathsep + os.environ.get('LD_LIBRARY_PATH', '')
    return json.loads(subprocess.run(
        [sys.executable, '-c', LIST, str(Path(package) / 'tensorrt.so')], check=True,
        stdout=subprocess.PIPE, env=dict(os.environ, LD_LIBRARY_PATH=path)).stdout)


@pytest.mark.parametrize('name', sorted(API['11.1.0']))
def test_names(real_names, name):
    assert sorted(API['11.1.0'][name]) == real_names[name]

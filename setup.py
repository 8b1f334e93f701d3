# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What `pip install` needs to know: all of tsr_ros that runs without ROS.

With ROS, colcon builds the package by CMakeLists.txt and reads nothing here. The metadata stand
here and not in pyproject.toml, which the setuptools of Python 3.6 does not read.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
DATA_FOLDERS = ('config', 'models', 'rosbag')

BACKENDS = {
    'onnxruntime': ['onnxruntime'],
    'openvino': ['openvino'],
    'pytorch': ['torch'],
    'tensorrt-rtx': ['tensorrt-rtx-cu13', 'cuda-bindings'],
    'tflite': ['ai-edge-litert'],
}
PURPOSES = {
    'benchmark': ['onnx'],
    'export': ['onnx', 'onnxruntime', 'flatbuffers'],
    'render': ['bpy==5.0.1', 'OpenEXR==3.5.3'],
    'tensorboard': ['tensorboardX'],
    'training': ['torch', 'safetensors'],
}
# Blender's module wants a Python of its own, and a GPU's runtime a GPU.
ALL = sorted({requirement for extras in (BACKENDS, PURPOSES) for name, needed in extras.items()
              if name not in ('render', 'tensorrt-rtx') for requirement in needed})


def data_files():
    """Return (folder of an installation, files) of what is no Python."""
    folders = sorted({path.parent for folder in DATA_FOLDERS
                      for path in (ROOT / folder).rglob('*') if path.is_file()})
    return [
        (str(Path('share') / 'tsr_ros' / folder.relative_to(ROOT)),
         [str(path.relative_to(ROOT)) for path in sorted(folder.iterdir()) if path.is_file()])
        for folder in folders]


setup(
    name='tsr_ros',
    version=re.search(r"^__version__ = '(.+)'$", (ROOT / 'tsr_ros' / '__init__.py').read_text(),
                      re.MULTILINE).group(1),
    description='Traffic sign and light recognition with YOLOv7 on several inference runtimes',
    author='The tsr_ros authors',
    license='Apache-2.0',
    packages=find_packages(include=['tsr_ros', 'tsr_ros.*']),
    data_files=data_files(),
    entry_points={'console_scripts': ['tsr = tsr_ros.cli:main']},
    python_requires='>=3.6',
    install_requires=[
        'numpy',
        'opencv-python-headless',
        'PyYAML',
        # films, recordings and pages; these parts are for Python 3.10 and later
        'matplotlib; python_version >= "3.10"',
        'pillow; python_version >= "3.10"',
        'rosbags; python_version >= "3.10"',
        'tqdm; python_version >= "3.10"',
    ],
    extras_require=dict(BACKENDS, all=ALL, **PURPOSES),
)

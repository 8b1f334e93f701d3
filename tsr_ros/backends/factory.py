# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import importlib
from typing import NamedTuple

from .base import BackendError, BackendMissing, ModelFileError
from .manifest import open_model

# name: (module, class); the module is imported when the backend is asked for
BACKENDS = {
    'onnxruntime': ('onnxruntime', 'OnnxRuntimeBackend'),
    'openvino': ('openvino', 'OpenVinoBackend'),
    'pytorch': ('pytorch', 'PyTorchBackend'),
    'tensorrt': ('tensorrt', 'TensorRtBackend'),
    'tensorrt_rtx': ('tensorrt', 'TensorRtRtxBackend'),
    'tflite': ('tflite', 'TfliteBackend'),
}


class BackendStatus(NamedTuple):
    """Whether a backend can be used on this computer."""

    version: str  # of the runtime, '' if it is not there
    problem: str  # why not, '' if it can


def backend_class(name):
    """Return the class of a backend; its runtime is not imported yet."""
    if name not in BACKENDS:
        raise BackendError('there is no backend {!r}; there are {}'.format(
            name, ', '.join(BACKENDS)))
    module, class_name = BACKENDS[name]
    return getattr(importlib.import_module('.' + module, __package__), class_name)


def create_backend(name, model='', precision='auto', device='auto', threads=0, batch=1,
                   models_dir=None, input_wh=None):
    """
    Return a backend for a model, not loaded yet.

    `model` is a name in the manifest, '' for its default, or a path; see manifest.open_model.
    `input_wh` overrides the size that the model was trained for, in multiples of its last stride.
    """
    cls = backend_class(name)
    cls.version()  # a missing runtime is said before a file is read
    model_file = _open_best(cls.file_choices(precision), model, models_dir)
    if input_wh is not None:
        step = max(model_file.strides)
        if any(side < step or side % step for side in input_wh):
            raise BackendError('the input must be multiples of {} pixels, not {} x {}'.format(
                step, *input_wh))
        model_file = model_file._replace(input_wh=tuple(input_wh))
    return cls(model_file, device=device, precision=precision, threads=threads, batch=batch)


def _open_best(choices, model, models_dir):
    """Return the ModelFile of the first choice that there is."""
    for formats, precision in choices[:-1]:
        try:
            return open_model(model, formats, precision, models_dir)
        except ModelFileError:
            pass
    formats, precision = choices[-1]
    return open_model(model, formats, precision, models_dir)


def backend_status():
    """Return {name: BackendStatus} of every backend."""
    result = {}
    for name in BACKENDS:
        try:
            cls = backend_class(name)
            result[name] = BackendStatus(cls.version(), cls.problem())
        except BackendMissing as error:
            result[name] = BackendStatus('', str(error))
    return result

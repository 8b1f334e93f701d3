# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import importlib
from typing import NamedTuple

from .base import BackendError, BackendMissing, ModelFileError
from .manifest import MAX_LOSS, open_model

# name: (module, class); the module is imported when the backend is asked for
BACKENDS = {
    'onnxruntime': ('onnxruntime', 'OnnxRuntimeBackend'),
    'openvino': ('openvino', 'OpenVinoBackend'),
    'pytorch': ('pytorch', 'PyTorchBackend'),
    'tensorrt': ('tensorrt', 'TensorRtBackend'),
    'tensorrt_rtx': ('tensorrt', 'TensorRtRtxBackend'),
    'tflite': ('tflite', 'TfliteBackend'),
}
# for those who name them: they take a minute to start, so `auto` and "all backends" pass them by
ON_REQUEST = {
    'pytorch_compiled': ('pytorch', 'CompiledPyTorchBackend'),
}
AUTO = 'auto'


class BackendStatus(NamedTuple):
    """Whether a backend can be used on this computer."""

    version: str  # of the runtime, '' if it is not there
    problem: str  # why not, '' if it can


def backend_class(name):
    """Return the class of a backend; its runtime is not imported yet."""
    known = dict(BACKENDS, **ON_REQUEST)
    if name not in known:
        raise BackendError('there is no backend {!r}; there are {} and {}'.format(
            name, ', '.join(known), AUTO))
    module, class_name = known[name]
    return getattr(importlib.import_module('.' + module, __package__), class_name)


def create_backend(name, model='', precision='auto', device='auto', threads=0, batch=1,
                   models_dir=None, input_wh=None, fallback=(), max_loss=MAX_LOSS):
    """
    Return a backend for a model, not loaded yet.

    `name` is one of BACKENDS or ON_REQUEST, or 'auto' for the fastest here that loses at most
    `max_loss` of mAP at IoU 0.5. `model` is a name in the manifest, '' for its default, or a path;
    see manifest.open_model. `input_wh` overrides the size that the model was trained for, in
    multiples of its last stride. The backends named in `fallback` take over, in that order, when
    the one before fails; they run on the device and in the precision that suit them best.
    """
    options = {'model': model, 'threads': threads, 'batch': batch, 'models_dir': models_dir,
               'input_wh': input_wh}
    if fallback:
        return _with_fallback([name] + list(fallback), options, precision, device, max_loss)
    if name == AUTO:
        from .auto import AutoBackend
        return AutoBackend(precision=precision, device=device, max_loss=max_loss, **options)
    cls = backend_class(name)
    cls.version()  # a missing runtime is said before a file is read
    model_file = _open_best(cls.file_choices(precision, device), model, models_dir)
    if input_wh is not None:
        step = max(model_file.strides)
        if any(side < step or side % step for side in input_wh):
            raise BackendError('the input must be multiples of {} pixels, not {} x {}'.format(
                step, *input_wh))
        model_file = model_file._replace(input_wh=tuple(input_wh))
    return cls(model_file, device=device, precision=precision, threads=threads, batch=batch)


def _with_fallback(names, options, precision, device, max_loss):
    from .fallback import FallbackBackend
    for name in names:
        if name != AUTO:
            backend_class(name)  # a misspelt name is said now, not when it is needed
    own = {names[0]: {'precision': precision, 'device': device}}

    def create(name):
        return create_backend(name, max_loss=max_loss, **dict(options, **own.get(name, {})))
    return FallbackBackend(names, create, options['batch'])


def _open_best(choices, model, models_dir):
    """Return the ModelFile of the first choice that there is."""
    for formats, precision in choices[:-1]:
        try:
            return open_model(model, formats, precision, models_dir)
        except ModelFileError:
            pass
    formats, precision = choices[-1]
    return open_model(model, formats, precision, models_dir)


def backend_status(names=tuple(BACKENDS)):
    """Return {name: BackendStatus} of backends."""
    result = {}
    for name in names:
        try:
            cls = backend_class(name)
            result[name] = BackendStatus(cls.version(), cls.problem())
        except BackendMissing as error:
            result[name] = BackendStatus('', str(error))
    return result

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import ctypes
import importlib

import numpy as np

from .base import (
    Backend,
    BackendError,
    BackendMissing,
    DeviceError,
    ModelFileError,
    UnsupportedError,
)

GPU_DELEGATE = 'libtensorflowlite_gpu_delegate.so'  # as TensorFlow's build calls it


class TfliteBackend(Backend):
    """
    LiteRT (TensorFlow Lite) with XNNPACK on the CPU.

    Device gpu is its GPU delegate, a library that no package brings; the path of a library, ending
    in .so, is any other delegate.
    """

    name = 'tflite'
    formats = ('tflite',)
    precisions = ('fp32', 'int8')
    install_hint = 'pip install ai-edge-litert'

    _interpreter = _delegates = None

    @classmethod
    def version(cls):
        """Return the name and version of the interpreter."""
        return _import()[1]

    def _load(self):
        module, _ = _import()
        self._delegates = self._load_delegates(module)
        try:
            interpreter = module.Interpreter(
                model_path=self.model_file.path, num_threads=self.threads,
                experimental_delegates=self._delegates)
            details = interpreter.get_input_details()
            if len(details) != 1 or details[0]['dtype'] != np.uint8:
                raise ModelFileError('{} does not take one uint8 image (N, H, W, 3)'.format(
                    self.model_file.path))
            self._allocate(interpreter, details[0])
        except (ValueError, RuntimeError) as error:
            if isinstance(error, BackendError):
                raise
            if self._delegates:
                raise DeviceError('LiteRT cannot give {} to {}: {}'.format(
                    self.model_file.path, self.device, error))
            raise ModelFileError('LiteRT cannot load {}: {}'.format(self.model_file.path, error))
        self._input_index = details[0]['index']
        outputs = sorted(
            interpreter.get_output_details(), key=lambda output: -np.prod(output['shape']))
        self._output_indices = [output['index'] for output in outputs]
        # a map that comes in TensorFlow's own layout, NHWC, is turned
        shapes = [tuple(int(side) for side in output['shape']) for output in outputs]
        self._turned = [shape not in self.output_shapes for shape in shapes]
        self._check_output_shapes([
            tuple(shape[i] for i in (0, 3, 1, 2)) if turned and len(shape) == 4 else shape
            for shape, turned in zip(shapes, self._turned)])
        self._maps = [np.zeros(shape, np.float32) for shape in self.output_shapes]
        self._interpreter = interpreter

    def _load_delegates(self, module):
        """Return what the device needs, in a list, or None for the CPU."""
        if self.device in ('auto', 'cpu'):
            return None
        if self.device != 'gpu' and not self.device.endswith('.so'):
            raise UnsupportedError(
                'LiteRT runs on cpu, gpu or a delegate given as the path of its .so, not '
                '{!r}'.format(self.device))
        library = GPU_DELEGATE if self.device == 'gpu' else self.device
        try:
            ctypes.CDLL(library)  # LiteRT's own attempt leaves an object that fails when deleted
            return [module.load_delegate(library)]
        except (OSError, ValueError, AttributeError) as error:
            raise DeviceError(
                'LiteRT cannot load the delegate {} ({}): build it from the sources of '
                "TensorFlow Lite and put its folder into LD_LIBRARY_PATH, or take device "
                'cpu'.format(library, error))

    def _allocate(self, interpreter, images):
        """Ask for buffers of our batch; the file's own width and height cannot be changed."""
        found = tuple(int(side) for side in images['shape'])
        if found[1:] != self.input_shape[1:]:
            raise UnsupportedError(
                '{} is made for images of {} x {}, not {} x {}: a TensorFlow Lite file has one '
                'size; export the weights for the other'.format(
                    self.model_file.path, found[2], found[1], *self.model_file.input_wh))
        if found != self.input_shape:
            interpreter.resize_tensor_input(images['index'], self.input_shape)
        interpreter.allocate_tensors()

    def _infer(self, images):
        interpreter = self._interpreter
        try:
            interpreter.set_tensor(self._input_index, images)
            interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise BackendError('LiteRT failed: {}'.format(error))
        for index, turned, head in zip(self._output_indices, self._turned, self._maps):
            # the view into the interpreter may not outlive this line: the next call needs it free
            found = interpreter.tensor(index)()
            np.copyto(head, found.transpose(0, 3, 1, 2) if turned else found)
            del found
        return self._maps

    def _describe(self):
        # there is no public way to ask
        operations = getattr(self._interpreter, '_get_ops_details', list)()
        parts = sum(operation['op_name'] == 'DELEGATE' for operation in operations)
        by = 'delegates' if self._delegates else 'XNNPACK'
        return ('cpu' if self.device == 'auto' else self.device,
                '{} parts of the graph run by {}'.format(parts, by) if parts else '')

    def _close(self):
        self._interpreter = None
        self._delegates = None  # which the interpreter needed to its end


def _import():
    """Return the module that has the interpreter, and what to call it."""
    for module, package in ('ai_edge_litert.interpreter', 'ai_edge_litert'), (
            'tensorflow.lite.python.interpreter', 'tensorflow'):
        try:
            interpreter = importlib.import_module(module)
            interpreter.Interpreter  # noqa: B018 - an empty folder imports as well
            version = getattr(importlib.import_module(package), '__version__', '')
        except (ImportError, AttributeError):
            continue
        return interpreter, '{} {}'.format(package.replace('_', '-'), version).strip()
    raise BackendMissing('neither ai-edge-litert nor TensorFlow can be imported: {}'.format(
        TfliteBackend.install_hint))

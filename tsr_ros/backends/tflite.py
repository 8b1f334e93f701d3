# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import importlib

import numpy as np

from .base import Backend, BackendError, BackendMissing, DeviceError, ModelFileError


class TfliteBackend(Backend):
    """LiteRT (TensorFlow Lite) with XNNPACK on the CPU."""

    name = 'tflite'
    formats = ('tflite',)
    precisions = ('fp32', 'int8')
    install_hint = 'pip install ai-edge-litert'

    _interpreter = None

    @classmethod
    def version(cls):
        """Return the name and version of the interpreter."""
        return _import()[1]

    def _load(self):
        interpreter_class, _ = _import()
        if self.device not in ('auto', 'cpu'):
            raise DeviceError('LiteRT runs on the cpu here, not {!r}'.format(self.device))
        try:
            interpreter = interpreter_class(
                model_path=self.model_file.path, num_threads=self.threads)
            details = interpreter.get_input_details()
            if len(details) != 1 or details[0]['dtype'] != np.uint8:
                raise ModelFileError('{} does not take one uint8 image (N, H, W, 3)'.format(
                    self.model_file.path))
            self._allocate(interpreter, details[0])
        except (ValueError, RuntimeError) as error:
            if isinstance(error, BackendError):
                raise
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

    def _allocate(self, interpreter, images):
        """Ask for buffers of our batch; the file's own width and height cannot be changed."""
        found = tuple(int(side) for side in images['shape'])
        if found[1:] != self.input_shape[1:]:
            raise ModelFileError(
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
        return 'cpu', '{} parts of the graph run by XNNPACK'.format(parts) if parts else ''

    def _close(self):
        self._interpreter = None


def _import():
    """Return the interpreter's class and what to call it."""
    for module, package in ('ai_edge_litert.interpreter', 'ai_edge_litert'), (
            'tensorflow.lite.python.interpreter', 'tensorflow'):
        try:
            interpreter = importlib.import_module(module).Interpreter
            version = getattr(importlib.import_module(package), '__version__', '')
        except (ImportError, AttributeError):
            continue
        return interpreter, '{} {}'.format(package.replace('_', '-'), version).strip()
    raise BackendMissing('neither ai-edge-litert nor TensorFlow can be imported: {}'.format(
        TfliteBackend.install_hint))

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import os
import shutil

import numpy as np

from .base import (
    Backend,
    BackendError,
    BackendMissing,
    DeviceError,
    ModelFileError,
    UnsupportedError,
    is_out_of_memory,
)
from .weights import IMAGE, fold_input, parse_activation, read_network


class PyTorchBackend(Backend):
    """PyTorch, which runs the operations that weights.safetensors describes one after another."""

    name = 'pytorch'
    formats = ('torch',)
    precisions = ('fp32', 'bf16', 'fp16')
    install_hint = 'pip install torch'

    _operations = None

    @classmethod
    def version(cls):
        """Return the version of PyTorch."""
        return _import().__version__

    def _load(self):
        torch = _import()
        self._torch = torch
        self._place = self._choose_device()
        self._dtype = {
            'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16,
        }[self.precision]
        if self._place.type == 'cpu':
            torch.set_num_threads(self.threads)
        network = fold_input(read_network(self.model_file.path))
        try:
            self._graph, self._outputs = network.graph, network.outputs
            self._operations = [self._operation(node, network.tensors) for node in network.graph]
            self._last_use = _last_use(network)
            self._input = torch.zeros(self.input_shape, dtype=torch.uint8, device=self._place)
            self._maps = [
                torch.zeros(shape, pin_memory=self._place.type == 'cuda')
                for shape in self.output_shapes
            ]
            self._views = [head.numpy() for head in self._maps]
            self._cuda_graph = None
            # fp32 means fp32: cuDNN would calculate in TF32, three digits, where a GPU has it
            cudnn = torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False)
            with torch.no_grad(), cudnn:
                self._network = self._prepare(self._run_operations)
                heads = self._run()
                self._check_output_shapes([head.shape for head in heads])
                if self._place.type == 'cuda':
                    with torch.cuda.device(self._place):  # streams are made on the current one
                        self._record()
        except RuntimeError as error:
            if isinstance(error, BackendError):
                raise
            if is_out_of_memory(error):
                raise DeviceError('PyTorch on {}: {}'.format(self._place, error))
            raise ModelFileError('PyTorch cannot run {}: {}'.format(self.model_file.path, error))

    def _prepare(self, network):
        """Return what runs in place of a function from the image to the head maps."""
        return network

    def _choose_device(self):
        torch = self._torch
        name = self.device
        if name == 'auto':
            name = 'cuda' if torch.cuda.is_available() else 'cpu'
        try:
            device = torch.device(name)
        except RuntimeError:
            raise UnsupportedError('PyTorch knows no device {!r}'.format(name))
        if device.type not in ('cpu', 'cuda'):
            raise UnsupportedError(
                'this backend runs PyTorch on cpu or cuda, not on {!r}'.format(name))
        if device.type == 'cuda' and not torch.cuda.is_available():
            raise DeviceError('PyTorch sees no CUDA device; use device cpu')
        if device.type == 'cuda' and (device.index or 0) >= torch.cuda.device_count():
            raise DeviceError('PyTorch sees {} CUDA devices, of which {!r} is none'.format(
                torch.cuda.device_count(), name))
        if device.type == 'cpu' and self.precision == 'fp16':
            raise UnsupportedError('PyTorch runs fp16 on a GPU; on a CPU ask for bf16 or fp32')
        return device

    def _record(self):
        """Record the network as a CUDA graph, so that a call is one launch."""
        torch = self._torch
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._run()
        torch.cuda.current_stream().wait_stream(stream)
        self._cuda_graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._cuda_graph):
            self._heads = self._run()

    def _operation(self, node, tensors):
        """Return a function of the inputs' list that does what the node says."""
        functional = self._torch.nn.functional
        kind = node['op']
        if kind == 'conv':
            return self._conv(node, tensors)
        if kind == 'concat':
            return lambda inputs: self._torch.cat(inputs, 1)
        if kind == 'add':
            return lambda inputs: sum(inputs[1:], inputs[0])
        if kind == 'max_pool':
            kernel, stride, padding = node['kernel'], node['stride'], node['padding']
            return lambda inputs: functional.max_pool2d(inputs[0], kernel, stride, padding)
        scale = node['scale']
        return lambda inputs: functional.interpolate(
            inputs[0], scale_factor=float(scale), mode='nearest')

    def _conv(self, node, tensors):
        torch, functional = self._torch, self._torch.nn.functional
        weight, bias = (
            torch.from_numpy(np.array(tensors[node['name'] + suffix], np.float32)).to(
                self._place, self._dtype)
            for suffix in ('.weight', '.bias'))
        weight = weight.contiguous(memory_format=torch.channels_last)
        stride, padding, groups = node['stride'], node['padding'], node['groups']
        name, slope = parse_activation(node.get('activation'))
        activate = {
            None: lambda x: x,
            'leaky_relu': lambda x: functional.leaky_relu_(x, slope),
            'relu': functional.relu_,
            'silu': lambda x: functional.silu(x, inplace=True),
        }[name]
        return lambda inputs: activate(
            functional.conv2d(inputs[0], weight, bias, stride, padding, 1, groups))

    def _run(self):
        return self._network(self._input)

    def _run_operations(self, image):
        # NHWC seen as NCHW is what PyTorch calls channels_last: no copy
        values = {IMAGE: image.permute(0, 3, 1, 2).to(self._dtype)}
        for index, (node, operation) in enumerate(zip(self._graph, self._operations)):
            values[index] = operation([values[i] for i in node['inputs']])
            for done in self._last_use.get(index, ()):
                del values[done]
        return [values[output].float() for output in self._outputs]

    def _infer(self, images):
        torch = self._torch
        try:
            with torch.no_grad():
                self._input.copy_(torch.from_numpy(images))
                if self._cuda_graph is not None:
                    self._cuda_graph.replay()
                    heads = self._heads
                else:
                    heads = self._run()
                for target, head in zip(self._maps, heads):
                    target.copy_(head, non_blocking=True)
                if self._place.type == 'cuda':
                    torch.cuda.synchronize(self._place)
        except RuntimeError as error:
            kind = DeviceError if is_out_of_memory(error) else BackendError
            raise kind('PyTorch failed: {}'.format(error))
        return self._views

    def _describe(self):
        if self._place.type == 'cuda':
            return str(self._place), self._torch.cuda.get_device_name(self._place) + ', CUDA graph'
        return 'cpu', 'eager, channels_last'

    def _close(self):
        self._operations = self._network = self._input = self._maps = self._views = None
        self._cuda_graph = self._heads = None


class CompiledPyTorchBackend(PyTorchBackend):
    """PyTorch on the CPU, its operations fused by torch.compile, which takes about a minute."""

    name = 'pytorch_compiled'
    precisions = ('fp32', 'bf16')

    @classmethod
    def problem(cls):
        """Return why torch.compile cannot work here, or ''."""
        if not hasattr(_import(), 'compile'):
            return 'torch.compile came with PyTorch 2.0, this is {}'.format(cls.version())
        if shutil.which(os.environ.get('CXX', 'g++')) is None:
            return 'torch.compile needs a C++ compiler, such as that of the package g++'
        return ''

    def _choose_device(self):
        if self.device not in ('auto', 'cpu'):
            # where there is a GPU, the backend pytorch has a CUDA graph
            raise UnsupportedError(
                '{} runs on the cpu, not on {!r}: take the backend pytorch'.format(
                    self.name, self.device))
        self.device = 'cpu'
        return super()._choose_device()

    def _prepare(self, network):
        problem = self.problem()
        if problem:
            raise BackendMissing(problem)
        self.progress('torch.compile works on the network, which takes about a minute')
        compiled = self._torch.compile(network, fullgraph=True, dynamic=False)
        try:
            compiled(self._input)
        except RuntimeError as error:
            raise BackendError('torch.compile failed ({}); take the backend pytorch'.format(
                str(error).strip().splitlines()[0]))
        return compiled

    def _describe(self):
        return 'cpu', 'torch.compile, channels_last'


def _last_use(network):
    """Return {node: values that no later node reads}, so that memory is given back early."""
    last = {}
    for index, node in enumerate(network.graph):
        for value in node['inputs']:
            last[value] = index
    result = {}
    for value, index in last.items():
        if value not in network.outputs:
            result.setdefault(index, []).append(value)
    return result


def _import():
    try:
        import torch
        torch.Tensor  # noqa: B018 - an empty folder imports as well
    except (ImportError, AttributeError, OSError) as error:
        raise BackendMissing('PyTorch cannot be imported ({}): {}'.format(
            error, PyTorchBackend.install_hint))
    return torch

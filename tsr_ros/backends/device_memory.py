# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Memory on an NVIDIA GPU through whichever library is there: cuda-python, pycuda or PyTorch.

Each class below has the same methods; the library is imported when it is made, and only after
nvidia_driver has found a driver, since some crash without.
"""

import contextlib
import ctypes
import weakref
from typing import Any, NamedTuple

import numpy as np

from .base import BackendError, BackendMissing, DeviceError

INSTALL_HINT = (
    'install cuda-python, in the major version of CUDA that nvidia-smi names, or pycuda, or torch')


class Buffer(NamedTuple):
    """The same data twice: page-locked memory of the computer, and memory of the GPU."""

    host: Any  # array
    address: int  # on the GPU
    size: int  # bytes
    device: Any  # the library's own object
    mapped: bool  # the GPU reads and writes `host` itself: there is nothing to copy


def open_device_memory(gpu):
    """Return device memory of a Gpu through the first library that is installed."""
    problems, kind = [], BackendMissing
    for memory_class in CudaPythonMemory, PycudaMemory, PyTorchMemory:
        try:
            return memory_class(gpu)
        except ImportError as error:
            problems.append(str(error))
        except DeviceError as error:  # such as a cuda-python that is newer than the driver
            problems.append('{}: {}'.format(memory_class.name, error))
            kind = DeviceError
    raise kind('no library for the memory of the GPU can be used ({}): {}'.format(
        '; '.join(problems), INSTALL_HINT))


class CudaPythonMemory:
    """Through cuda-python, whose functions return an error code first."""

    name = 'cuda-python'

    def __init__(self, gpu):
        try:
            from cuda.bindings import runtime
        except ImportError:
            from cuda import cudart as runtime  # cuda-python 11 and 12
        self._runtime = runtime
        self._gpu = gpu
        self._device_pointers, self._graphs = [], []
        with self.current():
            self._stream = self._call('cudaStreamCreate')
        self.stream = int(self._stream)

    def _call(self, name, *arguments):
        result = getattr(self._runtime, name)(*arguments)
        if int(result[0]):
            _, text = self._runtime.cudaGetErrorString(result[0])
            raise DeviceError('{} on {}: {}'.format(name, self._gpu.name, text.decode()))
        return result[1] if len(result) > 1 else None

    @contextlib.contextmanager
    def current(self):
        """Make the GPU that of the calling thread."""
        self._call('cudaSetDevice', self._gpu.index)
        yield

    def allocate(self, shape, dtype):
        """Return a Buffer; raises DeviceError where the GPU's memory is full."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        pointer = self._call('cudaHostAlloc', size, self._runtime.cudaHostAllocMapped)
        memory = (ctypes.c_ubyte * size).from_address(int(pointer))
        # the arrays that are handed out may outlive us
        weakref.finalize(memory, self._runtime.cudaFreeHost, pointer)
        if self._gpu.integrated:
            device = self._call('cudaHostGetDevicePointer', pointer, 0)
        else:
            device = self._call('cudaMalloc', size)
            self._device_pointers.append(device)
        host = np.frombuffer(memory, dtype).reshape(shape)
        return Buffer(host, int(device), size, device, self._gpu.integrated)

    def upload(self, buffer):
        """Begin to copy to the GPU."""
        self._call('cudaMemcpyAsync', buffer.address, buffer.host.ctypes.data, buffer.size,
                   self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice, self._stream)

    def download(self, buffer):
        """Begin to copy from the GPU."""
        self._call('cudaMemcpyAsync', buffer.host.ctypes.data, buffer.address, buffer.size,
                   self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost, self._stream)

    def synchronize(self):
        """Wait until all that was begun is done."""
        self._call('cudaStreamSynchronize', self._stream)

    def record(self, function):
        """Return a function that begins at once, as a CUDA graph, what `function` begins."""
        mode = self._runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call('cudaStreamBeginCapture', self._stream, mode)
        try:
            function()
        finally:
            graph = self._call('cudaStreamEndCapture', self._stream)
        executable = self._call('cudaGraphInstantiateWithFlags', graph, 0)
        self._call('cudaGraphDestroy', graph)
        self._graphs.append(executable)
        return lambda: self._call('cudaGraphLaunch', executable, self._stream)

    def close(self):
        """Give everything back; raises the first error when all was tried."""
        things = [('cudaGraphExecDestroy', graph) for graph in self._graphs]
        things += [('cudaFree', pointer) for pointer in self._device_pointers]
        things.append(('cudaStreamDestroy', self._stream))
        self._device_pointers, self._graphs = [], []
        errors = []
        with self.current():
            for function, thing in things:
                try:
                    self._call(function, thing)
                except DeviceError as error:
                    errors.append(error)
        if errors:
            raise errors[0]


class PycudaMemory:
    """Through pycuda 2020.1 or later; it knows no CUDA graphs."""

    name = 'pycuda'
    record = None

    def __init__(self, gpu):
        import pycuda.driver
        self._cuda = pycuda.driver
        self._gpu = gpu
        try:
            self._cuda.init()
            # the context that TensorRT uses as well
            self._context = self._cuda.Device(gpu.index).retain_primary_context()
        except self._cuda.Error as error:
            raise DeviceError('pycuda on {}: {}'.format(gpu.name, error))
        with self.current():
            self._stream = self._cuda.Stream()
        self.stream = self._stream.handle

    @contextlib.contextmanager
    def current(self):
        """Make the GPU that of the calling thread."""
        try:
            self._context.push()
            try:
                yield
            finally:
                self._cuda.Context.pop()
        except self._cuda.Error as error:
            raise DeviceError('pycuda on {}: {}'.format(self._gpu.name, error))

    def allocate(self, shape, dtype):
        """Return a Buffer; raises DeviceError where the GPU's memory is full."""
        flags = self._cuda.host_alloc_flags.DEVICEMAP if self._gpu.integrated else 0
        host = self._cuda.pagelocked_empty(shape, dtype, mem_flags=flags)
        if self._gpu.integrated:
            device = host.base.get_device_pointer()
        else:
            device = self._cuda.mem_alloc(host.nbytes)
        return Buffer(host, int(device), host.nbytes, device, self._gpu.integrated)

    def upload(self, buffer):
        """Begin to copy to the GPU."""
        self._cuda.memcpy_htod_async(buffer.device, buffer.host, self._stream)

    def download(self, buffer):
        """Begin to copy from the GPU."""
        self._cuda.memcpy_dtoh_async(buffer.host, buffer.device, self._stream)

    def synchronize(self):
        """Wait until all that was begun is done."""
        self._stream.synchronize()

    def close(self):
        """Give everything back; buffers and context go with the last reference to them."""
        self._stream = self._context = None


class PyTorchMemory:
    """Through PyTorch's tensors."""

    name = 'torch'

    def __init__(self, gpu):
        import torch
        if not torch.cuda.is_available():
            raise ImportError('this PyTorch ({}) sees no GPU'.format(torch.__version__))
        self._torch = torch
        self._gpu = gpu
        self._place = torch.device('cuda', gpu.index)
        with self.current():
            self._stream = torch.cuda.Stream()
        self.stream = self._stream.cuda_stream

    @contextlib.contextmanager
    def current(self):
        """Make the GPU that of the calling thread."""
        try:
            with self._torch.cuda.device(self._place):
                yield
        except RuntimeError as error:
            if isinstance(error, BackendError):
                raise
            raise DeviceError('PyTorch on {}: {}'.format(self._gpu.name, error))

    def allocate(self, shape, dtype):
        """Return a Buffer; raises DeviceError where the GPU's memory is full."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        torch = self._torch
        host = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        # the GPU of a Jetson reads page-locked memory under the same address
        device = host if self._gpu.integrated else torch.empty(
            size, dtype=torch.uint8, device=self._place)
        array = host.numpy().view(dtype).reshape(shape)
        return Buffer(array, device.data_ptr(), size, (host, device), self._gpu.integrated)

    def upload(self, buffer):
        """Begin to copy to the GPU."""
        host, device = buffer.device
        with self._torch.cuda.stream(self._stream):
            device.copy_(host, non_blocking=True)

    def download(self, buffer):
        """Begin to copy from the GPU."""
        host, device = buffer.device
        with self._torch.cuda.stream(self._stream):
            host.copy_(device, non_blocking=True)

    def synchronize(self):
        """Wait until all that was begun is done."""
        self._stream.synchronize()

    def record(self, function):
        """Return a function that begins at once, as a CUDA graph, what `function` begins."""
        graph = self._torch.cuda.CUDAGraph()
        with self._torch.cuda.graph(graph, stream=self._stream):
            function()

        def replay():
            with self._torch.cuda.stream(self._stream):
                graph.replay()
        return replay

    def close(self):
        """Give everything back; tensors go with the last reference to them."""
        self._stream = None

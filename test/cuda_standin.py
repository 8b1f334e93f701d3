# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A GPU's memory and streams without a GPU, under cuda-python, pycuda and PyTorch.

What is begun on a stream is done when the stream is waited for, so that whoever does not wait
sees nothing. Memory is ordinary memory, kept apart in computer's and GPU's; using one as the
other fails. cuda-python and PyTorch are the real packages, of which single functions are
replaced: a function that they do not have fails the test. pycuda cannot be installed without
CUDA's compiler; its stand-in has the names of pycuda 2026.1
(https://github.com/inducer/pycuda, src/wrapper/wrap_cudadrv.cpp).
"""

import contextlib
import ctypes
import sys
import types

import numpy as np

from tsr_ros.backends.nvidia_driver import Gpu

LIBRARIES = ('cuda-python', 'pycuda', 'torch')


def array_at(address, shape, dtype):
    """Return the memory at an address as an array."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_ubyte * size).from_address(address), dtype).reshape(shape)


class CudaStandin:
    """One GPU."""

    def __init__(self, name='Stand-in', integrated=False, compute_capability=(8, 7)):
        self.name = name
        self.integrated = integrated
        self.has_int8 = compute_capability > (6, 0) and compute_capability != (6, 2)
        self.gpu = Gpu(0, name, compute_capability, integrated)
        self.memory_left = 1 << 30
        self.host, self.device = {}, {}  # address: array
        self.streams, self.recording = {}, {}
        self.current = 0  # how many have made the GPU current and not left it yet
        self.used = set()  # numbers of the GPUs that were made current
        self.launches = 0  # of CUDA graphs
        self.copies = 0
        self.can_record = True

    def allocate(self, size, on_device):
        if on_device:
            if size > self.memory_left:
                raise MemoryError('out of memory')
            self.memory_left -= size
        array = np.full(size, 0xcc, np.uint8)
        (self.device if on_device else self.host)[array.ctypes.data] = array
        return array

    def free(self, address):
        self.memory_left += self.device.pop(address).nbytes

    def check(self, address):
        """Return an address that the GPU may use; on a Jetson the computer's memory is its own."""
        assert address in self.device or (self.integrated and address in self.host)
        return address

    def make_stream(self):
        handle = 1000 + len(self.streams)
        self.streams[handle] = []
        return handle

    def enqueue(self, handle, action):
        self.recording.get(handle, self.streams[handle]).append(action)

    def enqueue_copy(self, handle, target, source, size):
        self.copies += 1
        self.enqueue(handle, lambda: ctypes.memmove(target, source, size))

    def synchronize(self, handle):
        assert handle not in self.recording
        actions = self.streams[handle][:]
        self.streams[handle].clear()
        for action in actions:
            action()

    def begin_recording(self, handle):
        self.recording[handle] = []

    def end_recording(self, handle):
        actions = self.recording.pop(handle)

        def launch():
            self.launches += 1
            self.streams[handle].extend(actions)
        return launch


def install(library, gpu, monkeypatch):
    """Put the GPU under one library and take the others away."""
    others = {'cuda-python': ('cuda', 'cuda.bindings', 'cuda.cudart'),
              'pycuda': ('pycuda', 'pycuda.driver'), 'torch': ('torch',)}
    for name, modules in others.items():
        for module in modules if name != library else ():
            monkeypatch.setitem(sys.modules, module, None)
    {'cuda-python': _install_cuda_python, 'pycuda': _install_pycuda,
     'torch': _install_torch}[library](gpu, monkeypatch)


def restore_cuda_python(monkeypatch):
    """Put the real cuda-python back, which says that there is no driver or an old one."""
    for module in 'cuda', 'cuda.bindings', 'cuda.cudart':
        monkeypatch.delitem(sys.modules, module, raising=False)


def _install_cuda_python(gpu, monkeypatch):
    from cuda.bindings import runtime
    ok, out_of_memory = runtime.cudaError_t(0), runtime.cudaError_t.cudaErrorMemoryAllocation
    to_device = runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
    graphs = {}

    def malloc(size):
        try:
            return ok, gpu.allocate(size, True).ctypes.data
        except MemoryError:
            return out_of_memory, None

    def copy(target, source, size, kind, stream):
        on_host, on_device = (source, target) if kind == to_device else (target, source)
        assert on_host in gpu.host
        assert on_device in gpu.device
        gpu.enqueue_copy(int(stream), target, source, size)
        return (ok,)

    def set_device(index):
        gpu.used.add(index)
        gpu.current += 1
        return (ok,)

    def host_alloc(size, flags):
        assert flags == runtime.cudaHostAllocMapped
        return ok, gpu.allocate(size, False).ctypes.data

    def free_host(pointer):
        del gpu.host[pointer]
        return (ok,)

    def end_capture(stream):
        if not gpu.can_record:
            gpu.end_recording(int(stream))
            return runtime.cudaError_t.cudaErrorStreamCaptureInvalidated, None
        graphs[len(graphs) + 1] = gpu.end_recording(int(stream))
        return ok, runtime.cudaGraph_t(len(graphs))

    replaced = {
        'cudaSetDevice': set_device,
        'cudaMalloc': malloc,
        'cudaFree': lambda pointer: (gpu.free(pointer), (ok,))[1],
        'cudaHostAlloc': host_alloc,
        'cudaFreeHost': free_host,
        'cudaHostGetDevicePointer': lambda pointer, flags: (ok, pointer),
        'cudaStreamCreate': lambda: (ok, runtime.cudaStream_t(gpu.make_stream())),
        'cudaStreamDestroy': lambda stream: (gpu.streams.pop(int(stream)), (ok,))[1],
        'cudaStreamSynchronize': lambda stream: (gpu.synchronize(int(stream)), (ok,))[1],
        'cudaMemcpyAsync': copy,
        'cudaStreamBeginCapture':
            lambda stream, mode: (gpu.begin_recording(int(stream)), (ok,))[1],
        'cudaStreamEndCapture': end_capture,
        'cudaGraphInstantiateWithFlags':
            lambda graph, flags: (ok, runtime.cudaGraphExec_t(int(graph))),
        'cudaGraphDestroy': lambda graph: (ok,),
        'cudaGraphExecDestroy': lambda graph: (ok,),
        'cudaGraphLaunch': lambda graph, stream: (graphs[int(graph)](), (ok,))[1],
    }
    for name, function in replaced.items():
        monkeypatch.setattr(runtime, name, function)


def _install_pycuda(gpu, monkeypatch):
    driver = types.ModuleType('pycuda.driver')

    class Error(Exception):
        pass

    class Context:
        def __init__(self, number):
            self.number = number

        def push(self):
            gpu.used.add(self.number)
            gpu.current += 1

        @staticmethod
        def pop():
            gpu.current -= 1

    class Device:
        def __init__(self, number):
            self.number = number

        def retain_primary_context(self):
            return Context(self.number)

    class Stream:
        def __init__(self, flags=0):
            assert gpu.current
            self.handle = gpu.make_stream()

        def synchronize(self):
            assert gpu.current
            gpu.synchronize(self.handle)

    class DeviceAllocation:
        def __init__(self, array):
            self.array = array

        def __int__(self):
            return self.array.ctypes.data

        def __del__(self):
            gpu.free(int(self))

    def mem_alloc(size):
        assert gpu.current
        try:
            return DeviceAllocation(gpu.allocate(size, True))
        except MemoryError:
            raise Error('cuMemAlloc failed: out of memory') from None

    def pagelocked_empty(shape, dtype, order='C', mem_flags=0):
        assert gpu.current
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        address = gpu.allocate(size, False).ctypes.data

        class PagelockedHostAllocation(ctypes.c_ubyte * size):
            def get_device_pointer(self):
                assert mem_flags == driver.host_alloc_flags.DEVICEMAP
                return address
        return np.ndarray(shape, dtype, PagelockedHostAllocation.from_address(address))

    def memcpy_htod_async(dest, src, stream=None):
        gpu.enqueue_copy(stream.handle, int(dest), src.ctypes.data, src.nbytes)

    def memcpy_dtoh_async(dest, src, stream=None):
        gpu.enqueue_copy(stream.handle, dest.ctypes.data, int(src), dest.nbytes)

    driver.init = lambda flags=0: None
    driver.host_alloc_flags = types.SimpleNamespace(PORTABLE=1, DEVICEMAP=2, WRITECOMBINED=4)
    for name, value in {
            'Error': Error, 'Context': Context, 'Device': Device,
            'Stream': Stream, 'mem_alloc': mem_alloc, 'pagelocked_empty': pagelocked_empty,
            'memcpy_htod_async': memcpy_htod_async,
            'memcpy_dtoh_async': memcpy_dtoh_async}.items():
        setattr(driver, name, value)
    package = types.ModuleType('pycuda')
    package.driver = driver
    monkeypatch.setitem(sys.modules, 'pycuda', package)
    monkeypatch.setitem(sys.modules, 'pycuda.driver', driver)


def _install_torch(gpu, monkeypatch):
    import torch
    stream_in_use = []

    class Tensor:
        def __init__(self, size, dtype=None, device=None, pin_memory=False):
            assert dtype == torch.uint8
            assert pin_memory != (device is not None)
            try:
                self.array = gpu.allocate(size, device is not None)
            except MemoryError:
                raise RuntimeError('CUDA out of memory') from None
            self.on_device = device is not None

        def __del__(self):
            if getattr(self, 'on_device', False):
                gpu.free(self.data_ptr())

        def numpy(self):
            return self.array

        def data_ptr(self):
            return self.array.ctypes.data

        def copy_(self, source, non_blocking=False):
            assert non_blocking
            gpu.enqueue_copy(stream_in_use[-1], self.data_ptr(), source.data_ptr(),
                             self.array.nbytes)

    class Stream:
        def __init__(self):
            assert gpu.current
            self.cuda_stream = gpu.make_stream()

        def synchronize(self):
            gpu.synchronize(self.cuda_stream)

    class CUDAGraph:
        def replay(self):
            self.launch()

    @contextlib.contextmanager
    def use_stream(stream):
        stream_in_use.append(stream.cuda_stream)
        yield
        stream_in_use.pop()

    @contextlib.contextmanager
    def use_device(device):
        assert device.type == 'cuda'
        gpu.used.add(device.index)
        gpu.current += 1
        yield
        gpu.current -= 1

    @contextlib.contextmanager
    def record(graph, stream=None):
        gpu.begin_recording(stream.cuda_stream)
        try:
            yield
        finally:
            graph.launch = gpu.end_recording(stream.cuda_stream)
    for name, value in {'is_available': lambda: True, 'Stream': Stream, 'CUDAGraph': CUDAGraph,
                        'stream': use_stream, 'device': use_device, 'graph': record}.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch, 'empty', Tensor)

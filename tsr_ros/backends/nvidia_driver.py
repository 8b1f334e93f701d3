# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import ctypes
from typing import NamedTuple

from .base import DeviceError

# numbers of CUdevice_attribute: https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__TYPES.html
_INTEGRATED, _CAPABILITY_MAJOR, _CAPABILITY_MINOR = 18, 75, 76
_NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE


class Gpu(NamedTuple):
    """One of NVIDIA's GPUs."""

    index: int
    name: str
    compute_capability: tuple
    integrated: bool  # shares its memory with the CPU, as on a Jetson


def has_nvidia_driver():
    """Tell whether NVIDIA's driver is there; libraries that need it may crash without."""
    try:
        _start_driver()
    except DeviceError:
        return False
    return True


def find_gpu(index=0):
    """Return a Gpu; raises DeviceError where there is no driver or no such GPU."""
    cuda = _start_driver()
    count = ctypes.c_int()
    _check(cuda.cuDeviceGetCount(ctypes.byref(count)), 'cuDeviceGetCount')
    if not 0 <= index < count.value:
        raise DeviceError('there is no GPU {}; the driver sees {}'.format(index, count.value))
    device = ctypes.c_int()
    _check(cuda.cuDeviceGet(ctypes.byref(device), index), 'cuDeviceGet')
    name = ctypes.create_string_buffer(256)
    _check(cuda.cuDeviceGetName(name, len(name), device), 'cuDeviceGetName')

    def attribute(number):
        value = ctypes.c_int()
        _check(cuda.cuDeviceGetAttribute(ctypes.byref(value), number, device),
               'cuDeviceGetAttribute')
        return value.value
    return Gpu(index, name.value.decode(errors='replace'),
               (attribute(_CAPABILITY_MAJOR), attribute(_CAPABILITY_MINOR)),
               bool(attribute(_INTEGRATED)))


def _start_driver():
    try:
        cuda = ctypes.CDLL('libcuda.so.1')
    except OSError:
        raise DeviceError("NVIDIA's driver is not installed (there is no libcuda.so.1)")
    _check(cuda.cuInit(0), 'cuInit')
    return cuda


def _check(status, call):
    if status == _NO_DEVICE:
        raise DeviceError("NVIDIA's driver sees no GPU")
    if status:
        raise DeviceError("NVIDIA's driver does not work: {} returned {}".format(call, status))

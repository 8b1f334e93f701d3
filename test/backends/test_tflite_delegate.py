# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Delegates of LiteRT, through real libraries, compiled here, that stand in for that of a GPU."""

import numpy as np
import pytest
from helpers import compile_library

from tsr_ros.backends.base import DeviceError, UnsupportedError
from tsr_ros.backends.factory import create_backend

# as in TensorFlow Lite's common.h and external_delegate_interface.h
SOURCE = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
typedef struct Delegate {
  void *data;
  int (*prepare)(void *, struct Delegate *);
  void *copy_from, *copy_to, *free_handle;
  int64_t flags;
  void *builder;
} Delegate;
static void note(const char *what) {
  FILE *file = fopen(LOG, "a");
  fprintf(file, "%s\n", what);
  fclose(file);
}
static int prepare(void *context, Delegate *delegate) {
  note("prepared");
  return STATUS;
}
static Delegate delegate;
void *tflite_plugin_create_delegate(char **keys, char **values, int count,
                                    void (*report)(const char *)) {
  if (STATUS < 0) {
    report("no device");
    return NULL;
  }
  delegate.prepare = prepare;
  return &delegate;
}
void tflite_plugin_destroy_delegate(void *which) { note("destroyed"); }
"""


@pytest.fixture
def compile_delegate(tmp_path):
    """Return a function that makes a delegate with a status; it writes what it does to a file."""
    def run(status):
        return compile_library(tmp_path / 'delegate.so', SOURCE, f'-DSTATUS={status}',
                               f'-DLOG="{tmp_path / "log.txt"}"')
    return run


def head_maps(models_dir, device):
    with create_backend('tflite', 'random', 'fp32', device=device, threads=1,
                        models_dir=models_dir) as backend:
        backend.load()
        image = np.random.RandomState(0).randint(0, 256, backend.input_shape).astype(np.uint8)
        return backend.describe(), [head.copy() for head in backend.infer(image)]


def test_a_delegate_gets_the_network(random_models, compile_delegate, tmp_path):
    library = compile_delegate(0)
    info, found = head_maps(random_models, str(library))
    assert info.device == str(library)
    assert (tmp_path / 'log.txt').read_text().split() == ['prepared', 'destroyed']
    # it takes no operation, so all run as they do without it
    _, expected = head_maps(random_models, 'cpu')
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize(('status', 'message'), [
    (1, r'LiteRT cannot give .* to .*delegate\.so'),
    (-1, r'cannot load the delegate .*delegate\.so .*no device.*take device cpu'),
])
def test_a_delegate_that_fails(random_models, compile_delegate, status, message):
    backend = create_backend('tflite', 'random', 'fp32', device=str(compile_delegate(status)),
                             models_dir=random_models)
    with pytest.raises(DeviceError, match='(?s)' + message):
        backend.load()


@pytest.mark.parametrize(('device', 'error', 'message'), [
    ('gpu', DeviceError, 'cannot load the delegate libtensorflowlite_gpu_delegate.so'),
    ('/nowhere/delegate.so', DeviceError,
     'cannot load the delegate /nowhere/delegate.so'),
    ('npu', UnsupportedError, "cpu, gpu or a delegate given as the path of its .so, not 'npu'"),
])
def test_a_delegate_that_is_not_there(random_models, device, error, message):
    backend = create_backend('tflite', 'random', 'fp32', device=device, models_dir=random_models)
    with pytest.raises(error, match=message):
        backend.load()

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import contextlib
import os
from typing import NamedTuple

import numpy as np

from .heap import return_free_memory


class BackendError(RuntimeError):
    """An inference runtime cannot do what is asked of it: what, where, what to do."""


class BackendMissing(BackendError):  # noqa: N818 - the name says enough
    """The runtime is not installed, or not for this computer."""


class ModelFileError(BackendError):
    """A model file is missing, damaged, not the one named in the manifest, or of another kind."""


class DeviceError(BackendError):
    """The device asked for is not there or has failed."""


class UnsupportedError(BackendError):
    """What is asked for is nothing for this backend, file or computer, and never will be."""


class BackendInfo(NamedTuple):
    """What really runs."""

    name: str
    version: str
    device: str
    precision: str
    threads: int
    detail: str


class Backend:
    """
    One model on one inference runtime.

    A subclass imports its runtime inside its methods, sets the names below and implements
    `_load`, `_infer` and `_close`. Calls come from one thread at a time.
    """

    name = ''
    formats = ()  # of model files, the preferred first
    precisions = ('fp32',)
    install_hint = ''

    on_progress = None  # called with a line of text while load() takes long
    failures = ()  # what was asked for and failed, where another backend stands in

    def __init__(self, model_file, device='auto', precision='auto', threads=0, batch=1):
        if precision == 'auto':
            precision = model_file.precision
        if precision not in self.precisions:
            raise BackendError('{} runs {}, not {}'.format(
                self.name, ', '.join(self.precisions), precision))
        self.model_file = model_file
        self.device = device
        self.precision = precision
        self.threads = threads or available_cpus()
        self.batch = batch
        self.loaded = False

    @classmethod
    def version(cls):
        """Return the runtime's version; raise BackendMissing with the reason if it cannot run."""
        raise NotImplementedError

    @classmethod
    def problem(cls):
        """Return why the runtime, though installed, cannot run on this computer, or ''."""
        return ''

    @classmethod
    def file_choices(cls, precision, device='auto'):
        """
        Return (formats, precision) of the model files to look for, the best first.

        It is one, unless the precision is auto.
        """
        return [(cls.formats, precision)]

    def load(self):
        """Read the model file into the runtime; raises BackendError and leaves nothing behind."""
        try:
            self._load()
        except Exception:
            with contextlib.suppress(Exception):  # a GPU that is lost fails at that, too
                self.close()
            raise
        self.loaded = True
        return_free_memory()

    def warm_up(self, runs=2):
        """Run on a grey image, so that the first real one is not slow."""
        images = np.full(self.input_shape, 114, np.uint8)
        for _ in range(runs):
            self.infer(images)
        return_free_memory()

    @property
    def input_shape(self):
        """The one shape that is taken, (batch, height, width, 3)."""
        width, height = self.model_file.input_wh
        return self.batch, height, width, 3

    @property
    def output_shapes(self):
        """The shapes of the head maps, (batch, anchors * (5 + classes), height, width) each."""
        width, height = self.model_file.input_wh
        classes = len(self.model_file.labels)
        return [
            (self.batch, len(anchors) * (5 + classes), height // stride, width // stride)
            for anchors, stride in zip(self.model_file.anchors, self.model_file.strides)
        ]

    def infer(self, images):
        """
        Run the network on BGR images, (batch, height, width, 3) uint8.

        Returns the raw head maps, float32 NCHW, smallest stride first. They lie in buffers that
        the next call writes over.
        """
        if not self.loaded:
            raise BackendError('{} is not loaded'.format(self.name))
        if images.shape != self.input_shape or images.dtype != np.uint8:
            raise BackendError('{} takes uint8 {}, not {} {}'.format(
                self.name, self.input_shape, images.dtype, images.shape))
        return self._infer(np.ascontiguousarray(images))

    def describe(self):
        """Return what really runs, as BackendInfo."""
        device, detail = self._describe()
        return BackendInfo(
            self.name, self.version(), device, self.precision, self.threads, detail)

    def progress(self, text):
        """Tell whoever wants to know what load() is busy with."""
        if self.on_progress is not None:
            self.on_progress(text)

    def close(self):
        """Give back what the runtime holds; may be called twice."""
        self.loaded = False
        self._close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _load(self):
        raise NotImplementedError

    def _infer(self, images):
        raise NotImplementedError

    def _describe(self):
        """Return the device that is used, and a line of detail."""
        return 'cpu', ''

    def _close(self):
        pass

    def _check_output_shapes(self, shapes):
        """Refuse a model whose head maps are not those that labels and anchors ask for."""
        shapes = [tuple(shape) for shape in shapes]
        if shapes != self.output_shapes:
            raise ModelFileError(
                '{}: {} labels and input {} x {} need head maps {}, but it gives {}'.format(
                    self.model_file.path, len(self.model_file.labels),
                    self.model_file.input_wh[0], self.model_file.input_wh[1],
                    self.output_shapes, shapes))


def is_out_of_memory(error):
    """Tell whether a runtime's error says that memory ran out; they share no class."""
    text = str(error).lower()
    return any(words in text for words in (
        'out of memory', 'out_of_memory', 'failed to allocate', 'bad_alloc', 'bad allocation',
        'not enough memory', 'cuda failure 2'))


def available_cpus():
    """Return how many CPUs this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
from .base import Backend, BackendError


class DelegatingBackend(Backend):
    """A backend that picks another one when it is loaded, and hands all work to it."""

    backend = None

    def __init__(self, batch=1):
        # deliberately not Backend's: the model file and the rest are those of the one picked
        self.batch = batch
        self.loaded = False

    @property
    def model_file(self):
        """The ModelFile of the backend that was picked."""
        if self.backend is None:
            raise BackendError('no backend is picked before load()')
        return self.backend.model_file

    def describe(self):
        """Return what the backend that was picked says, and why it was picked."""
        if self.backend is None:
            raise BackendError('no backend is picked before load()')
        info = self.backend.describe()
        return info._replace(detail='; '.join(
            part for part in (info.detail, self._reason()) if part))

    def _reason(self):
        """Return why this backend, or ''."""
        raise NotImplementedError

    def _infer(self, images):
        return self.backend.infer(images)

    def _close(self):
        if self.backend is not None:
            self.backend.close()

    def _loaded(self, backend):
        """Return a backend after loading it; it reports its progress to whom we do."""
        backend.on_progress = self.on_progress
        backend.load()
        return backend

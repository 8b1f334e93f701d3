# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
from .base import BackendError
from .delegating import DelegatingBackend


class FallbackBackend(DelegatingBackend):
    """
    The first of some backends that works; the next one takes over when it fails.

    The image at which one fails is still answered, by the next. `failures` says what has failed.
    Nothing goes back to a backend that has failed: load anew for that.
    """

    name = 'fallback'

    def __init__(self, names, create, batch=1):
        """Take names in order and `create`, which returns a backend by name, not loaded."""
        super().__init__(batch)
        self._names = list(names)
        self._create = create

    def _load(self):
        self.failures, self._left = (), list(self._names)
        self._take_next(None)

    def _infer(self, images):
        while True:
            try:
                return self.backend.infer(images)
            except Exception as error:  # a runtime may raise anything
                if not self._left:
                    raise
                self._note(self.backend.describe().name, error)
                self._take_next(error)

    def _take_next(self, error):
        """Load the next backend that can be; raise the error that led here if there is none."""
        while self._left:
            name = self._left.pop(0)
            self.progress('loading {}'.format(name))
            try:
                backend = self._loaded(self._create(name))
            except BackendError as problem:
                self._note(name, problem)
                error = error or problem
                continue
            # only now, so that there is one to go on with if no other can be loaded
            failed, self.backend = self.backend, backend
            self._let_go(failed)
            return
        raise error if len(self.failures) == 1 else BackendError('; '.join(self.failures))

    def _let_go(self, backend):
        """Close the one that has failed; a GPU that is lost fails at that, too."""
        try:
            if backend is not None:
                backend.close()
        except Exception as error:
            self._note(backend.name, error, 'was not closed')

    def _note(self, name, error, what='failed'):
        self.failures += ('{} {}: {}'.format(name, what, error),)
        self.progress(self.failures[-1])

    def _reason(self):
        if not self.failures:
            return ''
        return 'stands in, since {}'.format('; '.join(self.failures))

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from helpers import square_image

from tsr_ros.backends.base import BackendError, BackendMissing
from tsr_ros.backends.detector import Detector, load_detector
from tsr_ros.backends.factory import create_backend
from tsr_ros.backends.fallback import FallbackBackend
from tsr_ros.backends.onnxruntime import OnnxRuntimeBackend

IMAGE = square_image([(20, 30, 16, 0)])


class Failing(OnnxRuntimeBackend):
    """ONNX Runtime that works for some images, then breaks."""

    name = 'failing'
    good_images = 0
    loads = closes = True
    closed = 0
    error = BackendError('the GPU has fallen off the bus')

    def _load(self):
        if not self.loads:
            raise BackendMissing('it is not installed')
        super()._load()

    def _infer(self, images):
        self.good_images -= 1
        if self.good_images < 0:
            raise self.error
        return super()._infer(images)

    def _close(self):
        self.closed += 1
        super()._close()
        if not self.closes:
            raise self.error


@pytest.fixture
def fallback(small_models):
    """Return a function that makes a FallbackBackend of some Failing ones, by name."""
    def make(**backends):
        made = {}

        def create(name):
            good = create_backend('onnxruntime', 'small', threads=1, models_dir=small_models)
            made[name] = backend = Failing(good.model_file, threads=1)
            backend.name = name
            for attribute, value in backends[name].items():
                setattr(backend, attribute, value)
            return backend
        result = FallbackBackend(list(backends), create)
        result.made = made
        return result
    return make


def test_the_image_at_which_one_fails_is_answered_by_the_next(fallback):
    told = []
    backend = fallback(
        first={'good_images': 1}, second={'good_images': 2}, third={'good_images': 9})
    backend.on_progress = told.append
    with backend:
        backend.load()
        detector = Detector(backend, backend.model_file)
        names = []
        for _ in range(5):
            assert len(detector.detect(IMAGE).score) == 1
            names.append(backend.describe().name)
        assert names == ['first', 'second', 'second', 'third', 'third']
        failure = 'failed: the GPU has fallen off the bus'
        assert backend.failures == (f'first {failure}', f'second {failure}')
        assert backend.describe().detail.endswith(
            f'stands in, since first {failure}; second {failure}')
        assert told == ['loading first', f'first {failure}', 'loading second',
                        f'second {failure}', 'loading third']
        # who has failed gives back what it held
        assert [backend.made[name].closed for name in ('first', 'second', 'third')] == [1, 1, 0]
    assert backend.made['third'].closed == 1


def test_nothing_is_loaded_before_it_is_needed(fallback):
    with fallback(first={'good_images': 1}, second={}) as backend:
        backend.load()
        assert list(backend.made) == ['first']
        assert backend.failures == ()
        assert 'stands in' not in backend.describe().detail


@pytest.mark.parametrize('error', [ValueError('odd'), RuntimeError('CUDA error'), MemoryError()])
def test_whatever_a_runtime_raises(fallback, error):
    with fallback(first={'error': error}, second={'good_images': 1}) as backend:
        backend.load()
        assert len(backend.infer(IMAGE[None])) == 3
        assert backend.describe().name == 'second'


def test_a_new_load_begins_with_the_first(fallback):
    backend = fallback(first={'good_images': 1}, second={'good_images': 9})
    for _ in range(3):
        with backend:
            backend.load()
            assert backend.failures == ()
            names = []
            for _ in range(2):
                backend.infer(IMAGE[None])
                names.append(backend.describe().name)
            assert names == ['first', 'second']
            assert len(backend.failures) == 1


def test_one_that_cannot_be_loaded_is_passed_over(fallback):
    with fallback(first={'loads': False}, second={'loads': False},
                  third={'good_images': 1}) as backend:
        backend.load()
        assert backend.describe().name == 'third'
        assert backend.failures == (
            'first failed: it is not installed', 'second failed: it is not installed')


def test_when_none_can_be_loaded_all_reasons_are_told(fallback):
    backend = fallback(first={'loads': False}, second={'loads': False})
    with pytest.raises(BackendError, match=r'first failed: it is .*; second failed: it is not'):
        backend.load()
    assert not backend.loaded
    backend.close()


def test_the_last_one_stays_and_may_recover(fallback):
    with fallback(first={'good_images': 1}, second={'loads': False}) as backend:
        backend.load()
        backend.infer(IMAGE[None])
        with pytest.raises(BackendError, match=r'first failed: the GPU .*; second failed'):
            backend.infer(IMAGE[None])
        with pytest.raises(BackendError, match=r'^the GPU has fallen off the bus$'):
            backend.infer(IMAGE[None])
        assert len(backend.failures) == 2  # they do not pile up
        backend.made['first'].good_images = 1
        assert len(backend.infer(IMAGE[None])) == 3


def test_one_that_cannot_be_closed_is_stood_in_for(fallback):
    with fallback(first={'good_images': 1, 'closes': False}, second={'good_images': 9}) as backend:
        backend.load()
        for _ in range(3):
            assert len(backend.infer(IMAGE[None])) == 3
        assert backend.backend is backend.made['second']
        assert backend.failures == (
            'first failed: the GPU has fallen off the bus',
            'first was not closed: the GPU has fallen off the bus')


def test_a_wrong_image_is_nobodys_failure(fallback):
    with fallback(first={'good_images': 1}, second={}) as backend:
        backend.load()
        with pytest.raises(BackendError, match='takes uint8'):
            backend.infer(np.zeros((1, 3, 96, 160), np.uint8))
        assert backend.describe().name == 'first'


def test_real_backends_by_name(small_models):
    with load_detector('small', 'tensorrt', precision='fp16', device='cuda', threads=1,
                       fallback=['tensorrt_rtx', 'onnxruntime'],
                       models_dir=small_models) as detector:
        info = detector.backend.describe()
        if info.name == 'onnxruntime':  # no GPU here
            assert info.precision == 'fp32'
            assert [failure.split()[0] for failure in detector.backend.failures] == [
                'tensorrt', 'tensorrt_rtx']
        assert len(detector.detect(IMAGE).score) == 1


def test_a_misspelt_name_is_said_at_once(small_models):
    with pytest.raises(BackendError, match="no backend 'onnxrutime'"):
        create_backend('openvino', 'small', fallback=['onnxrutime'], models_dir=small_models)


def test_before_load_nothing_is_known(fallback):
    backend = fallback(first={})
    for ask in backend.describe, lambda: backend.model_file, lambda: backend.input_shape:
        with pytest.raises(BackendError, match='before load'):
            ask()

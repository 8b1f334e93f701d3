# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""TensorRT's two runners, on stand-ins of four versions and three libraries for memory."""

import importlib
import json
import shutil
import sys
import threading
from pathlib import Path

import cuda_standin
import numpy as np
import pytest
import tensorrt_standin
import yaml
from cuda_standin import LIBRARIES, CudaStandin
from helpers import square_image, with_int8
from tensorrt_standin import VERSIONS, make_tensorrt

from tsr_ros.backends import nvidia_driver, tensorrt
from tsr_ros.backends.base import (
    BackendError,
    BackendMissing,
    DeviceError,
    ModelFileError,
    UnsupportedError,
)
from tsr_ros.backends.build_cache import BuildCache
from tsr_ros.backends.detector import Detector
from tsr_ros.backends.factory import create_backend
from tsr_ros.backends.tensorrt_builder import SETTINGS, call_with_progress
from tsr_ros.backends.weights import read_network
from tsr_ros.export.onnx_graph import build_onnx, save_onnx
from tsr_ros.export.onnx_int8 import quantize_onnx

SQUARES = [(23, 37, 16, 0), (90, 20, 16, 1), (120, 60, 16, 2)]
NANO = {'name': 'NVIDIA Tegra X1', 'integrated': True, 'compute_capability': (5, 3)}
ORIN = {'name': 'Orin', 'integrated': True, 'compute_capability': (8, 7)}


class Machine:
    """A computer with a GPU and a TensorRT."""

    def __init__(self, monkeypatch, folder):
        self._monkeypatch = monkeypatch
        self.cache = BuildCache(folder)

    def set_up(self, version=VERSIONS[-1], library='cuda-python', **gpu):
        self.gpu = CudaStandin(**gpu)
        self.name = 'tensorrt_rtx' if version == 'rtx' else 'tensorrt'
        self.trt = make_tensorrt(version, self.gpu, self.name)
        cuda_standin.install(library, self.gpu, self._monkeypatch)
        self._monkeypatch.setitem(sys.modules, self.name, self.trt)
        self._monkeypatch.setattr(
            tensorrt, 'find_gpu', lambda index=0: self.gpu.gpu._replace(index=index))
        return self

    def backend(self, models, name='small', **options):
        backend = create_backend(self.name, name, models_dir=models, **options)
        backend.cache = self.cache
        return backend

    def maps(self, models, images, name='random', **options):
        with self.backend(models, name, **options) as backend:
            backend.load()
            return [head.copy() for head in backend.infer(images)]


@pytest.fixture
def machine(monkeypatch, tmp_path):
    return Machine(monkeypatch, tmp_path / 'engines')


@pytest.fixture(scope='module')
def images():
    rng = np.random.RandomState(3)
    return rng.randint(0, 256, (1, 96, 160, 3)).astype(np.uint8)


@pytest.fixture(scope='module')
def expected(models_root, images):
    with create_backend('onnxruntime', 'random', precision='fp32', threads=1,
                        models_dir=models_root / 'random') as backend:
        backend.load()
        return [head.copy() for head in backend.infer(images)]


@pytest.fixture(scope='module')
def int8(models_root, images, tmp_path_factory):
    """Return the path of an int8 file for TensorRT, and of one for ONNX Runtime."""
    network = read_network(str(models_root / 'random' / 'random' / 'weights.safetensors'))
    paths = []
    for for_tensorrt in True, False:
        paths.append(tmp_path_factory.mktemp('int8') / 'int8.onnx')
        quantize_onnx(network, [images], str(paths[-1]), for_tensorrt)
    return paths


@pytest.mark.parametrize('version', VERSIONS)
@pytest.mark.parametrize('library', LIBRARIES)
def test_boxes(machine, small_models, version, library):
    machine.set_up(version, library)
    with machine.backend(small_models) as backend:
        backend.load()
        detector = Detector(backend, backend.model_file)
        for squares in SQUARES, [], SQUARES[:1]:  # nothing of one image is left in the next
            found = detector.detect(square_image(squares))
            order = np.argsort(found.xyxy[:, 0])
            np.testing.assert_allclose(
                found.xyxy[order],
                np.reshape([[x, y, x + w, y + w] for x, y, w, _ in squares], (-1, 4)), atol=0.5)
            np.testing.assert_array_equal(found.class_id[order], [c for *_, c in squares])
        info = backend.describe()
    assert (info.name, info.version, info.device) == ('tensorrt', version, 'cuda:0')
    assert info.detail.startswith(f'Stand-in, engine made just now, {library}')
    graph = library != 'pycuda'
    assert info.detail.endswith('CUDA graph') == graph
    assert machine.gpu.launches == (4 if graph else 0)  # the first is a trial
    assert not machine.gpu.device  # all memory is given back
    assert machine.gpu.current == 0 or library == 'cuda-python'


@pytest.mark.parametrize('version', VERSIONS)
def test_the_stand_in_has_the_names_of_its_version_only(version):
    trt = make_tensorrt(version, CudaStandin())
    old, strongly_typed = version == '8.2.1', version == '11.1.0'
    engine, context = trt.ICudaEngine(), trt.IExecutionContext()
    engine._tensors, context._addresses = [], {}
    assert hasattr(engine, 'num_io_tensors') != old
    assert hasattr(engine, 'num_bindings') == version.startswith('8.')
    assert hasattr(context, 'execute_async_v3') != old
    assert hasattr(context, 'execute_async_v2') == version.startswith('8.')
    assert hasattr(trt.IBuilderConfig(), 'max_workspace_size') == version.startswith('8.')
    assert hasattr(trt.IBuilderConfig(), 'set_memory_pool_limit') != old
    assert hasattr(trt.BuilderFlag, 'FP16') != strongly_typed
    assert hasattr(trt.DataType, 'UINT8') != old
    with pytest.raises(AttributeError, match=r'IBuilderConfig of TensorRT .* has no colour'):
        trt.IBuilderConfig().colour = 'red'


def test_the_stand_in_of_11_has_the_names_that_tensorrt_rtx_really_has():
    real = importlib.import_module('tensorrt_rtx')
    trt = make_tensorrt('11.1.0', CudaStandin())
    for name in ('Builder', 'IBuilderConfig', 'Runtime', 'ICudaEngine', 'IExecutionContext',
                 'OnnxParser', 'ParserError'):
        cls = getattr(tensorrt_standin, '_' + name.lstrip('I'), None) or getattr(trt, name)
        used = {member for member in vars(cls) if not member.startswith('_')} - {'real_name'}
        used &= tensorrt_standin.API['11.1.0'][name]
        # which full TensorRT alone has: a timing cache is of no use without timing
        missing = used - set(dir(getattr(real, name)))
        assert not missing, (name, missing)
        assert used, name


@pytest.mark.parametrize('version', VERSIONS)
@pytest.mark.parametrize(('precision', 'flags', 'error'), [
    ('fp32', [], 1e-6), ('fp16', ['FP16'], 0.02), ('int8', ['FP16', 'INT8'], 1.0)])
def test_precision(machine, random_models, int8, images, expected, version, precision, flags,
                   error):
    machine.set_up(version)
    if precision == 'int8':
        found = machine.maps(None, images, str(int8[0]), precision='int8')
    else:
        found = machine.maps(random_models, images, precision=precision)
    differences = [float(np.abs(a - b).max()) for a, b in zip(expected, found)]
    assert max(differences) < error
    # up to 10 flags say what to calculate in, and the stand-in does not heed them in fp16
    strongly_typed = version == '11.1.0'
    assert machine.trt.builds == [[] if strongly_typed else flags]
    assert (max(differences) > 1e-4) == (
        precision == 'int8' or (precision == 'fp16' and strongly_typed))


@pytest.mark.parametrize('version', VERSIONS)
def test_int8_in_another_runtimes_form_is_refused(machine, int8, version):
    machine.set_up(version)
    with machine.backend(None, str(int8[1]), precision='int8') as backend, \
            pytest.raises(ModelFileError, match=r'TensorRT cannot read the model: .*INT32'):
        backend.load()


def test_a_manifest_without_int8_for_tensorrt(machine, random_models):
    machine.set_up()
    with pytest.raises(ModelFileError, match='no int8 file of format onnx-tensorrt'):
        machine.backend(random_models, 'random', precision='int8')
    assert machine.backend(random_models, 'random').precision == 'fp32'


@pytest.mark.parametrize(('gpu', 'copied'), [(NANO, True), (ORIN, False)])
@pytest.mark.parametrize('library', LIBRARIES)
def test_on_a_jetson_nothing_is_copied_to_the_gpu(machine, random_models, images, expected,
                                                  library, gpu, copied):
    machine.set_up('8.2.1', library, **gpu)
    with machine.backend(random_models, 'random') as backend:
        backend.load()
        for a, b in zip(expected, backend.infer(images)):
            np.testing.assert_allclose(b, a, atol=1e-5)
            # a Nano's CPU reads shared memory slowly, and the decoder reads it several times
            assert any(np.shares_memory(b, head) for head in backend._runner.outputs) != copied
        assert 'zero copy' in backend.describe().detail
    assert machine.gpu.copies == 0
    assert not machine.gpu.device


def test_a_nano_has_no_int8(machine, int8):
    machine.set_up('8.2.1', **NANO)
    with machine.backend(None, str(int8[0]), precision='int8') as backend, \
            pytest.raises(UnsupportedError, match='Tegra X1 has no int8 arithmetic; ask for fp16'):
        backend.load()


@pytest.mark.parametrize('gpu', [NANO, ORIN])
@pytest.mark.parametrize('precision', ['fp32', 'fp16'])
def test_an_own_file_is_taken_in_the_precision_that_it_has(
        machine, random_models, tmp_path, images, expected, gpu, precision):
    machine.set_up('8.2.1', **gpu)
    network = read_network(str(random_models / 'random' / 'weights.safetensors'))
    path = tmp_path / 'own.onnx'
    save_onnx(build_onnx(network, precision=precision), str(path))
    with machine.backend(None, str(path)) as backend:
        backend.load()
        assert backend.precision == precision
        for a, b in zip(expected, backend.infer(images)):
            np.testing.assert_allclose(a, b, atol=0.02)


def test_an_engine_is_built_once(machine, random_models, images, expected):
    machine.set_up()
    for detail in 'engine made just now', 'engine from the cache', 'engine from the cache':
        with machine.backend(random_models, 'random') as backend:
            backend.load()
            assert detail in backend.describe().detail
            np.testing.assert_allclose(backend.infer(images)[0], expected[0], atol=1e-5)
    assert len(machine.trt.builds) == 1


@pytest.mark.parametrize(('change', 'options'), [
    ({'name': 'Another GPU'}, {}), ({'compute_capability': (8, 9)}, {}),
    ({'version': '10.0.0'}, {}), ({}, {'precision': 'fp16'}), ({}, {'input_wh': (192, 128)}),
    ({}, {'batch': 2}),
])
def test_what_an_engine_depends_on(machine, random_models, change, options):
    for setting in ({}, {}), (change, options):
        machine.set_up(**setting[0])
        with machine.backend(random_models, 'random', **setting[1]) as backend:
            backend.load()
            assert 'made just now' in backend.describe().detail
            assert backend.infer(np.zeros(backend.input_shape, np.uint8))[0].any()


def test_other_weights_give_another_engine(machine, random_models, tmp_path):
    from helpers import write_random_model
    machine.set_up()
    other = write_random_model(tmp_path / 'other', seed=1)  # its ONNX file says the same
    for folder in random_models, other:
        with machine.backend(folder, 'random') as backend:
            backend.load()
    assert len(machine.trt.builds) == 2



@pytest.mark.parametrize(('damage', 'why'), [
    ('short', 'its hash is wrong'), ('empty', 'its hash is wrong'), ('changed', 'its hash is'),
    ('sidecar', 'json is damaged'), ('no sidecar', ''), ('other key', 'made of something else'),
])
def test_a_damaged_engine_is_built_again(machine, random_models, images, expected, tmp_path,
                                         damage, why):
    machine.set_up()
    machine.maps(random_models, images)
    path = next((tmp_path / 'engines').glob('*.engine'))
    sidecar = path.with_name(path.name + '.json')
    content = path.read_bytes()
    if damage == 'short':
        path.write_bytes(content[:-100])
    elif damage == 'empty':
        path.write_bytes(b'')
    elif damage == 'changed':
        path.write_bytes(content[:-1] + b'?')
    elif damage == 'sidecar':
        sidecar.write_text(sidecar.read_text()[:20])
    elif damage == 'no sidecar':
        sidecar.unlink()
    else:
        sidecar.write_text(sidecar.read_text().replace('Stand-in', 'Stand-out'))
    with machine.backend(random_models, 'random') as backend:
        backend.load()
        np.testing.assert_allclose(backend.infer(images)[0], expected[0], atol=1e-5)
        assert why in backend.describe().detail
    assert len(machine.trt.builds) == 2
    machine.maps(random_models, images)
    assert len(machine.trt.builds) == 2  # what was built again is kept


def test_a_whole_engine_that_tensorrt_refuses_is_built_again(machine, random_models, images):
    machine.set_up()
    backend = machine.backend(random_models, 'random')
    source = backend._source(machine.trt, machine.gpu.gpu)
    machine.cache.write(source.name, source.key, b'from another driver')
    machine.maps(random_models, images)
    assert len(machine.trt.builds) == 1


def test_timings_are_kept_for_the_next_build(machine, random_models, small_models, images):
    machine.set_up()
    machine.maps(random_models, images)
    machine.maps(random_models, images, precision='fp16')
    key = machine.backend(random_models, 'random')._machine_key(machine.trt, machine.gpu.gpu)
    assert machine.cache.read('timing.cache', key)[0] == b'timing' * 2
    machine.cache.write('timing.cache', key, b'those of another version')
    machine.maps(small_models, images, 'small')
    assert machine.cache.read('timing.cache', key)[0] == b'timing'


@pytest.mark.parametrize('library', LIBRARIES)
def test_kernels_that_rtx_compiles_are_kept_for_the_next_start(machine, random_models, images,
                                                               expected, library):
    details = []
    for gpu in 'one', 'one', 'other', 'one':
        machine.set_up('rtx', library, name=gpu)
        with machine.backend(random_models, 'random') as backend:
            backend.load()
            found = backend.infer(images)
            assert max(float(np.abs(a - b).max()) for a, b in zip(expected, found)) < 1e-6
            assert len(machine.trt.builds) == (not details)  # one engine for all
            details.append((backend.describe().detail.rpartition(', ')[2], machine.trt.compiled))
    cold, warm = ('kernels compiled just now', 1), ('kernels from the cache', 0)
    assert details == [cold, warm, cold, warm]


def test_kernels_that_do_not_fit_are_compiled_again(machine, random_models, images, expected):
    machine.set_up('rtx')
    machine.maps(random_models, images)
    kept, = Path(machine.cache.folder).glob('*.kernels')
    key = json.loads(kept.with_name(kept.name + '.json').read_text())['key']
    machine.cache.write('random.kernels', key, b'of another driver')
    machine.set_up('rtx')
    assert machine.maps(random_models, images)[0] == pytest.approx(expected[0], abs=1e-6)
    assert machine.trt.compiled == 1
    assert machine.cache.read('random.kernels', key)[0] == b'kernels for Stand-in'


def test_without_a_cache_folder_it_runs_and_says_so(machine, random_models, images, tmp_path):
    (tmp_path / 'file').write_text('in the way')
    machine.set_up()
    machine.cache = BuildCache(tmp_path / 'file' / 'engines')
    with machine.backend(random_models, 'random') as backend:
        backend.load()
        assert backend.infer(images)[0].any()
        assert 'made just now and not kept, since' in backend.describe().detail
    with pytest.raises(BackendError, match='the engine was not kept'):
        machine.backend(random_models, 'random').build()


def test_build_only(machine, small_models):
    machine.set_up()
    told = []
    backend = machine.backend(small_models)
    backend.on_progress = told.append
    path = backend.build()
    assert path.startswith(machine.cache.folder)
    assert told == ['building the tensorrt engine of small in fp32, which is done once']
    assert machine.backend(small_models).build() == path
    assert len(machine.trt.builds) == 1
    assert not machine.gpu.streams  # no memory of the GPU was asked for


@pytest.mark.parametrize('library', LIBRARIES)
@pytest.mark.parametrize('work', ['build', 'load'])
def test_the_second_gpu(machine, small_models, library, work):
    machine.set_up(library=library)
    with machine.backend(small_models, device='cuda:1') as backend:
        getattr(backend, work)()
        if work == 'load':
            assert backend.describe().device == 'cuda:1'
    assert machine.gpu.used == {1}
    assert machine.trt.built_on == [1]


@pytest.mark.parametrize(('failure', 'error', 'match'), [
    ('build', DeviceError, 'could not build the engine: .*OutOfMemory'),
    ('context', DeviceError, 'memory of the GPU is probably full'),
    ('execute', BackendError, 'could not run the engine: the stand-in was told to fail'),
])
@pytest.mark.parametrize('version', ['8.2.1', '11.1.0'])
def test_what_fails_is_named_and_leaves_nothing(machine, small_models, version, failure, error,
                                                match):
    machine.set_up(version)
    machine.trt.fail.add(failure)
    backend = machine.backend(small_models)
    with pytest.raises(error, match=match):
        backend.load()  # which tries a run
    assert not backend.loaded
    assert not machine.gpu.device
    assert not machine.gpu.streams
    machine.trt.fail.clear()
    assert len(machine.maps(small_models, np.zeros((1, 96, 160, 3), np.uint8), 'small')) == 3


@pytest.mark.parametrize('library', LIBRARIES)
def test_a_full_gpu(machine, small_models, library):
    machine.set_up(library=library)
    machine.gpu.memory_left = 50000  # the image fits, the maps do not
    backend = machine.backend(small_models)
    with pytest.raises(DeviceError, match='out of memory'):
        backend.load()
    assert not backend.loaded


def test_a_network_that_cannot_be_recorded_runs_without_a_graph(machine, random_models, images,
                                                                expected):
    machine.set_up()
    machine.gpu.can_record = False
    with machine.backend(random_models, 'random') as backend:
        backend.load()
        np.testing.assert_allclose(backend.infer(images)[0], expected[0], atol=1e-5)
        assert 'CUDA graph' not in backend.describe().detail


def test_maps_outlive_the_backend(machine, random_models, images, expected):
    machine.set_up()
    with machine.backend(random_models, 'random') as backend:
        backend.load()
        maps = backend.infer(images)
    assert machine.gpu.host
    np.testing.assert_allclose(maps[0], expected[0], atol=1e-5)
    del maps, backend
    assert not machine.gpu.host  # given back with the last reference


def test_without_a_library_for_memory(machine, small_models, monkeypatch):
    machine.set_up()
    for module in 'cuda', 'cuda.bindings', 'pycuda', 'pycuda.driver', 'torch':
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BackendMissing, match=r'install cuda-python, .* or pycuda, or torch'):
        machine.backend(small_models).load()


def test_a_library_for_memory_that_does_not_suit_the_driver_is_passed_by(machine, small_models,
                                                                      monkeypatch):
    machine.set_up(library='pycuda')
    cuda_standin.restore_cuda_python(monkeypatch)  # the real one, and there is no driver
    with machine.backend(small_models) as backend:
        backend.load()
        assert ', pycuda' in backend.describe().detail
    monkeypatch.setitem(sys.modules, 'pycuda.driver', None)
    with pytest.raises(DeviceError, match=r'cuda-python: cudaSetDevice on Stand-in: .*; .*'):
        machine.backend(small_models).load()


def test_a_gpu_that_fails_while_all_is_given_back_does_not_hide_why(machine, small_models,
                                                                    monkeypatch):
    machine.set_up()
    machine.trt.fail.add('context')
    runtime = importlib.import_module('cuda.bindings.runtime')
    freed = []
    monkeypatch.setattr(runtime, 'cudaStreamDestroy', lambda stream: freed.append(stream) or (
        runtime.cudaError_t.cudaErrorIllegalAddress,))
    backend = machine.backend(small_models)
    with pytest.raises(DeviceError, match='memory of the GPU is probably full'):
        backend.load()
    assert len(freed) == 1
    backend.close()  # there is nothing left to be closed
    assert len(freed) == 1


@pytest.mark.parametrize(('capability', 'precision'), [
    ((5, 3), 'fp32'),  # Jetson Nano
    ((6, 1), 'int8'),
    ((6, 2), 'fp32'),  # Jetson TX2
    ((7, 2), 'int8'), ((8, 7), 'int8'),
])
def test_auto_takes_int8_where_the_gpu_has_it(machine, small_models, tmp_path, capability,
                                              precision):
    machine.set_up(compute_capability=capability)
    folder = with_int8(tmp_path / 'models', small_models, {'map50_fp32': 0.9, 'map50': 0.9})
    manifest = folder / 'manifest.yaml'
    content = yaml.safe_load(manifest.read_text())
    content['models']['small']['files'][-1]['format'] = 'onnx-tensorrt'
    manifest.write_text(yaml.safe_dump(content))
    assert machine.backend(folder).precision == precision


@pytest.mark.parametrize('device', ['cpu', 'cuda:one', 'toaster'])
def test_devices_that_it_does_not_know(machine, small_models, device):
    machine.set_up()
    with pytest.raises(UnsupportedError, match='TensorRT runs on cuda'):
        machine.backend(small_models, device=device).load()


def test_labels_that_do_not_fit_are_refused(machine, small_models):
    machine.set_up()
    backend = machine.backend(small_models)
    backend.model_file = backend.model_file._replace(labels=['one', 'two'])
    with pytest.raises(ModelFileError, match='2 labels and input 160 x 96 need head maps'):
        backend.load()
    assert not machine.gpu.device


@pytest.mark.parametrize('damage', ['short', 'foreign', 'empty', 'no weights'])
def test_a_damaged_model_file_is_refused(machine, small_models, tmp_path, damage):
    machine.set_up()
    shutil.copytree(str(small_models), str(tmp_path / 'models'))
    backend = machine.backend(tmp_path / 'models')
    path = tmp_path / 'models' / 'small' / 'fp32.onnx'
    if damage == 'no weights':
        path.with_name('weights.safetensors').unlink()
    else:
        content = path.read_bytes()
        path.write_bytes({'short': content[:1500], 'foreign': b'not a model at all' * 20,
                          'empty': b''}[damage])
    with pytest.raises(ModelFileError, match=r'weights.safetensors' if damage == 'no weights'
                       else r'fp32.onnx'):
        backend.load()
    assert not (tmp_path / 'engines').exists()


def test_without_a_driver_nothing_is_imported_that_could_crash(small_models, monkeypatch):
    trt = make_tensorrt('11.1.0', CudaStandin())
    monkeypatch.setitem(sys.modules, 'tensorrt', trt)
    monkeypatch.setattr(nvidia_driver.ctypes, 'CDLL', no_library)
    monkeypatch.setattr(tensorrt, 'open_device_memory', None)
    backend = create_backend('tensorrt', 'small', models_dir=small_models)
    for work in backend.load, backend.build:
        with pytest.raises(DeviceError, match="NVIDIA's driver is not installed"):
            work()


def no_library(name):
    raise OSError(f'{name}: cannot open shared object file')


def test_progress_is_told_while_a_build_goes_on():
    told, go_on = [], threading.Event()

    def on_progress(text):
        told.append(text)
        if len(told) == 3:
            go_on.set()
    assert call_with_progress(
        lambda cancelled: go_on.wait(60), on_progress, 'building', 0.001) is True
    assert told[0] == 'building'
    assert told[1].startswith('building: 0 s')


def test_what_a_build_raises_comes_through():
    def build(cancelled):
        raise DeviceError('no memory')
    with pytest.raises(DeviceError, match='no memory'):
        call_with_progress(build, lambda text: None, 'building')


def test_ctrl_c_stops_a_build():
    stopped = []

    def build(cancelled):
        stopped.append(cancelled.wait(60))

    def on_progress(text):
        if text != 'building':
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        call_with_progress(build, on_progress, 'building', 0.001)
    assert stopped == [True]


def test_the_sidecar_says_what_the_engine_depends_on(machine, random_models, images, tmp_path):
    machine.set_up('10.0.0')
    machine.maps(random_models, images)
    path = next((tmp_path / 'engines').glob('*.engine.json'))
    key = json.loads(path.read_text())['key']
    assert key.pop('model')
    assert key == {
        'tensorrt': 'tensorrt 10.0.0', 'gpu': 'Stand-in', 'compute_capability': [8, 7],
        'precision': 'fp32', 'input_shape': [1, 96, 160, 3], 'settings': SETTINGS}

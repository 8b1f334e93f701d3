# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import copy
import os
import pickle
import sys
import zipfile

import numpy as np
import pytest
import torch

from tsr_ros.yolov7.checkpoint import CheckpointError, load_weights
from tsr_ros.yolov7.inert_pickle import InertReader
from tsr_ros.yolov7.official import import_checkpoint

NAMES = ['no entry', 'stop', 'light']


@pytest.mark.parametrize(
    ('architecture', 'head', 'deployed', 'half', 'ema', 'protocol'),
    [
        ('yolov7-tiny', 'IDetect', False, True, True, 2),
        ('yolov7-tiny', 'IDetect', True, False, False, 2),
        ('yolov7-tiny', 'Detect', False, False, True, 4),
        ('yolov7', 'IDetect', False, True, True, 2),
        ('yolov7', 'IDetect', True, True, False, 4),
    ],
)
def test_the_imported_network_gives_the_same_maps(
    official_form, tmp_path, architecture, head, deployed, half, ema, protocol
):
    model = official_form.build(architecture, NAMES, getattr(official_form, head))
    if deployed:
        official_form.deploy(model)
    if half:
        model.half().float()  # what the file holds
    path, out = tmp_path / 'w.pt', tmp_path / 'w.safetensors'
    official_form.save(path, model, half, ema, pickle_protocol=protocol)
    assert 'models.common' not in sys.modules

    import_checkpoint(path, out)

    network, image = load_weights(out), torch.rand(1, 3, 64, 96)
    assert network.labels == NAMES
    assert network.anchors.view(3, 6).tolist() == official_form.ANCHORS[architecture]
    with torch.no_grad():
        for expected, result in zip(model(image), network(image), strict=True):
            assert expected.abs().max() > 0.1
            assert (expected - result).abs().max() < 1e-4


def test_another_epsilon_and_numpy_records_are_understood(official_form, tmp_path):
    model = official_form.build('yolov7-tiny', NAMES)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = 1e-5
    model.names = dict(enumerate(NAMES))
    model.fitness = np.array([0.5])
    model.best = np.float64(0.25)
    path, out = tmp_path / 'w.pt', tmp_path / 'w.safetensors'
    official_form.save(path, model, half=False)
    import_checkpoint(path, out)
    network, image = load_weights(out), torch.rand(1, 3, 32, 32)
    assert network.labels == NAMES
    with torch.no_grad():
        for expected, result in zip(model(image), network(image)):
            assert (expected - result).abs().max() < 1e-4


class Runs:
    """Pickled, a call of any function."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def hostile(official_form, path, thing):
    """Write an official checkpoint with one thing more in it."""
    model = official_form.build('yolov7-tiny', NAMES)
    model.model[0].forward = thing
    with official_form.official_names():
        torch.save({'model': model, 'ema': None}, path)


@pytest.mark.parametrize(
    ('make', 'name'),
    [
        (lambda mark: Runs(os.system, f'touch {mark}'), 'posix.system'),
        (lambda mark: Runs(eval, f'open({str(mark)!r}, "w")'), 'eval'),
        (lambda mark: Runs(open, str(mark), 'w'), 'open'),
        (lambda mark: Runs(getattr, Runs(os.getcwd), 'upper'), 'posix.getcwd'),
        (lambda mark: Runs(getattr, {}, 'clear'), 'has a method of its own'),
        (lambda mark: Runs(np.load, str(mark)), 'numpy.load'),
        (lambda mark: Runs(torch.load, str(mark)), 'torch.serialization.load'),
        (lambda mark: Runs(pickle.loads, b'cos\nsystem\n.'), 'loads'),
    ],
)
def test_a_hostile_file_leaves_no_trace(official_form, tmp_path, make, name):
    path, out, mark = tmp_path / 'w.pt', tmp_path / 'w.safetensors', tmp_path / 'mark'
    hostile(official_form, path, make(mark))
    before = set(sys.modules)
    with pytest.raises(CheckpointError, match=name):
        import_checkpoint(path, out)
    assert sorted(p.name for p in tmp_path.iterdir()) == ['w.pt']
    assert set(sys.modules) == before


def rewrite(path, out, change):
    """Copy a zip file, each entry through `change(name, data)`; None leaves it out."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, 'w') as new:
        for name in old.namelist():
            data = change(name, old.read(name))
            if data is not None:
                new.writestr(name, data)


def other_activation(model, form):
    model.model[3].act = torch.nn.SiLU()


def other_input(model, form):
    model.model[3].f = -1


def other_layer(model, form):
    model.model[8] = form.SP(5)
    model.model[8].i, model.model[8].f = 8, -1


def one_layer_less(model, form):
    del model.model[0]


def other_shape(model, form):
    model.model[0].conv = torch.nn.Conv2d(3, 16, 3, 2, 1, bias=False)


def other_method(model, form):
    model.model[0].forward = model.model[1].fuseforward


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (other_activation, 'layer 3, models.common.Conv: its activation is silu'),
        (other_input, 'layer 3, models.common.Conv: conv of'),
        (other_layer, 'layer 8, models.common.SP'),
        (one_layer_less, 'a model of 77 layers'),
        (other_method, 'models.common.Conv has a method of its own'),
        (other_shape, r'layer 0, models.common.Conv: a tensor of shape \(16, 3, 3, 3\)'),
    ],
)
def test_a_variant_is_refused_with_its_layer(official_form, tmp_path, change, message):
    model = official_form.build('yolov7-tiny', NAMES)
    change(model, official_form)
    path, out = tmp_path / 'w.pt', tmp_path / 'w.safetensors'
    official_form.save(path, model)
    with pytest.raises(CheckpointError, match=message):
        import_checkpoint(path, out)
    assert not out.exists()


def test_damaged_files_are_named(official_form, tmp_path):
    path, broken, out = tmp_path / 'w.pt', tmp_path / 'b.pt', tmp_path / 'w.safetensors'
    official_form.save(path, official_form.build('yolov7-tiny', NAMES), ema=False)
    cases = [
        (lambda name, data: None if name.endswith('data/0') else data, 'data/0 is missing'),
        (lambda name, data: data[:-9] if name.endswith('data/0') else data, 'leaves its storage'),
        (lambda name, data: data[:-9] if name.endswith('.pkl') else data, 'damaged pickle'),
        (lambda name, data: None if name.endswith('.pkl') else data, '0 entries data.pkl'),
    ]
    for change, message in cases:
        rewrite(path, broken, change)
        with pytest.raises(CheckpointError, match=message):
            import_checkpoint(broken, out)
    broken.write_bytes(pickle.dumps({'model': copy.copy(NAMES)}))
    with pytest.raises(CheckpointError, match=r'b\.pt: not a zip file'):
        import_checkpoint(broken, out)
    torch.save({'model': {'a': torch.zeros(1)}}, broken)
    with pytest.raises(CheckpointError, match='no whole model'):
        import_checkpoint(broken, out)
    with pytest.raises(CheckpointError, match='nothing_here'):
        import_checkpoint(tmp_path / 'nothing_here.pt', out)
    assert not out.exists()


def set_bytes(data, signature, place, values):
    """Return a zip file with bytes changed in its local (PK34) or central (PK12) header."""
    start = data.index(signature) + place
    return data[:start] + values + data[start + len(values):]


LOCAL, CENTRAL = b'PK\x03\x04', b'PK\x01\x02'


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ([(CENTRAL, 8, b'\1'), (LOCAL, 6, b'\1')], r'w/data\.pkl cannot be read: .*encrypted'),
        ([(CENTRAL, 6, b'\xff')], 'not a zip file as torch.save writes it'),  # a version to come
        ([(CENTRAL, 8, b'\0\x08'), (CENTRAL, 46, b'\xff')], 'not a zip file'),  # no UTF-8
        ([(CENTRAL, 10, b'\x08')], r'w/data\.pkl is compressed'),
        ([(CENTRAL, 16, b'\0\0\0\0')], r'w/data\.pkl cannot be read: Bad CRC'),
        ([(LOCAL, 0, b'XX')], r'w/data\.pkl cannot be read: Bad magic number'),
    ],
)
def test_damaged_and_encrypted_zip_files_are_named(tmp_path, changes, message):
    path = tmp_path / 'w.pt'
    with zipfile.ZipFile(path, 'w') as file:
        file.writestr('w/data.pkl', b'\x80\x02N.')
    data = path.read_bytes()
    for change in changes:
        data = set_bytes(data, *change)
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=message):
        import_checkpoint(path, tmp_path / 'w.safetensors')


@pytest.mark.parametrize(
    ('value', 'dtype', 'message'),
    [
        (float('nan'), torch.float32, r'w\.pt: body\.3\.conv\.bias has values that are no finite'),
        (float('inf'), torch.float16, 'has values that are no finite numbers'),
        (70000.0, torch.float16, 'bias has values above 65504: store 32 bits, not 16'),
    ],
)
def test_weights_that_cannot_be_stored_are_refused(
    official_form, tmp_path, value, dtype, message
):
    model = official_form.build('yolov7-tiny', NAMES)
    model.model[3].bn.bias.data[5] = value
    path, out = tmp_path / 'w.pt', tmp_path / 'w.safetensors'
    official_form.save(path, model, half=False, ema=False)
    with pytest.raises(CheckpointError, match=message):
        import_checkpoint(path, out, dtype=dtype)
    assert not out.exists()


BEGIN = b'\x80\x02'  # PROTO 2
DOUBLED = b')' + b'q\x01h\x01\x86' * 40  # a tuple of twice the one before: 2^40 in 160 bytes
NESTED = b')' + b'\x85' * 2_000_000
SET, ORDERED = b'c__builtin__\nset\n', b'ccollections\nOrderedDict\n'
PLACE = 'a tuple as a key'


@pytest.mark.parametrize(
    ('instructions', 'message'),
    [
        # where a value would be hashed
        (b'}' + DOUBLED + b'Ns', PLACE),
        (b'}' + NESTED + b'Ns', PLACE),
        (b'}(K\x01N' + DOUBLED + b'Nu', PLACE),
        (b'\x8f(' + DOUBLED + b'\x90', PLACE),
        (SET + b']' + DOUBLED + b'a\x85R', PLACE),
        (ORDERED + b']' + DOUBLED + b'N\x86a\x85R', PLACE),
        # where it would be shown
        (DOUBLED + b'Q', 'a tuple is not the identifier of a storage'),
        (NESTED + b'Q', 'a tuple is not the identifier of a storage'),
        (DOUBLED + DOUBLED + b'\x93', 'a tuple in a tuple is no name'),
        (b'X\x02\x00\x00\x00os' + DOUBLED + b'\x93', "a tuple in a 'os' is no name"),
        # integers of one hash
        (b'\x8a\x09' + b'\xff' * 8 + b'\x7f', 'an integer of more than 64 bits'),
        # a call that a file can repeat at 5 bytes each
        (SET + DOUBLED + b'\x85R', 'a set of anything but a list'),
    ],
)
def test_a_small_file_takes_no_long_time(tmp_path, instructions, message):
    path = tmp_path / 'w.pt'
    with zipfile.ZipFile(path, 'w') as file:
        file.writestr('w/data.pkl', BEGIN + instructions + b'.')
    with pytest.raises(CheckpointError, match=message) as caught:
        import_checkpoint(path, tmp_path / 'w.safetensors')
    assert len(str(caught.value)) < 300


def test_a_list_is_used_up_by_the_container_made_of_it():
    # else 5 bytes more would go through all of it again, and again
    twice = SET + b'q\x00]K\x07aq\x01\x85Rh\x00h\x01\x85R\x86.'
    assert InertReader((), resolve=None).read(BEGIN + twice) == ({7}, set())


def doubled():
    value = ()
    for _ in range(40):
        value = value, value
    return value


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda model: setattr(model, 'names', doubled()), 'class names are no list of 3'),
        (lambda model: setattr(model, 'names', [doubled()] * 3), 'a text, not tuple'),
        (lambda model: setattr(model.model[-1], 'nc', doubled()), 'a model of tuple classes'),
        (lambda model: setattr(model.model[1], 'f', doubled()), 'its input tuple is no earlier'),
        (lambda model: setattr(model.model[0].act, 'negative_slope', doubled()), 'leaky_relu:tup'),
        (lambda model: setattr(model.model[8].m, 'kernel_size', doubled()), 'window of tuple'),
        (lambda model: setattr(model.model[0].conv, '_parameters', 3), 'has no _parameters'),
        (lambda model: setattr(model.model[-1], '_buffers', None), 'IDetect has no _buffers'),
        (lambda model: model.model._modules.update({'5': None}), r'Sequential\.5 is None'),
        (lambda model: model.model[-1].anchor_grid[1, 0, 2].fill_(np.nan), 'anchor .* no size'),
        (lambda model: model.model[-1].anchor_grid[0, 0, 0].neg_(), 'anchor .* no size'),
    ],
)
def test_values_of_another_form_are_refused(official_form, tmp_path, change, message):
    model = official_form.build('yolov7-tiny', NAMES)
    change(model)
    path = tmp_path / 'w.pt'
    with official_form.official_names():
        torch.save({'model': model}, path)
    with pytest.raises(CheckpointError, match=message):
        import_checkpoint(path, tmp_path / 'w.safetensors')

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import hashlib
import os
from typing import NamedTuple

import yaml

from .base import ModelFileError
from .model_metadata import check_description, read_metadata

FILE_NAME = 'manifest.yaml'
FORMATS = ('torch', 'onnx', 'onnx-tensorrt', 'openvino', 'tflite')
_SUFFIXES = {'.safetensors': 'torch', '.onnx': 'onnx', '.xml': 'openvino', '.tflite': 'tflite'}
MAX_LOSS = 0.01  # of mAP at IoU 0.5, that 'auto' accepts for a smaller precision


class FileEntry(NamedTuple):
    """One file of a model, as the manifest names it."""

    format: str
    precision: str
    path: str  # relative to the manifest
    sha256: str
    bytes: int
    data: tuple  # of (path, sha256): further files that this one reads
    scores: dict


class ModelEntry(NamedTuple):
    """One model of the manifest."""

    name: str
    architecture: str
    input_wh: tuple
    labels: list
    anchors: list
    strides: list
    licence: str
    scores: dict
    files: tuple
    folder: str
    data: str = ''


class ModelFile(NamedTuple):
    """A model file that was checked, with what is needed to read its head maps."""

    name: str
    format: str
    precision: str
    path: str
    sha256: str
    input_wh: tuple
    labels: list
    anchors: list
    strides: list


class Manifest:
    """The models of a folder, as its manifest.yaml names them."""

    def __init__(self, folder, models, default):
        self.folder = folder
        self.models = models
        self.default = default

    @classmethod
    def read(cls, folder):
        """Read folder/manifest.yaml; raises ModelFileError where it is missing or not right."""
        path = os.path.join(str(folder), FILE_NAME)
        try:
            with open(path, encoding='utf-8') as file:
                content = yaml.safe_load(file)
            if content['version'] != 1:
                raise ValueError('version {} is not known'.format(content['version']))
            models = {
                name: _model_entry(name, entry, str(folder))
                for name, entry in content['models'].items()
            }
            return cls(str(folder), models, content.get('default'))
        except OSError as error:
            raise ModelFileError('{} cannot be read: {}'.format(path, error.strerror))
        except (KeyError, TypeError, ValueError, AttributeError, yaml.YAMLError) as error:
            raise ModelFileError('{} is not a model manifest: {!r}'.format(path, error))

    def model(self, name):
        """Return a model's entry."""
        if name not in self.models:
            raise ModelFileError('{} names no model {!r}; it has {}'.format(
                os.path.join(self.folder, FILE_NAME), name, ', '.join(self.models) or 'none'))
        return self.models[name]


def _model_entry(name, entry, folder):
    files = tuple(
        FileEntry(
            file['format'], file['precision'], file['path'], file['sha256'], file['bytes'],
            tuple((data['path'], data['sha256']) for data in file.get('data', ())),
            file.get('scores') or {})
        for file in entry['files'])
    for file in files:
        if file.format not in FORMATS:
            raise ValueError('format {!r} of {} is not known'.format(file.format, file.path))
        texts = (file.precision, file.path, file.sha256) + sum(file.data, ())
        if not all(isinstance(text, str) for text in texts):
            raise ValueError('precision, path and sha256 of {!r} are texts'.format(file.path))
        if not isinstance(file.bytes, int) or not isinstance(file.scores, dict):
            raise ValueError('{}: bytes are a number, scores have names'.format(file.path))
    try:
        check_description(entry)
    except ValueError as error:
        raise ValueError('{}: {}'.format(name, error))
    return ModelEntry(
        name, entry['architecture'], tuple(entry['input_wh']), entry['labels'], entry['anchors'],
        entry['strides'], entry.get('licence', ''), entry.get('scores') or {}, files, folder,
        entry.get('data', ''))


def default_models_dir():
    """Return the folder of models that came with this package, checked out or installed."""
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    while True:
        folder, child = os.path.split(folder)
        for candidate in ('models', os.path.join('share', 'tsr_ros', 'models')):
            candidate = os.path.join(folder, candidate)
            if os.path.isfile(os.path.join(candidate, FILE_NAME)):
                return candidate
        if not child:
            raise ModelFileError('no models were installed with tsr_ros; name their folder')


def find_model_file(model, formats, precision='auto'):
    """
    Return the FileEntry of a ModelEntry that suits a backend.

    `formats` is one or several, tried in order. Precision int8 needs an int8 file; fp32, fp16
    and bf16 are made of the fp32 one; 'auto' takes int8 where its measured loss of mAP is at
    most MAX_LOSS.
    """
    formats = (formats,) if isinstance(formats, str) else tuple(formats)
    stored = {
        'auto': ('int8', 'fp32'), 'int8': ('int8',), 'fp16': ('fp16', 'fp32'),
    }.get(precision, ('fp32',))
    for wanted in stored:
        for format_ in formats:
            for file in model.files:
                if (file.format, file.precision) != (format_, wanted):
                    continue
                if wanted == precision or wanted == 'fp32' or _is_good(file):
                    return file
    raise ModelFileError('{} has no {} file of format {}; it has {}'.format(
        model.name, precision if precision != 'auto' else 'fp32 or good int8',
        ' or '.join(formats),
        ', '.join('{} {}'.format(file.format, file.precision) for file in model.files)))


def accuracy_loss(file, backend=''):
    """
    Return what a file loses of the fp32 file's mAP at IoU 0.5, or None if not measured.

    Where a `backend` has a score of its own for the file, that counts.
    """
    try:
        map50 = file.scores.get('map50_' + backend, file.scores.get('map50'))
        return float(file.scores['map50_fp32']) - float(map50)
    except (KeyError, TypeError, ValueError):
        return None


def _is_good(file):
    loss = accuracy_loss(file)
    return loss is not None and loss <= MAX_LOSS


def open_model(model, formats, precision='auto', models_dir=None):
    """
    Return the checked ModelFile of a model for a backend.

    `model` is a name in the manifest, '' for its default, or the path of the user's own file,
    which describes itself (see model_metadata.py). `formats` is a format or several in order.
    """
    formats = (formats,) if isinstance(formats, str) else tuple(formats)
    model = str(model)
    if is_own_file(model):
        return _open_own_file(model, formats, precision)
    manifest = Manifest.read(models_dir or default_models_dir())
    entry = manifest.model(model or manifest.default)
    file = find_model_file(entry, formats, precision)
    for path, sha256 in ((file.path, file.sha256),) + file.data:
        check_sha256(os.path.join(entry.folder, path), sha256)
    return ModelFile(
        entry.name, file.format, file.precision, os.path.join(entry.folder, file.path),
        file.sha256, entry.input_wh, entry.labels, entry.anchors, entry.strides)


def is_own_file(model):
    """Tell whether a model is named by the path of a file, not as the manifest does."""
    return os.path.splitext(str(model))[1] in _SUFFIXES


def _open_own_file(path, formats, precision):
    format_ = _SUFFIXES[os.path.splitext(path)[1]]
    # which of the forms of ONNX a file has, only its reader finds out
    if format_ not in {name.partition('-')[0] for name in formats}:
        raise ModelFileError('{} is of format {}, but {} is needed'.format(
            path, format_, ' or '.join(formats)))
    sha256 = file_sha256(path)
    metadata = read_metadata(path)
    stored = metadata.get('precision', 'fp32')
    if precision == 'int8' and stored != 'int8':
        raise ModelFileError('{} is not an int8 file'.format(path))
    if stored != 'fp32' and precision not in ('auto', stored):
        raise ModelFileError('{0} is an {1} file, of which no {2} one can be made: ask for {1}, '
                             'or export it in {2}'.format(path, stored, precision))
    return ModelFile(
        os.path.splitext(os.path.basename(path))[0], format_, stored, path, sha256,
        tuple(metadata['input_wh']), metadata['labels'], metadata['anchors'], metadata['strides'])


def file_sha256(path):
    """Return the hash of a file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    try:
        with open(path, 'rb') as file:
            for block in iter(lambda: file.read(1 << 20), b''):
                digest.update(block)
    except OSError as error:
        raise ModelFileError('model file {} cannot be read: {}'.format(path, error.strerror))
    return digest.hexdigest()


def check_sha256(path, expected):
    """Refuse a file that is not the one whose hash is expected."""
    found = file_sha256(path)
    if found != expected:
        raise ModelFileError('{} is not the file that the manifest names: its sha256 is {}, not {}'
                             .format(path, found, expected))

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The zip file that torch.save writes, read as data: a pickle and the storages of its tensors."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Collection
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tsr_ros.yolov7.inert_pickle import InertReader, Name, PickleRefusedError, Record, describe

STORAGES = {
    'torch.FloatStorage': torch.float32,
    'torch.HalfStorage': torch.float16,
    'torch.BFloat16Storage': torch.bfloat16,
    'torch.DoubleStorage': torch.float64,
    'torch.LongStorage': torch.int64,
    'torch.IntStorage': torch.int32,
    'torch.ShortStorage': torch.int16,
    'torch.CharStorage': torch.int8,
    'torch.ByteStorage': torch.uint8,
    'torch.BoolStorage': torch.bool,
}
REBUILD_TENSOR = 'torch._utils._rebuild_tensor_v2'
REBUILD_PARAMETER = 'torch._utils._rebuild_parameter'
ARCHIVE_NAMES = frozenset(
    (
        *STORAGES,
        REBUILD_TENSOR,
        REBUILD_PARAMETER,
        'torch.Size',
        'torch.device',
        *(f'torch.{kind}' for kind in ('float16', 'float32', 'float64', 'bfloat16', 'int64')),
    )
)
LARGEST_PICKLE = 64 * 2**20  # bytes; that of an official file is below 1 MB
LARGEST_ENTRY = 4 * 2**30
# what zipfile raises for files that are damaged, encrypted or of a later version of the format
DAMAGED = (
    zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError, struct.error, ValueError,
    OverflowError,
)


class Storage(NamedTuple):
    """The external data a pickle refers to."""

    key: str
    dtype: torch.dtype
    count: int


class TorchArchive:
    """
    A file of torch.save (the zip form of PyTorch 1.6 and later).

    :param names: classes and functions that may occur in the pickle besides those of tensors
    :raises PickleRefusedError: for a file of another form or one that holds anything else
    """

    def __init__(self, path: str | os.PathLike[str], names: Collection[str]) -> None:
        try:
            self.file = zipfile.ZipFile(path)
        except DAMAGED:
            raise PickleRefusedError(
                f'{path}: not a zip file as torch.save writes it since PyTorch 1.6'
            ) from None
        pickles = [name for name in self.file.namelist() if name.endswith('/data.pkl')]
        if len(pickles) != 1:
            raise PickleRefusedError(f'{path}: {len(pickles)} entries data.pkl, expected one')
        self.prefix = pickles[0].removesuffix('data.pkl')
        reader = InertReader(ARCHIVE_NAMES | frozenset(names), self.resolve)
        try:
            self.root = reader.read(self.entry(pickles[0], LARGEST_PICKLE))
        except PickleRefusedError as error:
            raise PickleRefusedError(f'{path}: {error}') from None

    def __enter__(self) -> TorchArchive:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def entry(self, name: str, most: int) -> bytes:
        """Return an entry's bytes; compressed or very large ones are not torch.save's."""
        try:
            info = self.file.getinfo(name)
        except KeyError:
            raise PickleRefusedError(f'the entry {name} is missing') from None
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > most:
            raise PickleRefusedError(f'the entry {name} is compressed or above {most} bytes')
        try:
            return self.file.read(info)
        except DAMAGED as error:
            raise PickleRefusedError(f'the entry {name} cannot be read: {error}') from None

    def resolve(self, identifier: Any) -> Storage:
        """Return the storage for ('storage', type, key, device, count)."""
        match identifier:
            case ('storage', Name(name=kind), str(key), str(), int(count)) if kind in STORAGES:
                return Storage(key, STORAGES[kind], count)
        raise PickleRefusedError(f'a {describe(identifier)} is not the identifier of a storage')

    def tensor(self, record: Any, shape: tuple[int, ...] | None = None) -> Tensor:
        """
        Return the tensor of a record as float32.

        :raises PickleRefusedError: where it is none, is of another shape or leaves its storage
        """
        if isinstance(record, Record) and record.name == REBUILD_PARAMETER:
            record = record.arguments[0] if record.arguments else None
        if not isinstance(record, Record) or record.name != REBUILD_TENSOR:
            raise PickleRefusedError('a tensor was expected')
        match record.arguments:
            case (Storage() as storage, int(offset), tuple(size), tuple(stride), *_):
                pass
            case _:
                raise PickleRefusedError('a tensor of unknown form')
        plain = all(type(k) is int and k >= 0 for k in (offset, *size, *stride))
        if not plain or len(size) != len(stride):
            raise PickleRefusedError('a tensor without a plain size and stride')
        if shape is not None and size != tuple(shape):
            raise PickleRefusedError(f'a tensor of shape {size}, expected {tuple(shape)}')
        last = offset + sum((n - 1) * step for n, step in zip(size, stride))
        data = self.entry(f'{self.prefix}data/{storage.key}', LARGEST_ENTRY)
        width = torch.empty(0, dtype=storage.dtype).element_size()
        if len(data) != storage.count * width or (0 not in size and last >= storage.count):
            raise PickleRefusedError(f'a tensor that leaves its storage {storage.key}')
        if 0 in size:
            return torch.zeros(size)
        values = torch.frombuffer(bytearray(data), dtype=storage.dtype)
        return values.as_strided(size, stride, offset).float().clone()

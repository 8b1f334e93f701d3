# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files that are there whole or not at all."""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def name_of_its_own(path: Path, suffix: str = '.part') -> str:
    """Return a name for what is to become `path`, which no other call gives."""
    # file systems take 255 bytes, which the name itself may have
    return f'{path.name[:40]}.{os.getpid()}-{secrets.token_hex(4)}{suffix}'


@contextmanager
def whole_file(path: Path, suffix: str = '.part', durable: bool = True) -> Iterator[Path]:
    """
    Give a temporary name beside `path`, which it becomes if all goes well, else it vanishes.

    No two calls, of other processes neither, get the same.

    :param suffix: end of the name, for writers that go by it.
    :param durable: what was written is on the disk before it gets its own name, which takes some
        milliseconds; a long series that can be made again does without.
    """
    temporary = path.with_name('.' + name_of_its_own(path, suffix))
    try:
        yield temporary
        if durable:
            with temporary.open('rb') as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes, durable: bool = True) -> None:
    """Write a file whole; its folder is made. `durable` as in `whole_file`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, durable=durable) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """
    Write a file of text whole, in UTF-8; its folder is made.

    What of a file's name is no UTF-8 is written as an escape, u and four digits.
    """
    write_bytes(path, text.encode(errors='backslashreplace'))


def or_none(value: float) -> float | None:
    """Return a number as JSON takes it: None for NaN."""
    return None if math.isnan(value) else float(value)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole; its folder is made."""
    write_text(path, json.dumps(value, indent=1) + '\n')

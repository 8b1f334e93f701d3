# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""JSON objects, written one after another as they come."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from types import TracebackType

from tsr_ros.report.files import name_of_its_own


def _as_text(record: dict) -> str:
    """Return an object as JSON; in file names, what is no UTF-8 as an escape of JSON's own."""
    return json.dumps(record, ensure_ascii=False).encode(errors='backslashreplace').decode()


class JsonLines:
    """Each object in a line of its own on standard output, there as soon as it is known."""

    def write(self, record: dict) -> None:
        """Write an object."""
        print(_as_text(record), flush=True)

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class JsonArrayFile:
    """
    A file with one JSON array, one object a line.

    It grows as a file of its own beside that, which ends in .part, and gets its name when it is
    whole. After an error or Ctrl-C the part stays, as an array of what there was until then, and
    an older file stays too. Raises OSError where it cannot be written.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if self.path.is_dir():  # now rather than when all is done
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        self.part = self.path.with_name(name_of_its_own(self.path))
        self.count = 0

    def write(self, record: dict) -> None:
        """Append an object."""
        # in one go, so that Ctrl-C finds either all or nothing of it written
        self._file.write((',\n' if self.count else '\n') + _as_text(record))
        self.count += 1

    def __enter__(self) -> JsonArrayFile:
        self._file = self.part.open('w', encoding='utf-8')
        self._file.write('[')
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        with self._file:
            self._file.write('\n]\n')
        if kind is None:
            self.part.replace(self.path)
        else:
            print(f'{self.count} results until then are in {self.part}', file=sys.stderr)

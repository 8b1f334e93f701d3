# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings as dataclasses: known keys, values of the right type, changes by key."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any

from tsr_ros.evaluation.dataset import DataError


def replace_value(values: dict[str, Any], key: str, value: Any) -> None:
    """Put a value at a key, whose dots lead into lists and mappings."""
    *path, last = key.split('.')
    place: Any = values
    try:
        for word in path:
            place = place[int(word) if isinstance(place, list) else word]
        place[int(last) if isinstance(place, list) else last] = value
    except (KeyError, IndexError, TypeError, ValueError):
        raise DataError(f'there is no setting {key!r}') from None


def check_types(settings: Any) -> None:
    """
    Raise DataError for a value of another type than its field's.

    A whole number serves as a float, and so does '1e-3', which YAML takes for a word.
    """
    for name, kind in typing.get_type_hints(type(settings)).items():
        value = getattr(settings, name)
        kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
        kinds = tuple(typing.get_origin(k) or k for k in kinds)
        if float in kinds and isinstance(value, int | str) and not isinstance(value, bool):
            try:
                value = float(value)
            except ValueError:
                raise DataError(f'{name} is a number, not {value!r}') from None
            object.__setattr__(settings, name, value)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            names = ' or '.join('nothing' if k is types.NoneType else k.__name__ for k in kinds)
            raise DataError(f'{name} is of type {names}, not {value!r}')


def check_keys(values: dict[str, Any], kind: type, what: str) -> None:
    """Raise DataError for a key that `kind` does not have or needs and is not given."""
    if not isinstance(values, dict):
        raise DataError(f'{what} is keys and values, not {values!r}')
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = set(values) - set(fields)
    if unknown:
        raise DataError(f'{what} has no setting {sorted(unknown)}: there are {sorted(fields)}')
    needed = {name for name, field in fields.items() if field.default is dataclasses.MISSING}
    if needed - set(values):
        raise DataError(f'{what} needs the settings {sorted(needed - set(values))}')

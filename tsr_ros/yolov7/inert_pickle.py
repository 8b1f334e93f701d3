# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Reading a pickle as data: nothing in it is imported or called.

A pickle is a small program that builds objects, if need be by calling any function it names. Here
its instructions are followed only as far as plain data goes; the classes and functions it names
become records of that name, and a name that is not on the list of expected ones is refused.

A few bytes can nest a value without end, or double it 2^40 times. So nothing walks a value that is
not known to be flat: only scalars are hashed, compared or shown.
"""

from __future__ import annotations

import pickletools
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from typing import Any

PLAIN_CLASSES: dict[str, Callable[..., Any]] = {
    'collections.OrderedDict': OrderedDict,
    '__builtin__.set': set,
    'builtins.set': set,
}
SCALARS = (str, bytes, int, float, type(None))
LARGEST_INTEGER = 64  # bits; larger ones, whose hashes can all be made the same, are no data here
LONGEST_TEXT = 100  # characters of a text that a message shows
CONSTANTS = {'NONE': None, 'NEWTRUE': True, 'NEWFALSE': False}
EMPTY: dict[str, Callable[[], Any]] = {
    'EMPTY_LIST': list,
    'EMPTY_DICT': dict,
    'EMPTY_TUPLE': tuple,
    'EMPTY_SET': set,
}
VALUES = (
    *('BININT', 'BININT1', 'BININT2', 'INT', 'LONG', 'LONG1', 'LONG4', 'BINFLOAT', 'FLOAT'),
    *('UNICODE', 'BINUNICODE', 'SHORT_BINUNICODE', 'BINUNICODE8'),
    *('STRING', 'BINSTRING', 'SHORT_BINSTRING', 'BINBYTES', 'SHORT_BINBYTES', 'BINBYTES8'),
)
TUPLES = {'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}
MARK = object()


class PickleRefusedError(ValueError):
    """A pickle that holds something else than what was expected; names it."""


class Name:
    """A class or function that a pickle refers to, not imported."""

    def __init__(self, name: str) -> None:
        self.name = name


class Record:
    """An object of a named class: what its constructor was given and what its state is."""

    def __init__(self, name: str, arguments: tuple[Any, ...]) -> None:
        self.name, self.arguments = name, arguments
        self.state: dict[str, Any] = {}


class InertReader:
    """
    The instructions of a pickle, followed without effect.

    :param names: full names of classes and functions that may occur, as records
    :param resolve: turns the identifier of external data (a storage) into its record
    """

    def __init__(self, names: Collection[str], resolve: Callable[[Any], Any]) -> None:
        self.names, self.resolve = names, resolve
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def read(self, data: bytes) -> Any:
        """
        Return the pickled object.

        :raises PickleRefusedError: for a name or instruction that is not expected, or bad data
        """
        try:
            for opcode, argument, _ in pickletools.genops(data):
                if opcode.name == 'STOP':
                    (result,) = self.stack
                    return result
                self.follow(opcode.name, argument)
        except PickleRefusedError:
            raise
        except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
            raise PickleRefusedError(f'damaged pickle: {error}') from None
        raise PickleRefusedError('damaged pickle: it ends before its last instruction')

    def follow(self, opcode: str, argument: Any) -> None:
        """Follow one instruction."""
        stack = self.stack
        if opcode in ('PROTO', 'FRAME'):
            return
        if opcode in VALUES:
            if isinstance(argument, int) and argument.bit_length() > LARGEST_INTEGER:
                raise PickleRefusedError(f'an integer of more than {LARGEST_INTEGER} bits')
            stack.append(argument)
        elif opcode in CONSTANTS:
            stack.append(CONSTANTS[opcode])
        elif opcode in EMPTY:
            stack.append(EMPTY[opcode]())
        elif opcode == 'MARK':
            stack.append(MARK)
        elif opcode == 'POP':
            stack.pop()
        elif opcode in ('BINPUT', 'LONG_BINPUT', 'PUT'):
            self.memo[int(argument)] = stack[-1]
        elif opcode == 'MEMOIZE':
            self.memo[len(self.memo)] = stack[-1]
        elif opcode in ('BINGET', 'LONG_BINGET', 'GET'):
            stack.append(self.memo[int(argument)])
        elif opcode == 'TUPLE':
            stack.append(tuple(self.pop_to_mark()))
        elif opcode in TUPLES:
            count = TUPLES[opcode]
            stack[-count:] = [tuple(stack[-count:])]
        elif opcode in ('APPEND', 'APPENDS', 'ADDITEMS', 'SETITEM', 'SETITEMS'):
            self.fill(opcode)
        elif opcode == 'GLOBAL':
            stack.append(self.find(*argument.split(' ', 1)))
        elif opcode == 'STACK_GLOBAL':
            name, module = stack.pop(), stack.pop()
            stack.append(self.find(module, name))
        elif opcode in ('REDUCE', 'NEWOBJ'):
            arguments, kind = stack.pop(), stack.pop()
            stack.append(self.make(kind, arguments))
        elif opcode == 'BUILD':
            state, target = stack.pop(), stack[-1]
            self.build(target, state)
        elif opcode == 'BINPERSID':
            stack.append(self.resolve(stack.pop()))
        else:
            raise PickleRefusedError(f'the pickle instruction {opcode} is not one of plain data')

    def pop_to_mark(self) -> list[Any]:
        """Return what is on the stack above the last mark."""
        values = []
        while (value := self.stack.pop()) is not MARK:
            values.append(value)
        return values[::-1]

    def fill(self, opcode: str) -> None:
        """Add to a list, set or dict."""
        if opcode == 'APPEND':
            values = [self.stack.pop()]
        elif opcode == 'SETITEM':
            values = [self.stack.pop(), self.stack.pop()][::-1]
        else:
            values = self.pop_to_mark()
        target = self.stack[-1]
        if opcode.startswith('APPEND') and type(target) is list:
            target.extend(values)
        elif opcode == 'ADDITEMS' and type(target) is set:
            check_keys(values)
            target.update(values)
        elif opcode.startswith('SETITEM') and type(target) in (dict, OrderedDict):
            check_keys(values[::2])
            target.update(zip(values[::2], values[1::2], strict=True))
        else:
            raise PickleRefusedError(f'{opcode} on {describe(target)} is not plain data')

    def find(self, module: Any, name: Any) -> Name:
        """Return the record of an expected name."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise PickleRefusedError(f'a {describe(name)} in a {describe(module)} is no name')
        full = f'{module}.{name}'
        if full not in self.names and full not in PLAIN_CLASSES:
            raise PickleRefusedError(
                f'it refers to {describe(full)}, which has no place in such a file'
            )
        return Name(full)

    def make(self, kind: Any, arguments: Any) -> Any:
        """Return the record of an object, or a plain container."""
        if not isinstance(kind, Name) or not isinstance(arguments, tuple):
            raise PickleRefusedError(f'a call of {describe(kind)} is not plain data')
        if kind.name in PLAIN_CLASSES:
            return self.fill_new(PLAIN_CLASSES[kind.name], arguments)
        return Record(kind.name, arguments)

    def fill_new(self, make: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Return a set of a list's members or an OrderedDict of its pairs, or an empty one."""
        match arguments:
            case ():
                return make()
            case (list(values),):
                pairs = make is OrderedDict
                check_keys([key for key, _ in values] if pairs else values)
                made = make(values)
                values.clear()  # used up, so that no list is gone through again and again
                return made
        raise PickleRefusedError(f'a {make.__name__} of anything but a list is not plain data')

    def build(self, target: Any, state: Any) -> None:
        """Give an object its state."""
        if isinstance(target, OrderedDict):
            return  # attributes of a plain container mean nothing here
        if not isinstance(target, Record):
            raise PickleRefusedError(f'a state for {describe(target)} is not plain data')
        target.state = state if isinstance(state, dict) else {'state': state}


def check_keys(keys: Iterable[Any]) -> None:
    """Raise where a key of a dict or member of a set is no scalar."""
    for key in keys:
        if not isinstance(key, SCALARS):
            raise PickleRefusedError(f'a {describe(key)} as a key is not plain data')


def describe(value: Any) -> str:
    """Return what a message may show: the name of a record, a scalar, or the name of a type."""
    if isinstance(value, Name | Record):
        return value.name
    if isinstance(value, SCALARS):
        return repr(value[:LONGEST_TEXT] if isinstance(value, str | bytes) else value)
    return type(value).__name__

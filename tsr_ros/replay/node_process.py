# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tsr_ros.nodes.middleware import large_image_environment

_LAST_LINES = 12
_PATIENCE_S = 10.0  # before a process that was asked to end is asked more firmly


class LiveError(Exception):
    """A live replay that cannot be done or finished: why, and what can be done."""


class NodeError(LiveError):
    """A node that died or failed: which, how, and its last words."""


class NodeProcess:
    """
    A node of this package in a process of its own, its output in a file.

    A context manager: left, it asks the process to end as Ctrl-C would, and insists in the end.
    Ctrl-C in the terminal reaches only the caller, who is the one to stop what he started.

    :param module: with a main, such as tsr_ros.nodes.detector_node.
    :param parameters: of the node; they go through a file, so that any text stays text.
    :param folder: for that file and the output.
    """

    def __init__(self, module: str, parameters: Mapping[str, Any], remappings: Mapping[str, str],
                 folder: Path):
        self.name = module.rpartition('.')[2]
        parameter_file = folder / f'{self.name}.yaml'
        parameter_file.write_text(yaml.safe_dump({'/**': {'ros__parameters': dict(parameters)}}))
        self._log = folder / f'{self.name}.log'
        command = [sys.executable, '-m', module, '--ros-args', '--params-file',
                   str(parameter_file)]
        for name, target in remappings.items():
            command += ['-r', f'{name}:={target}']
        with self._log.open('wb') as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=log, start_new_session=True,
                                             env=dict(os.environ, **large_image_environment()))

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(self, *error: Any) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def ended(self) -> bool:
        """
        Tell whether it has ended, and well.

        :raises NodeError: where it ended otherwise.
        """
        status = self._process.poll()
        if status is None:
            return False
        if status:
            how = f'was ended by {signal.Signals(-status).name}' if status < 0 \
                else f'failed with exit status {status}'
            raise NodeError(f'{self.name} {how}. Its last lines:\n{self.last_lines()}')
        return True

    def wait(self, patience_s: float) -> None:
        """Wait until it has ended, for at most `patience_s` seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_s)

    def last_lines(self) -> str:
        """Return the end of what it wrote, indented."""
        lines = self._log.read_text(errors='replace').splitlines()[-_LAST_LINES:]
        return '\n'.join(f'    {line}' for line in lines) or '    (it wrote nothing)'

    def stop(self) -> None:
        """End the process: ask, insist after some seconds, then kill."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None:
                return
            self._process.send_signal(number)
            self._process.send_signal(signal.SIGCONT)  # a process that is halted hears nothing
            self.wait(_PATIENCE_S)

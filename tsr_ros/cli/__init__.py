# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The command line `tsr`: one module a command, imported when its command is given.

`doctor` and `models`, and this file with them, also run on the robot's Python 3.6.
"""

import argparse
import importlib
import os
import sys

from tsr_ros import __version__

# command: (module in this folder, one line of help). A module has configure(parser), which adds
# arguments, run(args), which returns the exit status, and ERRORS: exceptions whose text is meant
# for the user.
COMMANDS = {
    'doctor': ('doctor', 'say what runs on this computer and why the rest does not'),
    'models': ('models', 'list the models and their files'),
    'detect': ('detect', 'find signs and lights in images, folders, films and recordings'),
    'evaluate': ('evaluate', 'measure how right a model is on labelled images'),
    'benchmark': ('benchmark', 'time every runtime on this computer'),
    'export': ('export', 'make the files that each runtime reads, and measure them'),
    'engine': ('engine', 'build a TensorRT engine ahead of time'),
    'parity': ('parity', 'check that all runtimes say the same on the same images'),
    'train': ('train', 'train a network, go on with a run, or compare runs'),
    'average': ('average', 'average the weights of several training runs'),
    'data': ('data', 'check, divide and convert data for training'),
    'import-checkpoint': ('import_checkpoint', 'turn an official YOLOv7 checkpoint into weights'),
    'bag': ('bag', 'render, import, look into, export and replay recordings'),
}
ON_ROBOT = ('doctor', 'models', 'engine')
OTHERS_NEED = (3, 10)


def main(argv=None):
    """
    Run a command and return its exit status.

    0 good, 1 failed or not all was good, 2 not understood, 130 interrupted (Ctrl-C). `argv` are
    the words after `tsr`; those that Python was started with if None.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if hasattr(sys.stdout, 'reconfigure'):  # from Python 3.7 on
        sys.stdout.reconfigure(errors='surrogateescape')  # file names may be no UTF-8
    parser = argparse.ArgumentParser(
        'tsr', description='Traffic sign and light recognition with YOLOv7.')
    parser.add_argument('--version', action='version', version=f'tsr {__version__}')
    commands = parser.add_subparsers(dest='command', metavar='COMMAND')
    commands.required = True
    module = None
    for name, (module_name, help_line) in COMMANDS.items():
        command = commands.add_parser(name, help=help_line, description=help_line)
        if words and words[0] == name:
            if name not in ON_ROBOT and sys.version_info < OTHERS_NEED:
                command.error('this command needs Python {}.{}'.format(*OTHERS_NEED))
            try:
                module = importlib.import_module(f'.{module_name}', __name__)
                module.configure(command)
            except ModuleNotFoundError as error:
                return _say_what_is_missing(name, error)
    args = parser.parse_args(words)
    try:
        status = module.run(args)
        sys.stdout.flush()  # a reader that has gone is noticed here, not at exit
        return status
    except BrokenPipeError:
        # the reader (`tsr … | head`) has gone; nothing more can be said, at exit neither
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ModuleNotFoundError as error:
        return _say_what_is_missing(args.command, error)
    except module.ERRORS + (OSError,) as error:
        print(f'tsr {args.command}: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f'tsr {args.command}: interrupted', file=sys.stderr)
        return 130


def _say_what_is_missing(command, error):
    """Name the missing package; one of our own modules that is missing is a mistake of ours."""
    if not error.name or error.name.split('.')[0] == __name__.split('.')[0]:
        raise error
    print(f"tsr {command}: the Python module {error.name} is not installed; pip install '.[all]' "
          'in the checkout brings it (docs/install.md names smaller sets)', file=sys.stderr)
    return 1

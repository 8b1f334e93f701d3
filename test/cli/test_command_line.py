# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
import types

import pytest

from tsr_ros import __version__, cli


@pytest.mark.parametrize(('words', 'status', 'stream', 'expected'), [
    ([], 2, 'stderr', 'COMMAND'),
    (['--help'], 0, 'stdout', 'doctor'),
    (['--version'], 0, 'stdout', __version__),
    (['fly'], 2, 'stderr', "invalid choice: 'fly'"),
    (['models', '--colour'], 2, 'stderr', '--colour'),
    (['models', '--models-dir', '/nowhere'], 1, 'stderr', 'tsr models: /nowhere/manifest.yaml'),
])
def test_exit_status_and_where_it_is_said(tsr, words, status, stream, expected):
    process = tsr(*words)
    said = dict(zip(('stdout', 'stderr'), process.communicate()))
    assert process.returncode == status
    assert expected in said[stream]
    assert 'Traceback' not in said['stderr']


@pytest.mark.skipif('TSR_ROS_ENVIRONMENT' not in os.environ,
                    reason='outside the environment that make sets up')
def test_who_sources_the_workspace_has_it_on_the_path():
    said = subprocess.run(['tsr', '--version'], check=True, capture_output=True, text=True)
    assert __version__ in said.stdout


@pytest.mark.parametrize('command', list(cli.COMMANDS))
def test_each_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([command, '--help'])
    assert end.value.code == 0
    assert f'usage: tsr {command}' in capsys.readouterr().out


def test_a_reader_that_leaves_early_gets_no_traceback(tsr, small_models):
    process = tsr('models', '--json', '--models-dir', small_models)
    process.stdout.close()
    assert process.stderr.read() == ''
    assert process.wait() == 1


def use_command(monkeypatch, run, errors=()):
    """Make `tsr try` a command that does what `run` does."""
    module = types.ModuleType('tsr_ros.cli.trying')
    module.configure, module.run, module.ERRORS = lambda parser: None, run, errors
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(cli.COMMANDS, 'try', ('trying', 'try'))


class SignError(Exception):
    pass


def raises(error):
    def run(*args):
        raise error
    return run


@pytest.mark.parametrize(('run', 'status', 'stderr'), [
    (lambda args: 0, 0, ''),
    (lambda args: 1, 1, ''),
    (raises(SignError('no sign')), 1, 'tsr try: no sign\n'),
    (raises(FileNotFoundError(2, 'No such file', 'a.jpg')), 1,
     "tsr try: [Errno 2] No such file: 'a.jpg'\n"),
    (raises(KeyboardInterrupt()), 130, 'tsr try: interrupted\n'),
])
def test_what_a_command_ends_with(monkeypatch, capsys, run, status, stderr):
    use_command(monkeypatch, run, (SignError,))
    assert cli.main(['try']) == status
    assert capsys.readouterr().err == stderr


@pytest.mark.parametrize('error', [
    ZeroDivisionError(), ModuleNotFoundError('gone', name='tsr_ros.gone')])
def test_a_mistake_of_ours_is_not_hidden(monkeypatch, error):
    use_command(monkeypatch, raises(error))
    with pytest.raises(type(error)):
        cli.main(['try'])


@pytest.mark.parametrize('when', ['run', 'import'])
def test_a_package_that_is_not_installed(monkeypatch, capsys, when):
    fail = raises(ModuleNotFoundError('gone', name='torch.nn'))
    use_command(monkeypatch, fail)
    if when == 'import':
        monkeypatch.setattr(cli.importlib, 'import_module', fail)
    assert cli.main(['try']) == 1
    assert 'the Python module torch.nn is not installed; pip install' in capsys.readouterr().err


def test_an_old_python_is_told_what_runs(monkeypatch, capsys):
    use_command(monkeypatch, lambda args: 0)
    monkeypatch.setattr(sys, 'version_info', (3, 6, 9))
    with pytest.raises(SystemExit) as end:
        cli.main(['try'])
    assert end.value.code == 2
    assert 'needs Python 3.10' in capsys.readouterr().err

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import environment
import pytest
from environment import Environment, digest, package_names, provides
from machine import SetupError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Return a checkout with nothing but what setting up needs, and almost nothing to install."""
    for folder in ('scripts', 'interfaces', 'msg'):
        shutil.copytree(ROOT / folder, tmp_path / folder,
                        ignore=shutil.ignore_patterns('__pycache__'))
    for name in ('CMakeLists.txt', 'package.xml'):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / 'requirements').mkdir()
    for name in ('runtime', 'ros-kilted', 'ros-jazzy', 'colcon', 'test'):
        (tmp_path / 'requirements' / f'{name}.txt').write_text('')
    monkeypatch.setattr(environment, 'ROOT', tmp_path)
    monkeypatch.setattr(environment, 'REQUIREMENTS', tmp_path / 'requirements')
    return tmp_path


@pytest.fixture
def set_up(checkout):
    """Return a function that starts scripts/environment.py of the checkout as a process."""
    processes = []

    def start(*words, **variables):
        env = {**os.environ, **variables}
        processes.append(subprocess.Popen(
            [sys.executable, checkout / 'scripts' / 'environment.py', *words], env=env, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return processes[-1]
    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def kilted(checkout):
    """Return an environment, its folder made."""
    kilted = Environment('kilted')
    kilted.folder.mkdir(parents=True)
    return kilted


# -- as a process --------------------------------------------------------------------------------

def test_nothing_is_begun_where_something_is_missing(checkout, set_up, tmp_path):
    process = set_up(PATH=str(tmp_path))
    stdout, stderr = process.communicate()
    assert process.returncode == 2
    assert stdout == ''
    assert stderr == 'setup: cmake is missing. Install it: sudo apt install cmake\n'
    assert not (checkout / '.ros').exists()


def test_an_unknown_ros(set_up):
    process = set_up('--ros', 'melodic')
    assert "invalid choice: 'melodic'" in process.communicate()[1]
    assert process.returncode == 2


NOWHERE = {  # an index that nobody serves, and none of this computer's own
    'PIP_INDEX_URL': 'http://127.0.0.1:9/simple', 'PIP_CONFIG_FILE': os.devnull,
    'PIP_EXTRA_INDEX_URL': '', 'PIP_FIND_LINKS': '', 'PIP_RETRIES': '1', 'PIP_CONSTRAINT': '',
}


def test_two_at_once_come_one_after_the_other(checkout, set_up, kilted):
    with (kilted.folder / 'lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = set_up(**NOWHERE)
        assert process.stdout.readline() == 'Another make is setting this up; waiting for it …\n'
        assert not kilted.venv.exists()
    assert 'A virtual environment' in process.stdout.readline()
    process.terminate()
    assert 'interrupted; the next call goes on from here' in process.communicate()[1]
    assert process.returncode == 130


# -- its parts -----------------------------------------------------------------------------------

def test_a_step_runs_again_only_when_its_key_changes(kilted, capsys):
    calls = []

    def action():
        calls.append(1)
    for key, expected in ('a', 1), ('a', 1), ('b', 2), ('b', 2), ('a', 3):
        kilted.step('Something', key, action)
        assert len(calls) == expected
    assert '[kilted] Something …' in capsys.readouterr().out


@pytest.mark.parametrize('error', [SetupError, KeyboardInterrupt])
def test_a_step_that_did_not_end_runs_again(kilted, error):
    calls = []

    def action():
        calls.append(1)
        if len(calls) == 2:
            raise error
    kilted.step('Something', 'a', action)
    with pytest.raises(error):
        kilted.step('Something', 'b', action)
    kilted.step('Something', 'a', action)  # what was done for a may be gone since then
    assert len(calls) == 3


def test_a_new_venv_makes_everything_anew(kilted, monkeypatch):
    monkeypatch.setattr(kilted, 'run', lambda *words: None)
    kilted.step('Build', 'a', lambda: None)
    (kilted.folder / 'build').mkdir()
    kilted.make_venv()
    assert not (kilted.folder / 'build').exists()
    assert not (kilted.folder / 'done').exists()


def test_a_half_installed_package_is_installed_again(kilted, monkeypatch, checkout):
    commands = []
    monkeypatch.setattr(kilted, 'run', lambda name, command, failure: commands.append(command))
    whole, half = (kilted.site_packages / f'{name}-1.0.dist-info' for name in ('whole', 'half'))
    for folder in whole, half:
        folder.mkdir(parents=True)
        (folder / 'METADATA').write_text('')
    (whole / 'INSTALLER').write_text('pip')
    kilted.install_packages([checkout / 'requirements' / 'runtime.txt'], 0)
    assert whole.exists()
    assert not half.exists()
    assert commands[0][-2:] == ['-r', checkout / 'requirements' / 'runtime.txt']


def test_without_a_network_that_is_the_reason(kilted, monkeypatch, checkout):
    (checkout / 'requirements' / 'runtime.txt').write_text('not-installed==1.0\n')
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)
    kilted.python = sys.executable  # its pip is as good as that of a venv made for this
    with pytest.raises(SetupError, match=r'^There is no network .* nothing was installed'):
        kilted.install_packages([checkout / 'requirements' / 'runtime.txt'], 0)


def test_a_failed_command_shows_why_and_where(kilted, capsys):
    script = 'for i in range(30): print("line", i)\nraise SystemExit(3)'
    with pytest.raises(SetupError, match=r'^it broke. The whole log: .*/log/trial\.log$'):
        kilted.run('trial', [sys.executable, '-c', script], 'it broke')
    shown = capsys.readouterr().err.splitlines()
    assert (len(shown), shown[-1]) == (15, '    line 29')


def test_an_interrupted_command_is_ended_with_all_that_it_started(kilted, monkeypatch):
    script = '''
import signal, subprocess, sys
child = 'import os, signal; print(os.getpid(), flush=True); signal.pause()'
subprocess.Popen([sys.executable, '-c', child])
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in what a shell starts with &
signal.pause()
'''
    started = []

    def interrupt(log, seconds):
        if log.read_text().strip():
            started.append(os.pidfd_open(int(log.read_text())))
            raise KeyboardInterrupt
    monkeypatch.setattr(environment, 'show_progress', interrupt)
    with pytest.raises(KeyboardInterrupt):
        kilted.run('trial', [sys.executable, '-c', script], 'it broke')
    assert select.select(started, [], [], 60)[0] == started  # it has ended
    os.close(started[0])


def test_a_command_that_outlives_a_killed_make_keeps_the_lock(kilted, checkout):
    """Killed outright, make cannot end what it started; the next one then waits for that."""
    script = f'''
import sys; sys.path.insert(0, {str(checkout / "scripts")!r})
import os, fcntl, environment
from pathlib import Path
from types import SimpleNamespace
kilted = environment.Environment('kilted')
kilted.lock = open({str(kilted.folder / "lock")!r}, 'w')
fcntl.flock(kilted.lock, fcntl.LOCK_EX)
environment.show_progress = lambda log, seconds: print(log.read_text(), flush=True)
kilted.run('child', [sys.executable, '-c',
                     'import os, signal; print(os.getpid(), flush=True); signal.pause()'], '')
'''
    parent = subprocess.Popen([sys.executable, '-c', script], stdout=subprocess.PIPE, text=True)
    line = ''
    while not line.strip():
        line = parent.stdout.readline()
    parent.kill()
    parent.wait()
    with (kilted.folder / 'lock').open('w') as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.kill(int(line), signal.SIGKILL)
        fcntl.flock(lock, fcntl.LOCK_EX)  # comes free
    parent.stdout.close()


def test_the_wheels_do_not_see_what_else_is_on_the_paths(kilted, monkeypatch):
    names = ('PYTHONPATH', 'AMENT_PREFIX_PATH', 'LD_LIBRARY_PATH')
    for name in names:
        monkeypatch.setenv(name, '/opt/ros/humble')
    assert not set(names) & set(kilted.clean_env())
    assert set(names) <= set(Environment('installed').clean_env())


def test_wheels_carry_the_folders_of_another_computer(kilted):
    version = f'{sys.version_info[0]}{sys.version_info[1]}'
    dotted = f'{sys.version_info[0]}.{sys.version_info[1]}'
    python = f'/opt/python/cp{version}-cp{version}'
    file = kilted.venv / 'share' / 'std_msgs' / 'cmake' / 'export.cmake'
    file.parent.mkdir(parents=True)
    file.write_text(
        f'A {python}/include/python{dotted};'
        f'{python}/lib/python{dotted}/site-packages/numpy/_core/include')
    kilted.python = sys.executable
    kilted.mend_cmake_paths()
    import sysconfig

    import numpy as np
    assert file.read_text() == f'A {sysconfig.get_paths()["include"]};{np.get_include()}'


def test_an_installed_ros_keeps_its_numpy_and_decides_on_versions(checkout, monkeypatch):
    monkeypatch.setenv('ROS_DISTRO', 'humble')
    monkeypatch.setattr('subprocess.run', lambda *args, **kwargs: SimpleNamespace(
        stdout='1.21.5\n'))
    installed = Environment('installed')
    assert installed.folder == checkout / '.ros' / 'installed-humble'
    installed.folder.mkdir(parents=True)
    requirements = checkout / 'requirements' / 'runtime.txt'
    requirements.write_text('# what is needed\nnumpy==2.4.6\n\nPyYAML==6.0.4  # a comment\n')
    constraints = installed.folder / 'constraints.txt'
    assert installed.unpinned([requirements]) == ['-c', constraints, 'numpy', 'PyYAML']
    assert constraints.read_text() == 'numpy>=1.21.5,<2\n'


@pytest.mark.parametrize(('text', 'names'), [
    ('', []),
    ('# all\n\n', []),
    ('a==1.0\nb-c>=2  # why\nd; python_version < "3"\ne [x]', ['a', 'b-c', 'd', 'e']),
])
def test_package_names(tmp_path, text, names):
    (tmp_path / 'a.txt').write_text(text)
    assert package_names(tmp_path / 'a.txt') == names


def test_a_digest_changes_with_names_and_contents(checkout):
    folder = checkout / 'msg'
    digests = [digest(folder, 'a')]
    (folder / 'New.msg').write_text('')
    digests.append(digest(folder, 'a'))
    (folder / 'New.msg').write_text('int8 a')
    digests.append(digest(folder, 'a'))
    digests.append(digest(folder, 'b'))
    assert len(set(digests)) == 4
    assert digest(folder, 'a') == digests[2]


def test_whether_a_ros_package_is_installed(tmp_path):
    (tmp_path / 'share' / 'vision_msgs').mkdir(parents=True)
    assert not provides(f'/nowhere:{tmp_path}', 'vision_msgs')
    (tmp_path / 'share' / 'vision_msgs' / 'package.xml').write_text('')
    assert provides(f'/nowhere:{tmp_path}', 'vision_msgs')
    assert not provides('', 'vision_msgs')

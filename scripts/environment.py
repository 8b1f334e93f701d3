#!/usr/bin/env python3
# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Set up what `make demo` and `make test` run in: Python packages, a ROS 2, our messages built.

Everything lies in `.ros/<name>/` and is made once; a step runs again only when what it depends
on has changed.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from machine import WHEELS, SetupError, check_disk, check_machine, why_pip_failed

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / 'requirements'
LINKED = ('tsr_ros', 'launch', 'config', 'models', 'rosbag', 'rviz', 'scripts')
PACKAGE_FILES = ('CMakeLists.txt', 'package.xml', 'msg', *LINKED)
RUNTIME_GIB, TEST_GIB = 2, 8  # of disk; most of the latter for a PyTorch built for CUDA


def digest(*parts):
    """Return a hash over texts and over the contents of files and folders."""
    sha = hashlib.sha256()
    for part in parts:
        files = [part] if isinstance(part, Path) and part.is_file() else (
            sorted(part.rglob('*')) if isinstance(part, Path) else [])
        for file in files:
            if file.is_file():
                sha.update(str(file.relative_to(ROOT)).encode() + b'\0' + file.read_bytes())
        if not isinstance(part, Path):
            sha.update(str(part).encode() + b'\0')
    return sha.hexdigest()


class Environment:
    """One folder with a venv, a ROS 2 and our packages built on top of it."""

    def __init__(self, name):
        self.ros = name
        self.installed_ros = name == 'installed'
        self.name = f'installed-{os.environ.get("ROS_DISTRO")}' if self.installed_ros else name
        self.folder = ROOT / '.ros' / self.name
        self.venv = self.folder / 'venv'
        self.python = self.venv / 'bin' / 'python'
        self.install = self.folder / 'install'
        version = f'python{sys.version_info[0]}.{sys.version_info[1]}'
        self.lock = None
        self.site_packages = self.venv / 'lib' / version / 'site-packages'
        self.built_packages = self.install / 'lib' / version / 'site-packages'

    def step(self, title, key, action):
        """Run an action, unless it already ran to its end with the same key."""
        stamp = self.folder / 'done' / action.__name__
        if stamp.is_file() and stamp.read_text() == key:
            return
        stamp.unlink(missing_ok=True)
        print(f'[{self.name}] {title} …', flush=True)
        start = time.monotonic()
        action()
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(key)
        print(f'[{self.name}] … done in {time.monotonic() - start:.0f} s', flush=True)

    def run(self, name, command, failure, env=None):
        """
        Run a command with its output in a log, showing its last line on a terminal.

        `failure` says what it means if the command fails, or makes that of the log's text.
        """
        log = self.folder / 'log' / f'{name}.log'
        log.parent.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        with log.open('wb') as output:
            # It keeps our lock: should we be killed, the next make waits until it has ended too.
            process = subprocess.Popen(
                [str(word) for word in command], cwd=ROOT, env=env or self.clean_env(),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                pass_fds=[self.lock.fileno()] if self.lock else [])
            try:
                while process.poll() is None:
                    try:
                        process.wait(timeout=0.5)
                    except subprocess.TimeoutExpired:
                        show_progress(log, time.monotonic() - start)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM)
                    process.wait()
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)  # what it had started itself
                if sys.stdout.isatty():
                    print('\r\033[K', end='')
        if process.returncode:
            text = log.read_text(errors='replace')
            print('\n'.join('    ' + line for line in text.splitlines()[-15:]), file=sys.stderr)
            raise SetupError(f'{failure if isinstance(failure, str) else failure(text)}. '
                             f'The whole log: {log}')

    def clean_env(self):
        """Return the variables for commands; with the wheels, none that brings other packages."""
        env = dict(os.environ)
        if not self.installed_ros:
            for name in ('PYTHONPATH', 'PYTHONHOME', 'AMENT_PREFIX_PATH', 'CMAKE_PREFIX_PATH',
                         'COLCON_PREFIX_PATH', 'LD_LIBRARY_PATH', 'PIP_TARGET', 'PIP_PREFIX'):
                env.pop(name, None)
        return env

    def make_venv(self):
        """Make an empty venv; on an installed ROS 2 one that sees its packages."""
        # what was installed or built with the old one is gone or does not fit
        for name in ('done', 'build'):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        options = ['--system-site-packages'] if self.installed_ros else []
        self.run('venv', [sys.executable, '-m', 'venv', '--clear', *options, self.venv],
                 'The venv could not be made')

    def install_packages(self, files, needed_gib):
        """Install the packages of some requirement files."""
        check_disk(self.folder, needed_gib)
        # What an earlier call was killed over looks installed to pip, which writes this file last.
        for metadata in self.site_packages.glob('*.dist-info'):
            if not (metadata / 'INSTALLER').is_file():
                shutil.rmtree(metadata)
        if self.installed_ros:
            options = self.unpinned(files)
        else:
            options = [word for file in files for word in ('-r', file)]
        # compiling all modules at once would take longer than the few that are imported, later
        self.run('pip', [self.python, '-m', 'pip', 'install', '--disable-pip-version-check',
                         '--no-compile', '--progress-bar', 'off', *options], why_pip_failed)

    def unpinned(self, files):
        """
        Return pip's arguments for the packages of some files in versions that suit the ROS 2.

        Its Python may be older than the pinned ones need, and its messages were compiled for its
        own NumPy: a newer one has their interface up to the next major version, an older one not.
        """
        numpy = subprocess.run(
            [sys.executable, '-c', 'import numpy; print(numpy.__version__)'], check=True,
            capture_output=True, text=True).stdout.strip()
        constraints = self.folder / 'constraints.txt'
        constraints.write_text(f'numpy>={numpy},<{int(numpy.partition(".")[0]) + 1}\n')
        return ['-c', constraints, *(name for file in files for name in package_names(file))]

    def mend_cmake_paths(self):
        """
        Point the wheels' CMake files at this machine's Python and NumPy.

        They carry the absolute include folders of the machine that built them.
        """
        output = subprocess.run(
            [str(self.python), '-c', 'import numpy, sysconfig;'
             'print(sysconfig.get_paths()["include"]); print(numpy.get_include())'],
            check=True, capture_output=True, text=True, env=self.clean_env()).stdout
        python_include, numpy_include = output.splitlines()
        version = f'{sys.version_info[0]}{sys.version_info[1]}'
        built_on = f'/opt/python/cp{version}-cp{version}'
        dotted = f'python{sys.version_info[0]}.{sys.version_info[1]}'
        for file in (self.venv / 'share').glob('*/cmake/*.cmake'):
            text = file.read_text()
            mended = text
            for core in ('_core', 'core'):
                mended = mended.replace(
                    f'{built_on}/lib/{dotted}/site-packages/numpy/{core}/include', numpy_include)
            mended = mended.replace(f'{built_on}/include/{dotted}', python_include)
            if mended != text:
                file.write_text(mended)

    def build(self):
        """Build the messages and install this package with colcon, beside the venv."""
        env = self.clean_env()
        prefix_path = [] if self.installed_ros else [str(self.venv)]
        for name in ('AMENT_PREFIX_PATH', 'CMAKE_PREFIX_PATH'):
            outside = env.get(name, '').split(os.pathsep) if self.installed_ros else []
            env[name] = os.pathsep.join(prefix_path + [path for path in outside if path])
        env['PATH'] = f'{self.venv / "bin"}{os.pathsep}{env["PATH"]}'
        env.update(self.library_variables())
        packages = ['tsr_ros']
        if not provides(env['AMENT_PREFIX_PATH'], 'vision_msgs'):
            packages.insert(0, 'vision_msgs')
        self.link_sources()
        # a removed file would otherwise stay installed
        shutil.rmtree(self.install, ignore_errors=True)
        colcon = shutil.which('colcon') if self.installed_ros else self.venv / 'bin' / 'colcon'
        self.run('build', [
            colcon, '--log-base', self.folder / 'log' / 'colcon', 'build',
            '--base-paths', self.folder / 'src',
            '--build-base', self.folder / 'build', '--install-base', self.install,
            '--merge-install', '--symlink-install', '--packages-select', *packages,
            '--event-handlers', 'console_direct+', '--cmake-args', '-DBUILD_TESTING=OFF',
            f'-DPython3_EXECUTABLE={self.python}', '-DPython3_FIND_VIRTUALENV=ONLY',
        ], 'The messages could not be built', env)
        self.write_setup(packages)

    def link_sources(self):
        """
        Make the workspace's source folder out of links into the checkout.

        Built in the checkout itself, the package would hold the venv inside its source folder,
        and CMake refuses to export include folders that lie there.
        """
        sources = self.folder / 'src'
        shutil.rmtree(sources, ignore_errors=True)
        (sources / 'tsr_ros').mkdir(parents=True)
        for name in PACKAGE_FILES:
            (sources / 'tsr_ros' / name).symlink_to(ROOT / name)
        (sources / 'vision_msgs').symlink_to(ROOT / 'interfaces' / 'vision_msgs')

    def library_variables(self):
        """Return what the wheels' libraries need; with it set, they do not restart Python."""
        if self.installed_ros:
            return {}
        folders = [self.install / 'lib', self.venv / 'lib',
                   *sorted(self.site_packages.glob('ros_*.libs'))]
        return {'LD_LIBRARY_PATH': os.pathsep.join(map(str, folders)),
                '_ROS_WHEELS_BOOTSTRAP_COMPLETE': '1'}

    def write_setup(self, packages):
        """Write the script that a shell sources to work in this environment."""
        lines = [f'# Sourced by the Makefile; made by scripts/environment.py for {packages}',
                 'export PATH={}:{}:$PATH'.format(
                     *(shlex.quote(str(folder / 'bin')) for folder in (self.install, self.venv)))]
        if self.installed_ros:
            install = shlex.quote(str(self.install))
            lines += [f'export AMENT_PREFIX_PATH={install}:$AMENT_PREFIX_PATH',
                      f'export LD_LIBRARY_PATH={install}/lib:$LD_LIBRARY_PATH',
                      f'export PYTHONPATH={shlex.quote(str(self.built_packages))}:$PYTHONPATH']
        else:
            values = dict(self.library_variables(), ROS_DISTRO=self.name,
                          AMENT_PREFIX_PATH=f'{self.install}:{self.venv}',
                          PYTHONPATH=str(self.built_packages))
            lines += [f'export {name}={shlex.quote(value)}' for name, value in values.items()]
        # so that make, called in a shell that sourced this, does not take it for an installed ROS
        lines.append(f'export TSR_ROS_ENVIRONMENT={self.ros}')
        lines.append(f'export PYTHONPATH={shlex.quote(str(ROOT))}:$PYTHONPATH')
        temporary = self.folder / 'setup.sh.part'
        temporary.write_text('\n'.join(lines) + '\n')
        temporary.replace(self.folder / 'setup.sh')

    def set_up(self, extras):
        """Bring the environment up to date, for the demo or with the tests' packages too."""
        base = [REQUIREMENTS / 'runtime.txt']
        if not self.installed_ros:
            base += [REQUIREMENTS / f'ros-{self.name}.txt', REQUIREMENTS / 'colcon.txt']
        venv_key = digest(sys.version, sys.executable, str(self.folder))
        self.step('A virtual environment', venv_key, self.make_venv)

        def base_packages():
            self.install_packages(base, RUNTIME_GIB)
            if not self.installed_ros:
                self.mend_cmake_paths()
        base_key = digest(venv_key, *base)
        self.step('ROS 2 and the runtime packages, about 350 MB', base_key, base_packages)

        if 'test' in extras:
            def test_packages():
                self.install_packages([*base, REQUIREMENTS / 'test.txt'], TEST_GIB)
            self.step('The tests\' packages, PyTorch among them',
                      digest(base_key, REQUIREMENTS / 'test.txt'), test_packages)

        # The sources are linked, so only their names count; what is compiled counts with its
        # contents.
        listing = [str(path.relative_to(ROOT)) for folder in LINKED
                   for path in sorted((ROOT / folder).rglob('*'))
                   if path.is_file() and path.suffix != '.pyc']
        self.step('The messages, with colcon', digest(
            base_key, *listing, ROOT / 'interfaces', ROOT / 'msg', ROOT / 'CMakeLists.txt',
            ROOT / 'package.xml', Path(__file__)), self.build)


def package_names(file):
    """Return the packages that a requirements file names, without their versions."""
    lines = (line.partition('#')[0].strip() for line in file.read_text().splitlines())
    return [re.split(r'[=<>!~;\s]', line)[0] for line in lines if line]


def provides(prefix_path, package):
    """Tell whether one of the prefixes holds an installed ROS package."""
    return any((Path(prefix) / 'share' / package / 'package.xml').is_file()
               for prefix in prefix_path.split(os.pathsep) if prefix)


def wait_for(lock):
    """Take a lock, so that two makes at once do not build over each other."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print('Another make is setting this up; waiting for it …', flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)


def show_progress(log, seconds):
    """Show a log's last line and the seconds passed on a terminal; a file gets neither."""
    if sys.stdout.isatty():
        with log.open('rb') as file:
            file.seek(max(0, log.stat().st_size - 400))
            lines = file.read().decode(errors='replace').split('\n')
        last = next((line.strip() for line in reversed(lines) if line.strip()), '')
        width = shutil.get_terminal_size().columns
        print(f'\r\033[K    {seconds:4.0f} s  {last}'[:width + 2], end='', flush=True)


def main():
    """Read the command line, set up, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--ros', default='kilted', choices=(*WHEELS, 'installed'),
                        help='wheels of a ROS 2 distribution, or the ROS 2 that is sourced')
    parser.add_argument('--with', dest='extras', action='append', default=[], choices=('test',),
                        help='further packages')
    args = parser.parse_args()
    if sys.prefix != sys.base_prefix:
        # called from a venv, perhaps the very one that is to be made: its own Python makes ours
        python = sys._base_executable
        os.execv(python, [python, str(Path(__file__).resolve()), *sys.argv[1:]])
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended in order, as by Ctrl-C
    environment = Environment(args.ros)
    try:
        check_machine(environment.installed_ros)
        environment.folder.mkdir(parents=True, exist_ok=True)
        with (environment.folder / 'lock').open('w') as environment.lock:
            wait_for(environment.lock)
            environment.set_up(args.extras)
    except SetupError as error:
        print(f'setup: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('\nsetup: interrupted; the next call goes on from here', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Set up what `make demo` and `make test` run in: Python packages, a ROS 2, our messages built.

Everything lies in `.ros/<name>/` and is made once; a step runs again only when what it depends
on has changed.
"""

import argparse
import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / 'requirements'
WHEELS = ('kilted', 'jazzy')
PYTHONS = ((3, 11), (3, 12))
LINKED = ('tsr_ros', 'launch', 'config', 'models', 'rosbag', 'rviz', 'scripts')
PACKAGE_FILES = ('CMakeLists.txt', 'package.xml', 'msg', *LINKED)
DEBIAN_PYTHON = f'python{sys.version_info[0]}.{sys.version_info[1]}'


class SetupError(Exception):
    """What is missing, and how to get it, in one line."""


def check_machine(installed_ros):
    """Raise SetupError for the first thing missing that no later step could bring."""
    if not installed_ros and sys.version_info[:2] not in PYTHONS:
        wanted = ' or '.join(f'{major}.{minor}' for major, minor in PYTHONS)
        raise SetupError(
            f'The ROS 2 wheels were tried with Python {wanted}, but {sys.executable} is '
            f'{sys.version_info[0]}.{sys.version_info[1]}. '
            f'Name another: make PYTHON=/path/to/python3.11 …')
    for program, package in (('cmake', 'cmake'), ('make', 'make'), ('gcc', 'gcc'), ('g++', 'g++')):
        if not shutil.which(program):
            raise SetupError(f'{program} is missing. Install it: sudo apt install {package}')
    if not (Path(sysconfig.get_paths()['include']) / 'Python.h').is_file():
        raise SetupError(f'Python.h is missing. Install it: sudo apt install {DEBIAN_PYTHON}-dev')
    try:
        import ensurepip  # noqa: F401  (Debian ships venv without it)
    except ImportError:
        raise SetupError(
            f'venv is missing. Install it: sudo apt install {DEBIAN_PYTHON}-venv') from None
    if installed_ros and not shutil.which('colcon'):
        raise SetupError(
            'colcon is missing. Install it: sudo apt install python3-colcon-common-extensions')


def check_installed_ros():
    """Raise SetupError unless a ROS 2 is sourced that this Python can use."""
    if not os.environ.get('AMENT_PREFIX_PATH'):
        raise SetupError('No ROS 2 is sourced. Source it (. /opt/ros/<distro>/setup.bash), '
                         'or take the wheels: make ROS=kilted …')
    if subprocess.run([sys.executable, '-c', 'import rclpy'], capture_output=True).returncode:
        raise SetupError(f'A ROS 2 is sourced, but {sys.executable} cannot import its rclpy. '
                         'Name the Python that it was built for: make PYTHON=/usr/bin/python3 …')


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
        self.installed_ros = name == 'installed'
        self.name = f'installed-{os.environ.get("ROS_DISTRO")}' if self.installed_ros else name
        self.folder = ROOT / '.ros' / self.name
        self.venv = self.folder / 'venv'
        self.python = self.venv / 'bin' / 'python'
        self.install = self.folder / 'install'
        version = f'python{sys.version_info[0]}.{sys.version_info[1]}'
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

    def run(self, command, failure, env=None):
        """Run a command with its output in a log, showing its last line on a terminal."""
        log = self.folder / 'log' / f'{Path(command[0]).name}.log'
        log.parent.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        with log.open('wb') as output:
            process = subprocess.Popen([str(word) for word in command], cwd=ROOT, env=env,
                                       stdin=subprocess.DEVNULL, stdout=output, stderr=output)
            try:
                while process.poll() is None:
                    try:
                        process.wait(timeout=0.5)
                    except subprocess.TimeoutExpired:
                        show_progress(log, time.monotonic() - start)
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()
        if sys.stdout.isatty():
            print('\r\033[K', end='')
        if process.returncode:
            tail = log.read_text(errors='replace').splitlines()[-15:]
            print('\n'.join('    ' + line for line in tail), file=sys.stderr)
            raise SetupError(f'{failure} The whole log: {log}')

    def make_venv(self):
        """Make an empty venv; on an installed ROS 2 one that sees its packages."""
        options = ['--system-site-packages'] if self.installed_ros else []
        self.run([sys.executable, '-m', 'venv', '--clear', *options, self.venv],
                 'The venv could not be made.')

    def install_packages(self, files):
        """Install the pinned packages of some requirement files."""
        options = [word for file in files for word in ('-r', file)]
        self.run([self.python, '-m', 'pip', 'install', '--disable-pip-version-check',
                  '--progress-bar', 'off', *options],
                 'The Python packages could not be installed (is there a network?).')

    def mend_cmake_paths(self):
        """
        Point the wheels' CMake files at this machine's Python and NumPy.

        They carry the absolute include folders of the machine that built them.
        """
        output = subprocess.run(
            [str(self.python), '-c', 'import numpy, sysconfig;'
             'print(sysconfig.get_paths()["include"]); print(numpy.get_include())'],
            check=True, capture_output=True, text=True).stdout
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
        env = dict(os.environ)
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
        self.run([colcon, '--log-base', self.folder / 'log' / 'colcon', 'build',
                  '--base-paths', self.folder / 'src',
                  '--build-base', self.folder / 'build', '--install-base', self.install,
                  '--merge-install', '--symlink-install', '--packages-select', *packages,
                  '--event-handlers', 'console_direct+', '--cmake-args', '-DBUILD_TESTING=OFF',
                  f'-DPython3_EXECUTABLE={self.python}', '-DPython3_FIND_VIRTUALENV=ONLY'],
                 'The messages could not be built.', env)
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
                 f'export PATH={shlex.quote(str(self.venv / "bin"))}:$PATH']
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
            self.install_packages(base)
            if not self.installed_ros:
                self.mend_cmake_paths()
        base_key = digest(venv_key, *base)
        self.step('ROS 2 and the runtime packages, about 350 MB', base_key, base_packages)

        if 'test' in extras:
            def test_packages():
                self.install_packages([*base, REQUIREMENTS / 'test.txt'])
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


def provides(prefix_path, package):
    """Tell whether one of the prefixes holds an installed ROS package."""
    return any((Path(prefix) / 'share' / package / 'package.xml').is_file()
               for prefix in prefix_path.split(os.pathsep) if prefix)


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
    environment = Environment(args.ros)
    try:
        check_machine(environment.installed_ros)
        if environment.installed_ros:
            check_installed_ros()
        environment.folder.mkdir(parents=True, exist_ok=True)
        with (environment.folder / 'lock').open('w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two makes at once would build over each other
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

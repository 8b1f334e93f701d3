# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`tsr doctor`: what runs on this computer, and why the rest does not."""

import json
import os
import subprocess
import sys

from tsr_ros import __version__
from tsr_ros.backends.base import BackendError, ModelFileError
from tsr_ros.backends.factory import BACKENDS, backend_class, create_backend
from tsr_ros.backends.manifest import Manifest, check_sha256, default_models_dir
from tsr_ros.cli.arguments import add_models_dir
from tsr_ros.cli.computer import describe_computer, describe_gpu

ERRORS = ()

# What the node imports of ROS, the most basic first.
ROS_MODULES = (
    'rclpy', 'sensor_msgs.msg', 'diagnostic_msgs.msg', 'vision_msgs.msg', 'tsr_ros.msg')
_NO_ROS = 'The node needs ROS 2 (. /opt/ros/<distro>/setup.bash); the rest runs without.'
_TRY_BACKEND = ('import json, sys; from tsr_ros.cli.doctor import try_backend; '
                'print(json.dumps(try_backend(*sys.argv[1:])))')


def configure(parser):
    """Add the arguments."""
    parser.description = (
        'Say what runs on this computer and why the rest does not. Exit status 0 if at least one '
        'backend runs one model here, else 1. TensorRT builds an engine when it is first tried, '
        'which takes seconds on a large GPU and many minutes on a small one.')
    add_models_dir(parser)
    parser.add_argument('--json', action='store_true', help='write it as one JSON object')


def run(args):
    """Examine the computer, print the report and tell whether anything runs."""
    report = examine(args.models_dir)
    print(json.dumps(report, indent=2) if args.json else '\n'.join(report_lines(report)))
    return 0 if report['works'] else 1


def examine(models_dir=None):
    """Return all that can be found out; nothing that is missing or broken raises."""
    models = examine_models(models_dir)
    backends = {name: examine_backend(name, models) for name in BACKENDS}
    return {
        'tsr_ros': __version__,
        'computer': describe_computer(),
        'python': {'version': sys.version.split()[0], 'executable': sys.executable},
        'ros': examine_ros(),
        'gpu': describe_gpu(),
        'backends': backends,
        'models': models,
        'works': any(backend['runs'] for backend in backends.values()),
    }


def examine_ros():
    """Return the distribution, whether the node can import what it needs, and why not."""
    modules = {}
    for name in ROS_MODULES:
        modules[name] = in_own_process(f'import {name}')[1]
        if name == 'rclpy' and modules[name]:
            break  # the others would only say the same
    return {'distro': os.environ.get('ROS_DISTRO', ''), 'modules': modules,
            'works': not any(modules.values())}


def examine_models(models_dir=None):
    """Return the manifest's models with what is wrong with each of their files."""
    result = {'folder': models_dir or '', 'default': '', 'problem': '', 'models': {}}
    try:
        result['folder'] = models_dir or default_models_dir()
        manifest = Manifest.read(result['folder'])
        result['default'] = manifest.default or ''
        result['models'] = {
            name: [{'path': file.path, 'format': file.format, 'precision': file.precision,
                    'problem': _file_problem(manifest.folder, file)} for file in model.files]
            for name, model in manifest.models.items()}
        manifest.model(manifest.default)
    except ModelFileError as error:
        result['problem'] = str(error)
    return result


def _file_problem(folder, file):
    try:
        for path, sha256 in ((file.path, file.sha256),) + file.data:
            check_sha256(os.path.join(folder, path), sha256)
    except ModelFileError as error:
        return str(error)
    return ''


def examine_backend(name, models):
    """
    Return the runtime's version and whether it runs the default model.

    Tried in a process of its own: a runtime built for another processor ends the one it is in.
    """
    found = {'version': '', 'runs': False, 'detail': '', 'problem': '', 'hint': ''}
    # without a default model there is still the version to be told
    model = models['default'] if not models['problem'] else ''
    output, problem = in_own_process(_TRY_BACKEND, name, model, models['folder'])
    found.update(json.loads(output) if output and not problem else {'problem': problem})
    if found['problem'] and not found['version']:
        found['hint'] = backend_class(name).install_hint
    return found


def try_backend(name, model, models_dir):
    """Load a model ('' for none), run it once, and return what really ran, or the problem."""
    found = {}
    try:
        found['version'] = backend_class(name).version()
        if not model:
            raise ModelFileError('there is no model to run')
        # whether it runs is asked, not how fast
        with create_backend(name, model, models_dir=models_dir, threads=1) as backend:
            backend.load()
            backend.warm_up(runs=1)
            info = backend.describe()
        detail = ', '.join(filter(None, (info.device, info.detail)))
        found.update(runs=True, detail=f'{model} {info.precision} on {detail}')
    except BackendError as error:
        found['problem'] = str(error)
    return found


def in_own_process(code, *words):
    """Run Python code; return the last line that it printed, and why it failed or ''."""
    process = subprocess.run(
        [sys.executable, '-c', code] + list(words), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, errors='replace')
    if process.returncode == 0:
        return _last_line(process.stdout), ''
    if process.returncode < 0:
        return '', f'Python was killed by signal {-process.returncode}'
    return '', _last_line(process.stderr) or f'Python ended with status {process.returncode}'


def _last_line(text):
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ''


def report_lines(report):
    """Return the report as text, one thing a line: ok, or no and the reason."""
    lines = [f'tsr_ros {report["tsr_ros"]}', '', 'Computer']
    computer = report['computer']
    lines += [
        f'  {computer["system"]}, {computer["machine"]}',
        f'  {computer["cpu"]}, {computer["usable_cores"]} of {computer["cores"]} cores usable, '
        f'{computer["memory_gib"]} GiB memory',
        f'  CPU features: {" ".join(computer["cpu_features"]) or "none known"}',
        f'  Python {report["python"]["version"]} ({report["python"]["executable"]})',
        '', 'GPU', *_gpu_lines(report['gpu']),
        '', f'ROS 2 {report["ros"]["distro"]}'.rstrip()]
    lines += [_line(name, problem) for name, problem in report['ros']['modules'].items()]
    if not report['ros']['works']:
        lines.append(f'    {_NO_ROS}')
    lines += ['', 'Backends']
    for name, backend in report['backends'].items():
        lines.append(_line(f'{name} {backend["version"]}'.rstrip(), backend['problem'],
                           backend['detail']))
        if backend['hint'] and backend['hint'] not in backend['problem']:
            lines.append(f'    {backend["hint"]}')
    models = report['models']
    lines += ['', f'Models in {models["folder"]}' if models['folder'] else 'Models']
    if models['problem']:
        lines.append(_line('manifest', models['problem']))
    for name, files in models['models'].items():
        default = ', the default' if name == models['default'] else ''
        lines.append(f'  {name}{default}')
        lines += [_line(file['path'], file['problem'],
                        f'{file["format"]} {file["precision"]}, hash right', indent=2)
                  for file in files]
    running = [name for name, backend in report['backends'].items() if backend['runs']]
    lines += ['', f'Detection runs here with {", ".join(running)}.' if running else
              'Detection does not run here: no backend runs the default model.']
    return lines


def _gpu_lines(gpu):
    if gpu['problem']:
        return [_line('NVIDIA', gpu['problem'])]
    return [_line(device['name'], '', f'{device["memory_gib"]} GiB, compute capability '
                  f'{device["compute_capability"]}, driver {gpu["driver"]}, CUDA {gpu["cuda"]}')
            for device in gpu['devices']]


def _line(name, problem, detail='', indent=1):
    text = problem or detail
    return f'{"  " * indent}{"no" if problem else "ok"} {name}' + (f': {text}' if text else '')

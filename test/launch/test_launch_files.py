# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start each launch file for real where launch_ros is installed; check the rest everywhere."""

import ast
import contextlib
import importlib.util
import os
import re
import runpy
import signal
import subprocess
import sys
import types
from pathlib import Path

import cv2
import pytest
import rclpy
import yaml
from helpers import square_image
from node_harness import PATIENCE, Client

from tsr_ros.nodes import parameters
from tsr_ros.nodes.detector_node import DetectorNode
from tsr_ros.vision.image_codecs import ENCODINGS

ROOT = Path(__file__).resolve().parent.parent.parent
LAUNCH_FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
PARAMETER_FILES = sorted((ROOT / 'config').glob('*.yaml'))
OK, WARN, ERROR = b'\0', b'\1', b'\2'

needs_launch_ros = pytest.mark.skipif(
    importlib.util.find_spec('launch_ros') is None,
    reason='launch_ros is not installed (PyPI has none); docs/launch.md says how to build it')


@pytest.fixture
def context():
    context = rclpy.Context()
    rclpy.init(context=context)
    yield context
    rclpy.try_shutdown(context=context)


# -- without launch_ros ------------------------------------------------------------------------

@pytest.mark.parametrize('path', LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_files_evaluate_and_install_nothing(path):
    tree = ast.parse(path.read_text(), str(path))
    called = {node.func.id for node in ast.walk(tree)
              if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {'eval', 'exec', 'PythonExpression', 'ExecuteProcess', 'Command'}
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import)
                for name in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition('.')[0] for name in imported} <= {
        'launch', 'launch_ros', 'tsr_ros'}


@pytest.mark.parametrize('path', PARAMETER_FILES, ids=lambda path: path.name)
def test_parameter_files_hold_what_the_node_takes(path, context):
    given = yaml.safe_load(path.read_text())['/**']['detector_node']['ros__parameters']
    node = DetectorNode(context=context, namespace='/somewhere', cli_args=[
        '--ros-args', '--params-file', str(path)])
    try:
        known = {setting.name for setting in parameters.SETTINGS}
        for name, value in given.items():
            assert name in known
            assert node.get_parameter(name).value == value
    finally:
        node.close()
        node.destroy_node()


def test_launch_arguments_are_parameters_of_the_node():
    tree = ast.parse((ROOT / 'launch' / 'detector.launch.py').read_text())
    names = next(ast.literal_eval(node.value) for node in tree.body
                 if isinstance(node, ast.Assign) and node.targets[0].id == 'PARAMETERS')
    known = {setting.name: setting for setting in parameters.SETTINGS}
    assert set(names) <= set(known)
    choices = {}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and getattr(call.func, 'id', '') == 'DeclareLaunchArgument':
            given = {word.arg: word.value for word in call.keywords}
            choices[call.args[0].value] = ast.literal_eval(given.get('choices', ast.List([])))
    for name in names:
        # empty stands for the node's own default
        assert choices[name] == (['', *known[name].choices] if known[name].choices else [])


def test_desktop_leaves_the_defaults_of_the_node():
    given = yaml.safe_load((ROOT / 'config' / 'desktop.yaml').read_text())
    defaults = {setting.name: setting.default for setting in parameters.SETTINGS}
    for name, value in given['/**']['detector_node']['ros__parameters'].items():
        assert value == defaults[name]


# The format that gscam demands of its pipeline for each image_encoding (ros2 branch, gscam.cpp).
GSCAM_FORMATS = {'rgb8': 'RGB', 'mono8': 'GRAY8', 'yuv422': 'UYVY'}


def test_the_csi_camera_sends_what_gscam_and_the_node_take():
    tree = ast.parse((ROOT / 'launch' / 'jetson.launch.py').read_text())
    camera = next(ast.literal_eval(node.value) for node in tree.body
                  if isinstance(node, ast.Assign) and node.targets[0].id == 'CSI_CAMERA')
    encoding = camera['image_encoding']
    formats = re.findall(r'video/x-raw, format=(\w+)', camera['gscam_config'])
    assert formats[-1] == GSCAM_FORMATS[encoding]
    assert encoding in ENCODINGS


# -- with launch_ros ---------------------------------------------------------------------------

class Launch:
    """`ros2 launch` of one of our files, in a process group of its own."""

    def __init__(self, folder, name, domain_id, **arguments):
        self._output = folder / 'output.txt'
        command = [sys.executable, '-c', 'import sys; from ros2cli.cli import main; '
                   'sys.exit(main())', 'launch', '--noninteractive', str(ROOT / 'launch' / name)]
        command += [f'{key}:={value}' for key, value in arguments.items()]
        with self._output.open('wb') as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, env=dict(
                    os.environ, ROS_DOMAIN_ID=str(domain_id), ROS_HOME=str(folder),
                    OMP_NUM_THREADS='1'))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def output(self):
        return self._output.read_text()

    def press_ctrl_c(self):
        self._process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self):
        return self._process.wait(PATIENCE)


@pytest.fixture
def domain_id():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
        yield 1 + (os.getpid() + 75) % 100


@needs_launch_ros
@pytest.mark.parametrize(
    ('name', 'arguments', 'expected'),
    [
        ('detector.launch.py', {}, {'input_size': '', 'precision': 'auto'}),
        ('desktop.launch.py', {'image_transport': 'compressed', 'log_level': 'warn'},
         {'image_transport': 'compressed', 'confidence_threshold': 0.35}),
        ('jetson.launch.py',
         {'backend': 'onnxruntime', 'precision': 'auto', 'input_size': '160x96'},
         {'diagnostics.max_allowed_processing_time_ms': 150.0, 'input_size': '160x96'}),
        ('jetson.launch.py', {'backend': 'onnxruntime', 'precision': 'auto', 'board': 'orin'},
         {'diagnostics.max_allowed_processing_time_ms': 50.0, 'input_size': ''}),
    ],
)
def test_what_comes_up_and_how_it_ends(tmp_path, domain_id, small_models, name, arguments,
                                       expected):
    with Launch(tmp_path, name, domain_id, namespace='car', image='/front/image',
                models_dir=small_models, model='small', **arguments) as launch, \
            contextlib.closing(Client(domain_id, '/car')) as client:
        values = client.wait_for_status('input', WARN, 'no image yet')
        suffix = '/compressed' if arguments.get('image_transport') == 'compressed' else ''
        assert values['topic'] == '/front/image' + suffix
        assert client.state() == 'active'
        for parameter, value in expected.items():
            assert client.get(parameter) == value
        assert launch.press_ctrl_c() == 0
    output = launch.output()
    assert 'process has finished cleanly' in output
    assert 'Traceback' not in output
    assert ('Waiting for images' in output) == ('log_level' not in arguments)


@needs_launch_ros
def test_it_waits_for_a_lifecycle_manager(tmp_path, domain_id, small_models):
    with Launch(tmp_path, 'desktop.launch.py', domain_id, namespace='car', autostart='false',
                models_dir=small_models, model='small') as launch, \
            contextlib.closing(Client(domain_id, '/car')) as client:
        client.wait_for_status('detector', OK, 'unconfigured')
        assert client.state() == 'unconfigured'
        assert client.get('autostart') is False
        assert launch.press_ctrl_c() == 0


@needs_launch_ros
def test_what_the_node_fails_at_is_said(tmp_path, domain_id, small_models):
    with Launch(tmp_path, 'jetson.launch.py', domain_id, namespace='car', backend='abacus',
                models_dir=small_models, model='small') as launch, \
            contextlib.closing(Client(domain_id, '/car')) as client:
        client.wait_for_status('detector', ERROR, "there is no backend 'abacus'")
        assert (client.get('precision'), client.get('input_size')) == ('fp16', '416x416')
        assert launch.press_ctrl_c() == 0
    assert 'Traceback' not in launch.output()


@needs_launch_ros
def test_replay_ends_with_the_recording(tmp_path, domain_id, small_models):
    (tmp_path / 'pictures').mkdir()
    for number in range(5):
        cv2.imwrite(str(tmp_path / 'pictures' / f'{number}.png'),
                    square_image([(4 + 16 * number, 40, 16, 0)]))
    with contextlib.closing(Client(domain_id, '')) as client, Launch(
            # slow enough that this process and the node have met before the last picture
            tmp_path, 'replay.launch.py', domain_id, source=tmp_path / 'pictures', rate=0.1,
            models_dir=small_models, model='small') as launch:
        assert launch.wait() == 0
        assert client.detections
    assert launch.output().count('process has finished cleanly') == 2
    assert 'Played 5 frames' in launch.output()
    assert 'Traceback' not in launch.output()


@needs_launch_ros
def test_replay_ends_with_a_player_that_fails(tmp_path, domain_id, small_models):
    with Launch(tmp_path, 'replay.launch.py', domain_id, source=tmp_path / 'nowhere',
                models_dir=small_models, model='small') as launch:
        assert launch.wait() == 0
    output = launch.output()
    assert 'nowhere does not exist' in output
    assert 'process has died' in output
    assert 'Traceback' not in output


@needs_launch_ros
@pytest.mark.parametrize(('status', 'reason'), [
    (0, 'the recording has ended'), (2, 'the player has failed with exit status 2')])
def test_replay_tells_a_failure_from_an_end(status, reason):
    end = runpy.run_path(ROOT / 'launch' / 'replay.launch.py')['end']
    action, = end(types.SimpleNamespace(returncode=status), None)
    assert action.event.reason == reason

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A detector node in a process of its own, and a node in ours that talks to it over topics."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import rclpy
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from helpers import write_manifest, write_small_model
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters, SetParameters
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from tsr_ros.msg import LatencyReport
from vision_msgs.msg import Detection2DArray

ROOT = Path(__file__).resolve().parent.parent
NAMESPACE = '/under_test'
NODE = NAMESPACE + '/detector_node'
PATIENCE = 120.0  # seconds; only a broken node uses them up
REPLY_PATIENCE = 30.0  # seconds until a request or its reply counts as lost on the way
REACHED_BY = {'configure': 'inactive', 'activate': 'active', 'deactivate': 'inactive',
              'cleanup': 'unconfigured', 'shutdown': 'finalized'}
FAILS_AT = 200  # the blue of the first pixel from which on the hostile model fails

BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE,
                     durability=DurabilityPolicy.TRANSIENT_LOCAL)


class NoReplyError(AssertionError):
    """A service did not answer."""


class DetectorProcess:
    """
    scripts/detector_node in its own process; left as a context, it is there no longer.

    :param folder: for its parameter file and its output.
    :param shadows: names of Python packages that shall look as if they were not installed.
    :param script: to run instead.
    """

    def __init__(self, folder, domain_id, parameters, shadows=(), namespace=NAMESPACE,
                 script=ROOT / 'scripts' / 'detector_node'):
        folder.mkdir(parents=True, exist_ok=True)
        for name in shadows:
            (folder / 'shadows' / name).mkdir(parents=True)
            (folder / 'shadows' / name / '__init__.py').touch()
        params_file = folder / 'params.yaml'
        params_file.write_text(yaml.safe_dump(
            {namespace + '/detector_node': {'ros__parameters': parameters}}))
        path = [str(folder / 'shadows')] * bool(shadows) + [os.environ.get('PYTHONPATH', '')]
        self._output = folder / 'output.txt'
        with self._output.open('wb') as output:
            self.process = subprocess.Popen(
                [sys.executable, '-X', 'faulthandler', str(script), '--ros-args', '-r',
                 '__ns:=' + namespace, '--params-file', str(params_file)],
                env=dict(os.environ, ROS_DOMAIN_ID=str(domain_id), OMP_NUM_THREADS='1',
                         PYTHONPATH=os.pathsep.join(path), PYTHONUNBUFFERED='1'),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind and self.process.poll() is None:  # where does it hang? faulthandler writes it
            self.process.send_signal(signal.SIGABRT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        self.process.kill()
        self.process.wait()
        if kind:
            print(self.output())

    def output(self):
        """Return all that it has written."""
        return self._output.read_text()

    def end(self, number=signal.SIGINT):
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        """Return the exit status, once it has ended by itself."""
        return self.process.wait(PATIENCE)


class Client:
    """
    A node that publishes images and remembers what comes back.

    Whatever arrives wakes up those who wait; /diagnostics alone comes several times a second.
    """

    def __init__(self, domain_id, namespace=NAMESPACE):
        self._detector = namespace + '/detector_node'
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain_id)
        self.node = rclpy.create_node('client', namespace=namespace, context=self._context)
        self._arrived = threading.Condition()
        self.detections, self.reports, self.statuses = [], [], {}
        self._stamp = 1000
        self.image_publisher = self.node.create_publisher(Image, 'image', BEST_EFFORT)
        self.subscribe(Detection2DArray, self._detector + '/detections', self.detections.append)
        self.subscribe(LatencyReport, self._detector + '/latency', self.reports.append)
        self.subscribe(DiagnosticArray, '/diagnostics', self._on_diagnostics)
        self._clients = {
            (type_, name): self.node.create_client(type_, f'{self._detector}/{name}')
            for type_, name in (
                (ChangeState, 'change_state'), (GetState, 'get_state'),
                (SetParameters, 'set_parameters'), (GetParameters, 'get_parameters'),
                (ListParameters, 'list_parameters'),
                (DescribeParameters, 'describe_parameters'))}
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self):
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()

    def close(self):
        self._executor.shutdown()
        self._thread.join(10)
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def subscribe(self, type_, topic, callback, qos=RELIABLE):
        def on_message(message):
            with self._arrived:
                callback(message)
                self._arrived.notify_all()
        return self.node.create_subscription(type_, topic, on_message, qos)

    def _on_diagnostics(self, message):
        for status in message.status:
            if status.name.startswith(self._detector[1:]):
                part = status.name.rpartition(': ')[2]
                values = {value.key: value.value for value in status.values}
                self.statuses[part] = (status.level, status.message, values)

    def wait_for(self, condition, what):
        """Return what a condition returns once it is true; it is tried when something arrives."""
        with self._arrived:
            if not self._arrived.wait_for(condition, PATIENCE):
                raise AssertionError(
                    f'waited in vain for {what}; newest /diagnostics: {self.statuses}')
            return condition()

    def wait_for_status(self, part, level, text=''):
        """Return the values of a status of this level whose message holds a text."""
        def found():
            status = self.statuses.get(part)
            return status and status[0] == level and text in status[1] and status
        return self.wait_for(found, f'{part} {level} {text!r}')[2]

    def forget_statuses(self):
        with self._arrived:
            self.statuses.clear()

    # -- services ------------------------------------------------------------------------------

    def call(self, type_, name, request, attempts=4):
        """
        Return the reply; ask again if none comes.

        :raises NoReplyError: after as many attempts
        """
        client = self._clients[type_, name]
        assert client.wait_for_service(PATIENCE), name
        for _ in range(attempts):
            done = threading.Event()
            future = client.call_async(request)
            future.add_done_callback(lambda _, done=done: done.set())
            if done.wait(REPLY_PATIENCE):
                return future.result()
            client.remove_pending_request(future)
        raise NoReplyError(f'{name}; newest /diagnostics: {self.statuses}')

    def state(self):
        return self.call(GetState, 'get_state', GetState.Request()).current_state.label

    def transition(self, label):
        """Ask for a transition; return whether it succeeded."""
        request = ChangeState.Request()
        request.transition.label = label
        try:
            return self.call(ChangeState, 'change_state', request, attempts=1).success
        except NoReplyError:  # asked twice, it would be refused; the state tells what was lost
            return self.state() == REACHED_BY[label]

    def set(self, **values):
        """Set parameters one by one, __ standing for a point; return the reasons of refusal."""
        request = SetParameters.Request(parameters=[
            Parameter(name.replace('__', '.'), value=value).to_parameter_msg()
            for name, value in values.items()])
        response = self.call(SetParameters, 'set_parameters', request)
        return [result.reason for result in response.results if not result.successful]

    def get(self, name):
        request = GetParameters.Request(names=[name])
        return rclpy.parameter.parameter_value_to_python(
            self.call(GetParameters, 'get_parameters', request).values[0])

    @contextlib.contextmanager
    def parameters(self, **values):
        """Set parameters for the time of a with-block."""
        before = {name: self.get(name.replace('__', '.')) for name in values}
        assert self.set(**values) == []
        try:
            yield
        finally:
            assert self.set(**before) == []

    @contextlib.contextmanager
    def configured(self, **values):
        """Set parameters that can be set while unconfigured only, for the time of a block."""
        assert self.transition('deactivate')
        assert self.transition('cleanup')
        try:
            with self.parameters(**values):
                assert self.transition('configure')
                assert self.transition('activate')
                yield
                assert self.transition('deactivate')
                assert self.transition('cleanup')
        finally:
            assert self.transition('configure')
            assert self.transition('activate')

    # -- images --------------------------------------------------------------------------------

    def header(self, frame_id='front camera'):
        """Return a header with a stamp that no other has."""
        header = Header(frame_id=frame_id)
        self._stamp += 1
        header.stamp.sec, header.stamp.nanosec = self._stamp, 123456789
        return header

    def image(self, data, encoding='bgr8', step=None, header=None):
        """Return a message of an array (H, W, ...) whose rows are `step` bytes apart."""
        data = np.ascontiguousarray(data)
        message = Image(header=header or self.header(), encoding=encoding)
        message.height, message.width = data.shape[:2]
        rows = data.reshape(data.shape[0], -1).view(np.uint8)
        message.step = step or rows.shape[1]
        padded = np.full((message.height, message.step), 77, np.uint8)
        padded[:, :rows.shape[1]] = rows
        message.data = padded.tobytes()
        return message

    def compressed(self, data, header=None):
        return CompressedImage(header=header or self.header(), format='jpeg',
                               data=np.asarray(data).tobytes())

    def answer_to(self, message):
        """Return the detections that have the stamp of a message."""
        def found():
            return [answer for answer in self.detections
                    if answer.header.stamp == message.header.stamp]
        answers = self.wait_for(found, 'an answer')
        assert len(answers) == 1
        return answers[0]

    def ask(self, message, publisher=None):
        """Publish an image and return the detections in it."""
        (publisher or self.image_publisher).publish(message)
        return self.answer_to(message)

    def connect(self, publisher=None, make=None):
        """Send one image after the other until an answer says that both sides are connected."""
        publisher = publisher or self.image_publisher
        make = make or (lambda: self.image(np.zeros((96, 160, 3), np.uint8)))
        already = len(self.detections)

        def answered():
            publisher.publish(make())
            return len(self.detections) > already
        self.wait_for(answered, 'a first answer')

        def settled():
            if 'input' not in self.statuses:
                return False
            values = self.statuses['input'][2]
            return int(values['received']) == handled(values)
        self.forget_statuses()
        self.wait_for(settled, 'the last of them')


def handled(values):
    """Return how many images were answered or dropped, of a status `input`."""
    return sum(int(values[name]) for name in (
        'answered', 'dropped_overwritten', 'dropped_too_old', 'dropped_bad'))


def boxes(answer):
    """Return (label, x1, y1, x2, y2) of each detection, from left to right."""
    rows = []
    for detection in answer.detections:
        centre, width, height = detection.bbox.center, detection.bbox.size_x, detection.bbox.size_y
        rows.append((detection.results[0].hypothesis.class_id,
                     centre.position.x - width / 2, centre.position.y - height / 2,
                     centre.position.x + width / 2, centre.position.y + height / 2))
    return sorted(rows, key=lambda row: row[1])


def write_hostile_model(folder):
    """
    Write a model `hostile`: the small one, but slow, and failing on some images.

    It multiplies large matrices to no end, and looks up the blue of the first pixel in a table
    that ends at FAILS_AT, so that the runtime fails at a brighter one.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    write_small_model(folder, name='hostile')
    path = Path(folder) / 'hostile' / 'fp32.onnx'
    model = onnx.load(str(path), load_external_data=False)
    graph = model.graph
    output = graph.output[0].name
    for node in graph.node:
        node.output[:] = ['unspoilt' if name == output else name for name in node.output]

    def constant(name, value):
        graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    first_pixel = [constant('first_pixel_start', np.array([0, 0, 0, 0])),
                   constant('first_pixel_end', np.array([1, 1, 1, 1]))]
    constant('table', np.zeros(FAILS_AT, np.float32))
    constant('side', np.array([400, 400]))
    constant('zero', np.zeros(1, np.float32))
    constant('one', np.array([1]))
    graph.node.extend([
        helper.make_node('Slice', [graph.input[0].name, *first_pixel], ['pixel']),
        helper.make_node('Reshape', ['pixel', 'one'], ['blue']),
        helper.make_node('Cast', ['blue'], ['index'], to=TensorProto.INT64),
        helper.make_node('Gather', ['table', 'index'], ['looked_up']),
        helper.make_node('Cast', ['blue'], ['value'], to=TensorProto.FLOAT),
        helper.make_node('Expand', ['value', 'side'], ['matrix']),
        helper.make_node('MatMul', ['matrix', 'matrix'], ['product']),
        helper.make_node('ReduceMax', ['product'], ['largest'], keepdims=0),
        helper.make_node('Mul', ['largest', 'zero'], ['nothing']),
        helper.make_node('Sum', ['unspoilt', 'looked_up', 'nothing'], [output]),
    ])
    onnx.save(model, str(path))
    weights = {'format': 'onnx', 'precision': 'fp32', 'path': 'hostile/fp32.onnx',
               'data': [{'path': 'hostile/weights.safetensors'}]}
    entry = yaml.safe_load((Path(folder) / 'manifest.yaml').read_text())['models']['hostile']
    write_manifest(folder, 'hostile', dict(entry, files=[weights]))
    return Path(folder)



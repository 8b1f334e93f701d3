# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong around the node: it says so, and goes on."""

import contextlib
import shutil
import signal
import threading
import time

import pytest
import yaml
from helpers import LABELS, square_image
from node_harness import (
    BEST_EFFORT,
    FAILS_AT,
    NAMESPACE,
    PATIENCE,
    Client,
    DetectorProcess,
    boxes,
    handled,
    write_hostile_model,
)
from rclpy.duration import Duration
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image

from tsr_ros.nodes.detector_node import main

OK, WARN, ERROR = b'\0', b'\1', b'\2'
PICTURE = square_image([(40, 40, 16, 0)])


def assert_still_detects(detector):
    assert [box[0] for box in boxes(detector.ask(detector.image(PICTURE)))] == [LABELS[0]]


# -- images ------------------------------------------------------------------------------------

def cut_short(image):
    image.data = image.data[:-1]


def without_pixels(image):
    image.height, image.data = 0, []


def of_another_kind(image):
    image.encoding = 'smell8'


def with_short_rows(image):
    image.step = 100


@pytest.mark.parametrize(
    ('spoil', 'text'),
    [
        (without_pixels, 'no pixels: 160 x 0'),
        (cut_short, 'needs 46080 bytes, but has 46079'),
        (of_another_kind, "encoding 'smell8' is not supported; supported are"),
        (with_short_rows, 'takes 480 bytes, but step is 100'),
    ],
)
def test_a_corrupt_frame_is_counted_and_said(detector, spoil, text):
    detector.forget_statuses()
    dropped = int(detector.wait_for_status('input', OK)['dropped_bad'])
    image = detector.image(PICTURE)
    spoil(image)
    detector.image_publisher.publish(image)
    detector.wait_for_status('detector', WARN, text)
    detector.wait_for(lambda: int(detector.statuses['input'][2]['dropped_bad']) == dropped + 1,
                      'the counter')
    assert_still_detects(detector)
    assert not [one for one in detector.detections if one.header.stamp == image.header.stamp]


def test_images_whose_stamps_lie_in_the_future(detector):
    image = detector.image(PICTURE)
    image.header.stamp = (detector.node.get_clock().now() + Duration(seconds=100)).to_msg()
    detector.forget_statuses()
    answer = detector.ask(image)
    assert answer.header == image.header
    detector.wait_for_status('detector', WARN, "s ahead of this node's clock")


def test_images_whose_stamps_jump_back(detector):
    later = detector.image(PICTURE)
    later.header.stamp.sec += 5000
    detector.ask(later)
    detector.forget_statuses()
    earlier = detector.image(PICTURE)
    answer = detector.ask(earlier)
    assert (answer.header, len(answer.detections)) == (earlier.header, 1)
    detector.wait_for_status('detector', WARN, "the images' stamps jumped back by 4999.0 s: "
                             'signs are followed anew')


def test_a_clock_that_jumps_back(detector):
    clock = detector.node.create_publisher(Clock, '/clock', 10)

    def show(seconds):
        message = Clock()
        message.clock.sec = seconds
        clock.publish(message)

    with detector.parameters(use_sim_time=True):
        times = []
        subscription = detector.subscribe(Clock, '/clock', times.append)
        detector.wait_for(lambda: clock.get_subscription_count() >= 2, 'the node at the clock')
        message = detector.image(PICTURE, header=detector.header())

        def age_ms():
            """Return the age of an image with the stamp 10 s."""
            message.header.stamp.sec, message.header.stamp.nanosec = 10, len(times) + 1
            before = len(detector.reports)
            show(seconds)
            detector.image_publisher.publish(message)
            detector.wait_for(lambda: detector.reports[before:], 'the report')
            return detector.reports[-1].stamp_age_ms

        seconds = 70
        while age_ms() != pytest.approx(60000.0, rel=1e-6):
            pass
        detector.forget_statuses()
        seconds = 20
        while age_ms() != pytest.approx(10000.0, rel=1e-6):
            pass
        detector.wait_for_status('detector', WARN, "the node's clock jumped back by 50.0 s")
        detector.node.destroy_subscription(subscription)
    detector.node.destroy_publisher(clock)
    assert_still_detects(detector)


def test_a_publisher_that_dies(detector):
    with detector.parameters(diagnostics__max_image_gap_ms=50.0):
        detector.wait_for_status('input', WARN, 'no image for')
        detector.wait_for_status('input', WARN, '1 publisher is there')
        detector.node.destroy_publisher(detector.image_publisher)
        detector.wait_for_status('input', WARN, 'nobody publishes')
        detector.image_publisher = detector.node.create_publisher(Image, 'image', BEST_EFFORT)
    detector.connect()
    detector.forget_statuses()
    detector.wait_for_status('input', OK)
    assert_still_detects(detector)


def test_images_that_are_too_old(detector):
    detector.forget_statuses()
    dropped = int(detector.wait_for_status('input', OK)['dropped_too_old'])
    # their stamps say 1970
    with detector.parameters(frame_age_from='stamp', max_frame_age=1.0):
        detector.image_publisher.publish(detector.image(PICTURE))
        detector.wait_for_status('input', WARN, '1 of 1 images dropped as older than max_frame')
        assert int(detector.statuses['input'][2]['dropped_too_old']) == dropped + 1
    assert_still_detects(detector)


def test_answers_that_take_too_long(detector):
    with detector.parameters(diagnostics__max_allowed_processing_time_ms=0.1):
        detector.ask(detector.image(PICTURE))
        detector.wait_for_status('latency', WARN, 'processing takes')
        with detector.parameters(diagnostics__max_acceptable_consecutive_delay_ms=0.1):
            detector.ask(detector.image(PICTURE))
            detector.wait_for_status('latency', ERROR, 'allowed are 0.1, for')
    detector.ask(detector.image(PICTURE))
    detector.wait_for_status('latency', OK)


def test_a_publisher_whose_policies_do_not_fit(detector):
    with detector.configured(image_transport='compressed'):
        publisher = detector.node.create_publisher(
            CompressedImage, 'image/compressed', BEST_EFFORT)
        start = f'no images from {NAMESPACE}/client: it offers '
        detector.wait_for_status(
            'input', ERROR, start + 'reliability best_effort, this node requests reliable '
            f'(parameter qos_overrides.{NAMESPACE}/image/compressed.subscription.reliability)')
        detector.wait_for_status(
            'input', ERROR, start + 'durability volatile, this node requests transient_local '
            f'(parameter qos_overrides.{NAMESPACE}/image/compressed.subscription.durability)')
        # for as long as it is there
        detector.node.destroy_publisher(publisher)
        detector.wait_for_status('input', OK)
    detector.connect()


def test_a_publisher_of_another_type(detector):
    with detector.configured(image_transport='compressed'):
        publisher = detector.node.create_publisher(Image, 'image/compressed', BEST_EFFORT)
        detector.wait_for_status(
            'input', ERROR, f'no images from {NAMESPACE}/client: it publishes '
            f'sensor_msgs/msg/Image on {NAMESPACE}/image/compressed, where this node takes '
            'sensor_msgs/msg/CompressedImage (parameter image_transport)')
        detector.node.destroy_publisher(publisher)
        detector.wait_for_status('input', OK)
    detector.connect()


# -- transitions -------------------------------------------------------------------------------

def without_files(folder):
    shutil.rmtree(folder / 'small')
    return {}, 'cannot be read: No such file or directory'


def with_another_hash(folder):
    with (folder / 'small' / 'fp32.onnx').open('ab') as file:
        file.write(b'\0')
    return {}, 'fp32.onnx is not the file that the manifest names: its sha256 is'


def with_fewer_labels(folder):
    manifest = yaml.safe_load((folder / 'manifest.yaml').read_text())
    manifest['models']['small']['labels'].pop()
    (folder / 'manifest.yaml').write_text(yaml.safe_dump(manifest))
    return {}, '4 labels and input 160 x 96 need head maps'


def without_manifest(folder):
    (folder / 'manifest.yaml').unlink()
    return {}, 'manifest.yaml cannot be read: No such file'


def of_another_name(_folder):
    return {'model': 'large'}, "names no model 'large'; it has small"


def of_another_file(folder):
    return {'model': str(folder / 'mine.onnx')}, 'mine.onnx cannot be read'


def on_a_backend_not_installed(_folder):
    return {'backend': 'openvino'}, 'OpenVINO cannot be imported'


def on_a_backend_not_known(_folder):
    return {'backend': 'abacus'}, "there is no backend 'abacus'; there are onnxruntime"


def on_another_device(_folder):
    return {'device': 'abacus'}, "onnxruntime runs on cpu, cuda, tensorrt, not 'abacus'"


@pytest.mark.parametrize('spoil', [
    without_files, with_another_hash, with_fewer_labels, without_manifest, of_another_name,
    of_another_file, on_a_backend_not_installed, on_a_backend_not_known, on_another_device])
def test_a_model_that_cannot_be_loaded_fails_the_transition(
        detector, process, small_models, tmp_path, spoil):
    folder = tmp_path / 'models'
    shutil.copytree(small_models, folder)
    changes, text = spoil(folder)
    changes['models_dir'] = str(folder)
    lines_before = len(process.output().splitlines())
    assert detector.transition('deactivate')
    assert detector.transition('cleanup')
    with detector.parameters(**changes):
        assert not detector.transition('configure')
        assert detector.state() == 'unconfigured'
        detector.wait_for_status('detector', ERROR, text)
    lines = process.output().splitlines()[lines_before:]
    assert len(lines) == 1, lines
    assert 'not configured: ' in lines[0]
    assert text in lines[0]
    # and with what it had before, it goes on
    assert detector.transition('configure')
    detector.wait_for_status('detector', OK, 'inactive')
    assert detector.transition('activate')
    detector.connect()
    assert_still_detects(detector)


def test_once_around_its_life(detector):
    assert detector.state() == 'active'
    assert not detector.transition('configure')  # not from here
    assert detector.state() == 'active'
    assert detector.transition('deactivate')
    detector.wait_for_status('detector', OK, 'inactive')
    assert detector.set(class_confidence__light=0.4) == []
    assert detector.transition('activate')
    detector.connect()
    assert_still_detects(detector)
    assert detector.get('class_confidence.light') == 0.4
    assert detector.transition('deactivate')
    assert detector.transition('cleanup')
    assert detector.state() == 'unconfigured'
    detector.wait_for_status('detector', OK, 'unconfigured')
    assert detector.transition('configure')
    assert detector.state() == 'inactive'
    assert detector.get('class_confidence.light') == 0.4  # kept, as every parameter is
    assert detector.set(class_confidence__light=0.0) == []
    assert detector.transition('activate')
    assert detector.state() == 'active'
    detector.connect()
    assert_still_detects(detector)
    # the counts begin anew
    assert 0 < int(detector.statuses['input'][2]['received']) < 200


# -- load, and a network that fails ------------------------------------------------------------

@pytest.fixture(scope='module')
def hostile_models(tmp_path_factory):
    return write_hostile_model(tmp_path_factory.mktemp('hostile'))


@pytest.fixture
def hostile(domain_id, hostile_models, tmp_path):
    """Return a client and a process whose network is slow and fails on some images."""
    with DetectorProcess(tmp_path, domain_id, {
        'model': 'hostile', 'models_dir': str(hostile_models), 'threads': 1,
        'diagnostics.period': 0.1, 'diagnostics.max_allowed_processing_time_ms': 60000.0,
        'diagnostics.max_image_gap_ms': 60000.0}, namespace='/hostile') as process, \
            contextlib.closing(Client(domain_id, '/hostile')) as client:
        client.wait_for_status('input', OK)
        client.connect()
        yield client, process


def test_ten_times_the_images_that_it_can_serve(hostile):
    client, process = hostile
    before = len(client.detections)
    for _ in range(5):
        client.ask(client.image(PICTURE))
    client.wait_for(lambda: len(client.reports) == len(client.detections), 'all reports')
    period = min(report.total_ms for report in client.reports) / 1e3 / 10
    already = client.reports[-1].received
    sent = 0
    pace = threading.Event()  # never set: it waits for the time only
    start = time.monotonic()
    while int(client.statuses['input'][2]['dropped_overwritten']) < 20:
        assert time.monotonic() < start + PATIENCE, (sent, period, client.statuses)
        client.image_publisher.publish(client.image(PICTURE))
        sent += 1
        pace.wait(max(0.0, start + sent * period - time.monotonic()))
    client.forget_statuses()

    def settled():
        values = client.statuses['input'][2] if 'input' in client.statuses else None
        return values and int(values['received']) == handled(values) and values
    values = client.wait_for(settled, 'the last one')
    received, answered = int(values['received']), int(values['answered'])
    assert already < received <= already + sent  # what the middleware dropped never came
    assert (int(values['dropped_too_old']), int(values['dropped_bad'])) == (0, 0)
    # each one that it says it has answered has come, and under way were never more than two
    client.wait_for(lambda: len(client.reports) == answered, 'all reports')
    assert len(client.detections) == answered > before
    for report in client.reports:
        done = (report.answered + report.dropped_overwritten + report.dropped_too_old
                + report.dropped_bad)
        assert 0 <= report.received - done <= 2
    # Ctrl-C under fire
    for _ in range(20):
        client.image_publisher.publish(client.image(PICTURE))
    assert process.end(signal.SIGINT) == 0
    assert 'Traceback' not in process.output()


def test_a_network_that_fails_on_an_image(hostile):
    client, process = hostile
    bright = PICTURE.copy()
    bright[0, 0] = FAILS_AT
    message = client.image(bright)
    client.image_publisher.publish(message)
    client.wait_for_status('detector', ERROR, 'inference failed: ONNX Runtime failed')
    client.wait_for(lambda: client.statuses['input'][2]['dropped_bad'] == '1', 'the counter')
    assert len(client.ask(client.image(PICTURE)).detections) == 1
    assert not [one for one in client.detections if one.header.stamp == message.header.stamp]
    assert 'inference failed: ONNX Runtime failed' in process.output()
    for _ in range(20):
        client.image_publisher.publish(client.image(PICTURE))
    assert process.end(signal.SIGTERM) == 0
    assert 'Traceback' not in process.output()


HANGING = """
import sys, threading
from tsr_ros.backends.detector import Detector
from tsr_ros.nodes import detector_node

Detector.detect = lambda detector, image: threading.Event().wait()
detector_node.PATIENCE = 0.1
sys.exit(detector_node.main())
"""


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_backend_that_hangs(domain_id, small_models, tmp_path, number):
    script = tmp_path / 'hanging_node.py'
    script.write_text(HANGING)
    with DetectorProcess(tmp_path, domain_id, {
        'model': 'small', 'models_dir': str(small_models), 'threads': 1,
        'diagnostics.period': 0.1, 'diagnostics.max_acceptable_consecutive_delay_ms': 100.0},
        namespace='/hanging', script=script) as process, \
            contextlib.closing(Client(domain_id, '/hanging')) as client:

        def hangs():
            client.image_publisher.publish(client.image(PICTURE))
            return 'no answer yet to an image' in client.statuses.get('latency', (0, ''))[1]
        client.wait_for(hangs, 'the hang')
        assert not client.transition('deactivate')
        client.wait_for_status('detector', ERROR, 'not stopped, as the backend has been at work')
        assert client.state() == 'active'
        assert process.end(number) == 1
    line = process.output().splitlines()[-1]
    assert line.startswith('detector_node: ended although the backend has been at work on one')
    assert 'Traceback' not in process.output()


# -- starts that go wrong ----------------------------------------------------------------------

@pytest.mark.parametrize(
    ('parameters', 'text'),
    [
        ({'confidence_threshold': 7.5}, 'confidence_threshold out of range'),
        ({'confidence_threshold': 1}, "'confidence_threshold' to '1' of type 'INTEGER'"),
        ({'precision': 'fp17'}, "precision is 'fp17'; it can be auto or fp32"),
        ({'class_confidence.light': 1.5}, 'class_confidence.light out of range'),
        ({'class_confidence.light': 1}, "'class_confidence.light' to '1' of type 'INTEGER'"),
    ],
)
def test_a_start_with_a_bad_parameter_ends_with_one_line(domain_id, tmp_path, parameters, text):
    with DetectorProcess(tmp_path, domain_id, parameters, namespace='/bad') as process:
        assert process.wait() == 2
    lines = process.output().splitlines()
    assert len(lines) == 1, lines
    assert text in lines[0]


@pytest.mark.parametrize(('arguments', 'text'), [
    (['--params-file', 'nowhere.yaml'], 'nowhere.yaml'),
    (['-p', 'confidence_threshold'], '-p confidence_threshold'),
    (['--nonsense'], '--nonsense'),
])
def test_a_start_with_arguments_that_ros_does_not_take_ends_with_one_line(
        capsys, arguments, text):
    assert main(['detector_node', '--ros-args', *arguments]) == 2
    line, = capsys.readouterr().err.splitlines()
    assert line.startswith('detector_node: ROS cannot start with these arguments: ')
    assert text in line


def test_without_autostart_it_waits_to_be_asked(domain_id, small_models, tmp_path):
    with DetectorProcess(tmp_path, domain_id, {
        'autostart': False, 'model': 'small', 'models_dir': str(small_models),
        'diagnostics.period': 0.1}, namespace='/waiting') as process, \
            contextlib.closing(Client(domain_id, '/waiting')) as client:
        client.wait_for_status('detector', OK, 'unconfigured')
        assert client.state() == 'unconfigured'
        assert client.transition('configure')
        assert client.transition('activate')
        client.connect()
        assert client.transition('shutdown')
        client.wait_for_status('detector', OK, 'finalized')
        assert client.state() == 'finalized'
        assert process.end() == 0
    assert 'Traceback' not in process.output()

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
from helpers import LABELS, square_image
from node_harness import LATCHED, NAMESPACE, NODE, boxes
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import LabelInfo

OK, WARN, ERROR = b'\0', b'\1', b'\2'

# twice as large as the network's input and wider, so that it lies between grey bars there
SQUARES = [(16, 64, 32, 0), (128, 30, 32, 1), (240, 90, 32, 2)]
PICTURE = square_image(SQUARES, (320, 150))
EXPECTED = [(LABELS[class_id], left, top, left + width, top + width)
            for left, top, width, class_id in SQUARES]
EMPTY = square_image([], (320, 150))
PIXELS = 1.5  # the small model finds edges to half a pixel of its input


def assert_found(answer, expected=EXPECTED, tolerance=PIXELS):
    found = boxes(answer)
    assert [box[0] for box in found] == [box[0] for box in expected]
    assert np.abs(np.array([box[1:] for box in found])
                  - np.array([box[1:] for box in expected])).max() <= tolerance


def yuv422(bgr, order):
    """Pack by ITU-R BT.601, 16 to 235; each two pixels share their mean colour."""
    b, g, r = np.moveaxis(bgr.astype(float), 2, 0)
    y = 16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255
    u = 128 + (-37.797 * r - 74.203 * g + 112.0 * b) / 255
    v = 128 + (112.0 * r - 93.786 * g - 18.214 * b) / 255
    u, v = ((c[:, ::2] + c[:, 1::2]) / 2 for c in (u, v))
    parts = {'y': y[:, ::2], 'Y': y[:, 1::2], 'u': u, 'v': v}
    packed = np.stack([parts[name] for name in order], axis=2).round().astype(np.uint8)
    return packed.reshape(*bgr.shape[:2], 2)


def bayer(bgr, pattern):
    """Keep one colour of each pixel: `pattern` names those of two rows of two."""
    mosaic = np.empty(bgr.shape[:2], np.uint8)
    for place, colour in enumerate(pattern):
        row, column = divmod(place, 2)
        mosaic[row::2, column::2] = bgr[row::2, column::2, 'bgr'.index(colour)]
    return mosaic


def opaque(bgr):
    return np.dstack([bgr, np.full(bgr.shape[:2], 255, np.uint8)])


@pytest.mark.parametrize(
    ('encoding', 'data'),
    [
        ('bgr8', PICTURE),
        ('rgb8', PICTURE[:, :, ::-1]),
        ('bgra8', opaque(PICTURE)),
        ('rgba8', opaque(PICTURE[:, :, ::-1])),
        ('yuv422', yuv422(PICTURE, 'uyvY')),
        ('yuv422_yuy2', yuv422(PICTURE, 'yuYv')),
        ('bayer_rggb8', bayer(PICTURE, 'rggb')),
        ('bayer_bggr8', bayer(PICTURE, 'bggr')),
        ('bayer_gbrg8', bayer(PICTURE, 'gbrg')),
        ('bayer_grbg8', bayer(PICTURE, 'grbg')),
    ],
)
def test_boxes_in_source_pixels_from_each_encoding(detector, encoding, data):
    message = detector.image(data, encoding)
    answer = detector.ask(message)
    assert answer.header == message.header
    assert [detection.header for detection in answer.detections] == [message.header] * 3
    assert_found(answer)
    assert all(0.35 <= detection.results[0].hypothesis.score <= 1
               for detection in answer.detections)


def test_grey_images_are_answered_with_an_empty_array(detector):
    message = detector.image(cv2.cvtColor(PICTURE, cv2.COLOR_BGR2GRAY), 'mono8')
    answer = detector.ask(message)
    assert (answer.header, len(answer.detections)) == (message.header, 0)


def test_rows_with_padding(detector):
    assert_found(detector.ask(detector.image(PICTURE, step=3 * 320 + 37)))


@pytest.mark.parametrize('is_bigendian', [False, True])
def test_sixteen_bits_in_both_byte_orders(detector, is_bigendian):
    wide = PICTURE.astype('>u2' if is_bigendian else '<u2') * 256
    message = detector.image(wide.astype(wide.dtype.newbyteorder('>' if is_bigendian else '<')),
                             'bgr16')
    message.is_bigendian = int(is_bigendian)
    assert_found(detector.ask(message))


@pytest.mark.parametrize('header_of', ['', 'camera/left optical'])
def test_an_image_without_signs_is_answered_under_its_whole_header(detector, header_of):
    message = detector.image(EMPTY, header=detector.header(header_of))
    answer = detector.ask(message)
    assert (answer.header, len(answer.detections)) == (message.header, 0)


def test_another_size_after_this_one(detector):
    # 1.25 times the input in height, and bars at the sides
    tall = square_image([(30, 40, 40, 2)], (96, 120))
    assert_found(detector.ask(detector.image(tall)), [(LABELS[2], 30, 40, 70, 80)])
    assert_found(detector.ask(detector.image(PICTURE)))


def test_labels_for_one_who_comes_late(detector):
    infos = []
    subscription = detector.subscribe(LabelInfo, NODE + '/label_info', infos.append, LATCHED)
    info = detector.wait_for(lambda: infos and infos[-1], 'the labels')
    assert [(one.class_id, one.class_name) for one in info.class_map] == list(enumerate(LABELS))
    assert info.threshold == pytest.approx(0.35)
    # the threshold that they name is the one in use
    with detector.parameters(confidence_threshold=0.5):
        detector.ask(detector.image(PICTURE))
        detector.wait_for(lambda: infos[-1].threshold == pytest.approx(0.5), 'the new threshold')
    detector.ask(detector.image(EMPTY))
    detector.wait_for(lambda: infos[-1].threshold == pytest.approx(0.35), 'the old threshold')
    detector.node.destroy_subscription(subscription)


def test_latency_report(detector):
    message = detector.image(PICTURE)
    detector.ask(message)
    report = detector.wait_for(
        lambda: [one for one in detector.reports if one.header.stamp == message.header.stamp],
        'the report')[0]
    assert report.header == message.header
    parts = [report.queue_wait_ms, report.decode_ms, report.preprocess_ms, report.inference_ms,
             report.postprocess_ms, report.publish_ms]
    assert min(parts) > 0
    assert sum(parts) <= report.total_ms
    # the stamp says 1970: its age is the clock's own value
    assert report.stamp_age_ms > 1e12
    assert report.answered > 0
    assert report.received >= report.answered + report.dropped_bad


def test_an_image_without_a_stamp_has_no_age(detector):
    message = detector.image(EMPTY)
    message.header.stamp.sec = message.header.stamp.nanosec = 0
    before = len(detector.reports)
    detector.ask(message)
    report = detector.wait_for(lambda: detector.reports[before:], 'the report')[0]
    assert np.isnan(report.stamp_age_ms)


def test_diagnostics(detector):
    detector.ask(detector.image(PICTURE))
    detector.forget_statuses()
    values = detector.wait_for_status('detector', OK)
    assert (values['state'], values['model'], values['precision']) == ('active', 'small', 'fp32')
    assert (values['device'], values['threads']) == ('cpu', '1')
    assert values['backend'].startswith('onnxruntime ')
    values = detector.wait_for_status('input', OK)
    assert values['topic'] == NAMESPACE + '/image'
    assert (values['publishers'], values['reliability']) == ('1', 'best_effort')
    values = detector.wait_for_status('latency', OK)
    for stage in ('decode', 'preprocess', 'inference', 'postprocess', 'publish'):
        times = [float(values[f'{stage}_time_ms/{which}']) for which in
                 ('p50', 'p95', 'p99', 'max')]
        assert times == sorted(times)
    assert float(values['processing_time_ms/p50']) >= float(values['inference_time_ms/p50'])


# -- parameters --------------------------------------------------------------------------------

@pytest.mark.parametrize(
    ('changes', 'left_over'),
    [
        ({'confidence_threshold': 1.0}, []),
        ({'class_confidence__prohibition': 1.0}, EXPECTED[1:]),
        # a class's own threshold holds, be it lower than that of all
        ({'confidence_threshold': 1.0, 'class_confidence__warning': 0.2}, EXPECTED[2:]),
        ({'iou_threshold': 0.0}, EXPECTED),
    ],
)
def test_thresholds_hold_from_the_next_image_on(detector, changes, left_over):
    with detector.parameters(**changes):
        answer = detector.ask(detector.image(PICTURE))
        if left_over:
            assert_found(answer, left_over)
        else:
            assert not answer.detections
    assert_found(detector.ask(detector.image(PICTURE)))


def test_max_detections_keeps_the_best(detector):
    scores = [detection.results[0].hypothesis.score
              for detection in detector.ask(detector.image(PICTURE)).detections]
    with detector.parameters(max_detections=1):
        kept = detector.ask(detector.image(PICTURE)).detections
    assert [detection.results[0].hypothesis.score for detection in kept] == [max(scores)]


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'confidence_threshold': 1.5}, 'Max: 1.0, value: 1.5'),
        ({'confidence_threshold': float('nan')}, 'out of range'),
        ({'iou_threshold': -0.1}, 'Min: 0.0'),
        ({'class_confidence__light': 2.0}, 'out of range'),
        ({'max_detections': 0}, 'Min: 1'),
        ({'max_frame_age': -1.0}, 'out of range'),
        ({'max_detections': 2.5}, 'Wrong parameter type'),
        ({'draw__jpeg_quality': 101}, 'out of range'),
        ({'frame_age_from': 'birth'}, "is 'birth'; it can be arrival or stamp"),
        ({'model': 'other'}, 'while the node is unconfigured, and it is active'),
        ({'backend': 'pytorch'}, 'while the node is unconfigured, and it is active'),
        ({'device': 'cuda'}, 'while the node is unconfigured, and it is active'),
        ({'autostart': False}, 'read-only'),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(detector, change, reason):
    name = next(iter(change)).replace('__', '.')
    before = detector.get(name)
    reasons = detector.set(**change)
    assert len(reasons) == 1
    assert reason in reasons[0]
    assert detector.get(name) == before


def test_every_parameter_says_what_it_is(detector):
    from rcl_interfaces.srv import DescribeParameters, ListParameters

    from tsr_ros.nodes.parameters import SETTINGS

    names = detector.call(ListParameters, 'list_parameters',
                          ListParameters.Request()).result.names
    own = [setting.name for setting in SETTINGS]
    assert set(own) <= set(names)
    assert {f'class_confidence.{label}' for label in LABELS} <= set(names)
    described = detector.call(
        DescribeParameters, 'describe_parameters', DescribeParameters.Request(names=own))
    for setting, descriptor in zip(SETTINGS, described.descriptors, strict=True):
        assert descriptor.description == setting.description
        ranges = list(descriptor.floating_point_range) + list(descriptor.integer_range)
        assert [(one.from_value, one.to_value) for one in ranges] == (
            [setting.limits] if setting.limits else [])


def test_a_parameter_that_does_not_exist_is_named(process):
    assert 'There are no such parameters: class_confidence.ligth' in process.output()


# -- compressed images, drawing ----------------------------------------------------------------

def test_compressed_images_are_answered_like_raw_ones(detector):
    raw = boxes(detector.ask(detector.image(PICTURE)))
    publisher = detector.node.create_publisher(CompressedImage, 'image/compressed', LATCHED)
    _, png = cv2.imencode('.png', PICTURE)
    _, jpeg = cv2.imencode('.jpg', PICTURE, (cv2.IMWRITE_JPEG_QUALITY, 95))
    with detector.configured(image_transport='compressed'):
        detector.connect(publisher, lambda: detector.compressed(png))
        message = detector.compressed(png)
        answer = detector.ask(message, publisher)
        assert answer.header == message.header
        assert boxes(answer) == raw  # PNG loses nothing
        assert_found(detector.ask(detector.compressed(jpeg), publisher))
        # the policies are those of the overrides
        values = detector.wait_for_status('input', OK)
        assert (values['topic'], values['reliability'], values['durability']) == (
            NAMESPACE + '/image/compressed', 'reliable', 'transient_local')

        bad = detector.compressed(jpeg[:len(jpeg) // 2])
        dropped = int(values['dropped_bad'])
        publisher.publish(bad)
        detector.wait_for_status('detector', WARN, 'image not decoded: JPEG')
        detector.wait_for(lambda: int(detector.statuses['input'][2]['dropped_bad']) == dropped + 1,
                          'the counter')
        assert_found(detector.ask(detector.compressed(jpeg), publisher))
    detector.node.destroy_publisher(publisher)
    detector.connect()


def test_annotated_images_for_those_who_listen(detector):
    pictures, jpegs = [], []
    raw = detector.subscribe(Image, NODE + '/image_annotated', pictures.append)
    jpeg = detector.subscribe(
        CompressedImage, NODE + '/image_annotated/compressed', jpegs.append)

    def listened_to():
        detector.image_publisher.publish(detector.image(PICTURE))
        return pictures and jpegs
    detector.wait_for(listened_to, 'annotated images')
    message = detector.image(PICTURE)
    detector.ask(message)
    found = detector.wait_for(
        lambda: [one for one in pictures if one.header == message.header], 'the picture')[0]
    assert (found.encoding, found.width, found.height, found.step) == ('bgr8', 320, 150, 960)
    drawn = np.frombuffer(found.data, np.uint8).reshape(150, 320, 3)
    unlike = (drawn != PICTURE).any(axis=2)
    assert unlike[64:97, 16].all()  # the left edge of the first box
    assert not unlike[66:94, 20:46].any()  # and its inside is as it was
    packed = detector.wait_for(
        lambda: [one for one in jpegs if one.header == message.header], 'the JPEG')[0]
    unpacked = cv2.imdecode(np.frombuffer(packed.data, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(unpacked.astype(int) - drawn).mean() < 6
    detector.node.destroy_subscription(raw)
    detector.node.destroy_subscription(jpeg)

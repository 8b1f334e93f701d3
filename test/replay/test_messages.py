# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is written here is read by ROS 2's own code, and the other way round."""

import cv2
import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from vision_msgs.msg import Detection2D, Detection2DArray, LabelInfo, ObjectHypothesisWithPose

from tsr_ros.evaluation.ground_truth import LABELS, GroundTruth
from tsr_ros.replay import messages
from tsr_ros.vision.image_codecs import ImageError

STAMP_NS = 12_000_000_345
PICTURE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
TRUTH = GroundTruth.of(
    [[10, 20, 30, 50], [0.5, 1.25, 8, 9]], [4, 0], ['light_3', 'stop_7'],
    [[1.5, -2, 30], [np.nan] * 3], [0.75, 1.0])


def ros(message, ros_type):
    """Return a message of ours as ROS 2 reads it."""
    data = messages.typestore().serialize_cdr(message, message.__msgtype__)
    return deserialize_message(bytes(data), ros_type)


def ours(message, type_name):
    """Return a message of ROS 2 as it is read here."""
    return messages.typestore().deserialize_cdr(serialize_message(message), type_name)


def test_image():
    message = ros(messages.image(PICTURE, STAMP_NS), Image)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 345)
    assert message.header.frame_id == 'camera_optical_frame'
    assert (message.width, message.height, message.step) == (6, 4, 18)
    assert message.encoding == 'bgr8'
    assert bytes(message.data) == PICTURE.tobytes()


@pytest.mark.parametrize(('suffix', 'name'), [('.jpg', 'jpeg'), ('.png', 'png')])
def test_compressed_image(suffix, name):
    data = cv2.imencode(suffix, PICTURE)[1].tobytes()
    message = ros(messages.compressed_image(data, STAMP_NS), CompressedImage)
    assert message.format == f'bgr8; {name} compressed bgr8'
    assert bytes(message.data) == data


@pytest.mark.parametrize(('focal_px', 'k', 'p', 'r'), [
    (0, [0] * 9, [0] * 12, [0] * 9),
    (500, [500, 0, 320, 0, 500, 180, 0, 0, 1], [500, 0, 320, 0, 0, 500, 180, 0, 0, 0, 1, 0],
     [1, 0, 0, 0, 1, 0, 0, 0, 1]),
])
def test_camera_info(focal_px, k, p, r):
    message = ros(messages.camera_info((640, 360), STAMP_NS, focal_px), CameraInfo)
    assert (message.width, message.height) == (640, 360)
    np.testing.assert_array_equal(message.k, k)
    np.testing.assert_array_equal(message.p, p)
    np.testing.assert_array_equal(message.r, r)
    np.testing.assert_array_equal(message.d, [0] * 5)


def test_no_detections():
    message = ros(messages.detections(GroundTruth.of(), LABELS, STAMP_NS), Detection2DArray)
    assert message.header.stamp.sec == 12
    assert list(message.detections) == []


def test_detections():
    message = ros(messages.detections(TRUTH, LABELS, STAMP_NS), Detection2DArray)
    light, stop = message.detections
    assert light.id == 'light_3'
    assert light.results[0].hypothesis.class_id == 'light'
    assert light.results[0].hypothesis.score == 0.75
    box = light.bbox
    assert (box.center.position.x, box.center.position.y, box.size_x, box.size_y) == (
        20, 35, 20, 30)
    place = light.results[0].pose.pose.position
    assert (place.x, place.y, place.z) == (1.5, -2, 30)
    assert light.results[0].pose.pose.orientation.w == 1
    unknown = stop.results[0].pose.pose.position
    assert (unknown.x, unknown.y, unknown.z) == (0, 0, 0)


@pytest.mark.parametrize('truth', [GroundTruth.of(), TRUTH])
def test_ground_truth_comes_back(truth):
    message = messages.detections(truth, LABELS, STAMP_NS)
    back = messages.to_ground_truth(message, LABELS)
    assert back.track_id == truth.track_id
    for name in ('xyxy', 'class_id', 'position_m', 'visible'):
        np.testing.assert_allclose(getattr(back, name), getattr(truth, name))


def test_best_hypothesis_counts_and_boxes_without_one_do_not():
    def hypothesis(class_id, score):
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id, result.hypothesis.score = class_id, score
        return result

    message = Detection2DArray()
    message.detections = [
        Detection2D(), Detection2D(results=[hypothesis('2', 0.25), hypothesis('light', 0.5)])]
    truth = messages.to_ground_truth(ours(message, messages.DETECTIONS), LABELS)
    assert truth.class_id.tolist() == [4]
    assert truth.visible.tolist() == [0.5]


@pytest.mark.parametrize('class_id', ['lamp', '5', '-1', ''])
def test_unknown_class(class_id):
    result = ObjectHypothesisWithPose()
    result.hypothesis.class_id = class_id
    message = ours(Detection2DArray(detections=[Detection2D(results=[result])]),
                   messages.DETECTIONS)
    with pytest.raises(ValueError, match=f"class '{class_id}' is not one of prohibition, "):
        messages.to_ground_truth(message, LABELS)


def test_label_info():
    message = ros(messages.label_info(['a', 'b'], STAMP_NS), LabelInfo)
    assert [(entry.class_id, entry.class_name) for entry in message.class_map] == [
        (0, 'a'), (1, 'b')]


@pytest.mark.parametrize(('encoding', 'data'), [
    ('bgr8', PICTURE), ('rgb8', PICTURE[..., ::-1]),
])
def test_images_of_others(encoding, data):
    message = Image(width=6, height=4, step=18, encoding=encoding)
    message.data = data.tobytes()
    np.testing.assert_array_equal(messages.to_bgr(ours(message, messages.IMAGE)), PICTURE)


def test_compressed_images_of_others():
    message = CompressedImage(format='png', data=cv2.imencode('.png', PICTURE)[1].tobytes())
    np.testing.assert_array_equal(
        messages.to_bgr(ours(message, messages.COMPRESSED_IMAGE)), PICTURE)


@pytest.mark.parametrize('message', [
    Image(width=6, height=4, step=18, encoding='bgr8'),
    Image(width=6, height=4, step=18, encoding='unheard-of'),
])
def test_corrupt_images(message):
    with pytest.raises(ImageError):
        messages.to_bgr(ours(message, messages.IMAGE))

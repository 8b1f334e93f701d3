# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import sys
import time
import types

import numpy as np
import pytest
import rclpy
from helpers import LABELS, square_image
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from tsr_ros.nodes import annotated_images
from tsr_ros.nodes.conversions import (
    to_bgr,
    to_compressed_image,
    to_detection_array,
    to_image,
    to_label_info,
)
from tsr_ros.vision.detections import Detections
from tsr_ros.vision.image_codecs import ImageError

HEADER = Header(frame_id='camera')


def test_a_picture_there_and_back():
    picture = square_image([(4, 6, 10, 1)], (30, 20))
    message = to_image(picture, HEADER)
    assert (message.header, message.encoding, message.step) == (HEADER, 'bgr8', 90)
    back = to_bgr(message)
    assert np.array_equal(back, picture)
    assert np.shares_memory(back, np.frombuffer(message.data, np.uint8))  # no copy
    # a part of a picture is not contiguous
    assert np.array_equal(to_bgr(to_image(picture[2:9, 3:7], HEADER)), picture[2:9, 3:7])


def test_compressed_bytes_are_kept():
    data = np.arange(200, dtype=np.uint8)
    message = to_compressed_image(data, HEADER)
    assert isinstance(message, CompressedImage)
    assert bytes(message.data) == data.tobytes()


@pytest.mark.parametrize('converts', [True, False])
def test_an_encoding_that_only_cv_bridge_knows(monkeypatch, converts):
    message = Image(encoding='smell8', height=2, width=2, step=2, data=bytes(4))
    with pytest.raises(ImageError, match='smell8'):  # cv_bridge is not installed
        to_bgr(message)

    class CvBridge:
        def imgmsg_to_cv2(self, message, encoding):
            assert (message.encoding, encoding) == ('smell8', 'bgr8')
            if not converts:
                raise RuntimeError('[smell8] is not a color format')
            return np.full((2, 2, 3), 9, np.uint8)
    monkeypatch.setitem(sys.modules, 'cv_bridge', types.SimpleNamespace(CvBridge=CvBridge))
    if converts:
        assert (to_bgr(message) == 9).all()
    else:
        with pytest.raises(ImageError, match='smell8'):
            to_bgr(message)


def test_detections_as_messages():
    assert to_detection_array(Detections.empty(), LABELS, HEADER).detections == []
    message = to_detection_array(
        Detections(np.array([[10, 20, 30, 60]], np.float32), np.array([0.5], np.float32),
                   np.array([2], np.int32)), LABELS, HEADER)
    one, = message.detections
    assert one.header == message.header == HEADER
    box = one.bbox
    assert (box.center.position.x, box.center.position.y, box.size_x, box.size_y) == (
        20, 40, 20, 40)
    hypothesis = one.results[0].hypothesis
    assert (hypothesis.class_id, hypothesis.score) == ('warning', 0.5)


def test_label_info():
    message = to_label_info(LABELS, 0.25, HEADER)
    assert [(one.class_id, one.class_name) for one in message.class_map] == list(
        enumerate(LABELS))
    assert message.threshold == 0.25


def test_nothing_is_drawn_for_nobody(monkeypatch):
    drawn = []
    monkeypatch.setattr(annotated_images, 'draw_detections',
                        lambda bgr, *_, **__: drawn.append(bgr) or bgr)
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('drawing', context=context)
    node.open_publisher = node.create_publisher
    for name, value in (('labels', True), ('line_width', 0), ('jpeg_quality', 85)):
        node.declare_parameter('draw.' + name, value)
    try:
        images = annotated_images.AnnotatedImages(node, LABELS)
        picture = square_image([])
        images.publish(picture, Detections.empty(), HEADER)
        assert not drawn
        node.create_subscription(Image, '~/image_annotated', print, 1)
        deadline = time.monotonic() + 60
        while not drawn:
            assert time.monotonic() < deadline
            images.publish(picture, Detections.empty(), HEADER)
        assert drawn == [picture]
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)

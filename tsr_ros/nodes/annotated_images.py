# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

import cv2
from sensor_msgs.msg import CompressedImage, Image

from tsr_ros.vision.draw import draw_detections

from . import qos
from .conversions import to_compressed_image, to_image

TOPIC = '~/image_annotated'


class AnnotatedImages:
    """
    Publish the images with what was found drawn into them, raw and as JPEG.

    Nothing is drawn, copied or packed that nobody listens to.

    :param node: the DetectorNode; its parameters draw.* say how, it releases the publishers.
    :param labels: names by class id.
    """

    def __init__(self, node, labels):
        self._node = node
        self._labels = labels
        self._raw = node.open_publisher(Image, TOPIC, qos.results())
        self._jpeg = node.open_publisher(CompressedImage, TOPIC + '/compressed', qos.results())

    def publish(self, bgr, detections, header) -> None:
        """Draw into a copy of a picture, uint8 (H, W, 3), and publish it, if somebody listens."""
        raw = self._raw.get_subscription_count() > 0
        jpeg = self._jpeg.get_subscription_count() > 0
        if not raw and not jpeg:
            return
        picture = draw_detections(bgr, detections, self._labels, copy=True,
                                  line_width=self._value('line_width'),
                                  show_labels=self._value('labels'))
        if raw:
            self._raw.publish(to_image(picture, header))
        if jpeg:
            _, data = cv2.imencode('.jpg', picture, (
                cv2.IMWRITE_JPEG_QUALITY, self._value('jpeg_quality')))
            self._jpeg.publish(to_compressed_image(data, header))

    def _value(self, name):
        return self._node.get_parameter('draw.' + name).value

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ROS messages to arrays and back. The only place where the two meet."""

import array

import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesisWithPose,
    VisionClass,
)

from tsr_ros.vision.image_codecs import ImageError, decode_compressed, decode_image


def to_bgr(message) -> np.ndarray:
    """
    Return the picture of a sensor_msgs/Image or CompressedImage.

    :return: uint8 (H, W, 3) in BGR order; a view of the message where its layout allows.
    :raises ImageError: where the picture is corrupt or its encoding not known.
    """
    if isinstance(message, CompressedImage):
        return decode_compressed(message.data)
    try:
        return decode_image(message.data, message.encoding, message.width, message.height,
                            message.step, bool(message.is_bigendian))
    except ImageError:
        converted = _through_cv_bridge(message)
        if converted is None:
            raise
        return converted


def _through_cv_bridge(message):
    """Return the picture as cv_bridge sees it, or None where it is not installed or fails too."""
    try:
        from cv_bridge import CvBridge
    except ImportError:
        return None
    try:
        return CvBridge().imgmsg_to_cv2(message, 'bgr8')
    except Exception:  # cv_bridge passes on whatever OpenCV, Boost or NumPy throw
        return None


def to_image(bgr: np.ndarray, header) -> Image:
    """Return a bgr8 message of a picture, uint8 (H, W, 3)."""
    message = Image()
    message.header = header
    message.height, message.width = bgr.shape[:2]
    message.encoding = 'bgr8'
    message.step = 3 * message.width
    message.data = _to_array(bgr)
    return message


def to_compressed_image(jpeg: np.ndarray, header) -> CompressedImage:
    """Return a message of a JPEG file's bytes, uint8 (N,)."""
    message = CompressedImage()
    message.header = header
    message.format = 'bgr8; jpeg compressed bgr8'
    message.data = _to_array(jpeg)
    return message


def _to_array(data):
    """Return what a message takes over as it is; the bytes of anything else it checks singly."""
    result = array.array('B')
    result.frombytes(np.ascontiguousarray(data).data.cast('B'))
    return result


def set_box(box, x1: float, y1: float, x2: float, y2: float) -> None:
    """Write left, top, right and bottom into a vision_msgs/BoundingBox2D."""
    box.center.position.x = (x1 + x2) / 2
    box.center.position.y = (y1 + y2) / 2
    box.size_x = x2 - x1
    box.size_y = y2 - y1


def to_detection_array(detections, labels, header, ids=()) -> Detection2DArray:
    """
    Return a message of boxes in source pixels.

    :param detections: vision Detections: xyxy (N, 4), score (N,), class_id (N,).
    :param labels: names by class id; they become the messages' class ids.
    :param header: of the source image, used whole for the array and each detection.
    :param ids: of the signs that the boxes belong to, one for each, or none.
    """
    message = Detection2DArray()
    message.header = header
    # rows as plain numbers: reading NumPy scalars one by one costs more than the messages
    rows = zip(detections.xyxy.tolist(), detections.score.tolist(), detections.class_id.tolist())
    for index, ((x1, y1, x2, y2), score, class_id) in enumerate(rows):
        detection = Detection2D()
        detection.header = header
        if ids:
            detection.id = ids[index]
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id = labels[class_id]
        result.hypothesis.score = score
        detection.results.append(result)
        set_box(detection.bbox, x1, y1, x2, y2)
        message.detections.append(detection)
    return message


def to_label_info(labels, threshold: float, header) -> LabelInfo:
    """Return the message that names the classes behind the ids."""
    message = LabelInfo()
    message.header = header
    message.threshold = threshold
    message.class_map = [VisionClass(class_id=class_id, class_name=label)
                         for class_id, label in enumerate(labels)]
    return message

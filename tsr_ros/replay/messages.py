# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The messages of a recording to arrays and back, without a ROS installation."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from tsr_ros.evaluation.ground_truth import GroundTruth
from tsr_ros.vision.image_codecs import decode_compressed, decode_image

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
DETECTIONS = 'vision_msgs/msg/Detection2DArray'
LABEL_INFO = 'vision_msgs/msg/LabelInfo'
TRANSFORMS = 'tf2_msgs/msg/TFMessage'

CAMERA_FRAME = 'camera_optical_frame'

# As in interfaces/vision_msgs, which is not at hand where only the Python part is installed.
VISION_MSGS = {
    'ObjectHypothesis': 'string class_id\nfloat64 score',
    'ObjectHypothesisWithPose':
        'vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose',
    'Point2D': 'float64 x\nfloat64 y',
    'Pose2D': 'vision_msgs/Point2D position\nfloat64 theta',
    'BoundingBox2D': 'vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y',
    'Detection2D':
        'std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n'
        'vision_msgs/BoundingBox2D bbox\nstring id',
    'Detection2DArray': 'std_msgs/Header header\nvision_msgs/Detection2D[] detections',
    'VisionClass': 'uint16 class_id\nstring class_name',
    'LabelInfo': 'std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold',
}


@cache
def typestore() -> Typestore:
    """Return the message types of a ROS 2 with vision_msgs 4."""
    store = get_typestore(Stores.ROS2_KILTED)
    types = {}
    for name, text in VISION_MSGS.items():
        types.update(get_types_from_msg(text, f'vision_msgs/msg/{name}'))
    store.register(types)
    return store


def make(type_name: str, **fields: Any) -> Any:
    """Return a message; `type_name` is written as in recordings: `std_msgs/msg/Header`."""
    return typestore().types[type_name](**fields)


def header(stamp_ns: int, frame_id: str = CAMERA_FRAME) -> Any:
    """Return a std_msgs/Header; the stamp is in nanoseconds."""
    stamp = make('builtin_interfaces/msg/Time', sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return make('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id)


def stamp_ns(message: Any) -> int:
    """Return the stamp in a message's header, nanoseconds."""
    stamp = message.header.stamp
    return stamp.sec * 10**9 + stamp.nanosec


def image(bgr: np.ndarray, stamp_ns: int) -> Any:
    """Return a sensor_msgs/Image of a BGR picture, uint8 (H, W, 3)."""
    height, width = bgr.shape[:2]
    return make(IMAGE, header=header(stamp_ns), height=height, width=width,
                encoding='bgr8', is_bigendian=0, step=3 * width,
                data=np.ascontiguousarray(bgr).reshape(-1))


def compressed_image(data: bytes, stamp_ns: int) -> Any:
    """Return a sensor_msgs/CompressedImage of a JPEG or PNG file's bytes."""
    kind = 'png' if data[:4] == b'\x89PNG' else 'jpeg'
    return make(COMPRESSED_IMAGE, header=header(stamp_ns),
                format=f'bgr8; {kind} compressed bgr8', data=np.frombuffer(data, np.uint8))


def to_bgr(message: Any) -> np.ndarray:
    """
    Return the picture of an Image or CompressedImage, uint8 (H, W, 3).

    :raises ImageError: where it is corrupt or its encoding not known.
    """
    if message.__msgtype__ == COMPRESSED_IMAGE:
        return decode_compressed(message.data)
    return decode_image(message.data, message.encoding, message.width, message.height,
                        message.step, bool(message.is_bigendian))


def camera_info(resolution_wh: tuple[int, int], stamp_ns: int, focal_px: float = 0.0) -> Any:
    """
    Return a sensor_msgs/CameraInfo of a pinhole camera that looks through the image's centre.

    :param focal_px: focal length in pixels; 0: not calibrated, told by zeros.
    """
    width, height = resolution_wh
    calibrated = float(focal_px > 0)
    k = np.array([focal_px, 0, width / 2 * calibrated, 0, focal_px, height / 2 * calibrated,
                  0, 0, calibrated])
    p = np.insert(k.reshape(3, 3), 3, 0.0, axis=1).reshape(-1)
    roi = make('sensor_msgs/msg/RegionOfInterest', x_offset=0, y_offset=0, height=0, width=0,
               do_rectify=False)
    return make(CAMERA_INFO, header=header(stamp_ns), height=height, width=width,
                distortion_model='plumb_bob', d=np.zeros(5), k=k,
                r=np.eye(3).reshape(-1) * calibrated, p=p, binning_x=0, binning_y=0, roi=roi)


def detections(truth: GroundTruth, labels: Sequence[str], stamp_ns: int) -> Any:
    """
    Return a vision_msgs/Detection2DArray of ground truth.

    The class id is the label, the score the share that is visible, the id the track, and the
    position of the pose, where known, the object's place in the camera's optical frame.
    """
    boxes = []
    for (x1, y1, x2, y2), class_id, track, position, visible in zip(*(
            field.tolist() if isinstance(field, np.ndarray) else field for field in truth)):
        x, y, z = position if np.isfinite(position).all() else (0.0, 0.0, 0.0)
        pose = make('geometry_msgs/msg/Pose',
                    position=make('geometry_msgs/msg/Point', x=x, y=y, z=z),
                    orientation=make('geometry_msgs/msg/Quaternion', x=0.0, y=0.0, z=0.0, w=1.0))
        result = make(
            'vision_msgs/msg/ObjectHypothesisWithPose',
            hypothesis=make('vision_msgs/msg/ObjectHypothesis', class_id=labels[class_id],
                            score=visible),
            pose=make('geometry_msgs/msg/PoseWithCovariance', pose=pose,
                      covariance=np.zeros(36)))
        centre = make('vision_msgs/msg/Pose2D', theta=0.0, position=make(
            'vision_msgs/msg/Point2D', x=(x1 + x2) / 2, y=(y1 + y2) / 2))
        boxes.append(make(
            'vision_msgs/msg/Detection2D', header=header(stamp_ns), results=[result],
            bbox=make('vision_msgs/msg/BoundingBox2D', center=centre, size_x=x2 - x1,
                      size_y=y2 - y1), id=track))
    return make(DETECTIONS, header=header(stamp_ns), detections=boxes)


def to_ground_truth(message: Any, labels: Sequence[str]) -> GroundTruth:
    """
    Return the ground truth in a vision_msgs/Detection2DArray.

    :param labels: names by class id; a message may give the name or the number.
    :raises ValueError: for a class that is not among them, or a message not of vision_msgs 4.
    """
    xyxy, class_id, tracks, positions, visible = [], [], [], [], []
    try:
        for box in message.detections:
            if not box.results:
                continue
            x, y = box.bbox.center.position.x, box.bbox.center.position.y
            half_width, half_height = box.bbox.size_x / 2, box.bbox.size_y / 2
            xyxy.append((x - half_width, y - half_height, x + half_width, y + half_height))
            best = max(box.results, key=lambda result: result.hypothesis.score)
            class_id.append(_class_id(best.hypothesis.class_id, labels))
            tracks.append(box.id)
            place = best.pose.pose.position
            known = any((place.x, place.y, place.z))
            positions.append((place.x, place.y, place.z) if known else (np.nan,) * 3)
            visible.append(best.hypothesis.score)
    except AttributeError as error:
        raise ValueError(f'it is not as in vision_msgs 4 ({error})') from None
    return GroundTruth.of(xyxy, class_id, tracks, positions, visible)


def _class_id(name: str, labels: Sequence[str]) -> int:
    if name in labels:
        return list(labels).index(name)
    if name.isdecimal() and int(name) < len(labels):
        return int(name)
    raise ValueError(f"class '{name}' is not one of {', '.join(labels)}")


def label_info(labels: Sequence[str], stamp_ns: int) -> Any:
    """Return the vision_msgs/LabelInfo that names the classes."""
    class_map = [make('vision_msgs/msg/VisionClass', class_id=class_id, class_name=name)
                 for class_id, name in enumerate(labels)]
    return make(LABEL_INFO, header=header(stamp_ns), class_map=class_map, threshold=0.0)


def transform(stamp_ns: int, parent: str, child: str, translation_m: Sequence[float],
              rotation_xyzw: Sequence[float]) -> Any:
    """Return a tf2_msgs/TFMessage that places one frame in another."""
    x, y, z = (float(value) for value in translation_m)
    qx, qy, qz, qw = (float(value) for value in rotation_xyzw)
    return make(TRANSFORMS, transforms=[make(
        'geometry_msgs/msg/TransformStamped', header=header(stamp_ns, parent),
        child_frame_id=child, transform=make(
            'geometry_msgs/msg/Transform',
            translation=make('geometry_msgs/msg/Vector3', x=x, y=y, z=z),
            rotation=make('geometry_msgs/msg/Quaternion', x=qx, y=qy, z=qz, w=qw)))])

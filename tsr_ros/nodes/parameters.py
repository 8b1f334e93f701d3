# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0

from typing import Any, Callable, NamedTuple, Optional, Sequence, Tuple

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)

# When a parameter may be changed.
ALWAYS = 'at any time'
UNCONFIGURED = 'while the node is unconfigured'
AT_START = 'only when the node is started'

CLASS_CONFIDENCE = 'class_confidence.'


class Setting(NamedTuple):
    """A parameter of the node."""

    name: str
    default: Any
    changeable: str
    description: str
    limits: Optional[Tuple[float, float]] = None
    choices: Optional[Sequence[str]] = None
    read: Optional[Callable[[str], Any]] = None  # what the text stands for; ValueError: why not


def names(text: str):
    """Return the names in a text that has commas between them."""
    return [name.strip() for name in text.split(',') if name.strip()]


def size(text: str):
    """Return (width, height) of a text such as 640x384, or None of an empty one."""
    if not text:
        return None
    parts = text.split('x')
    if len(parts) != 2 or not all(part.isdigit() for part in parts):
        raise ValueError('it must be as in 640x384, width x height, or empty')
    return int(parts[0]), int(parts[1])


SETTINGS = (
    Setting('autostart', True, AT_START,
            'Configure and activate at start. If false, a lifecycle manager does it, or '
            '`ros2 lifecycle set`.'),
    Setting('image_transport', 'raw', UNCONFIGURED,
            'How images come: raw (sensor_msgs/Image on `image`) or compressed (CompressedImage '
            'on `image/compressed`).',
            choices=('raw', 'compressed')),
    Setting('model', 'yolov7-tiny', UNCONFIGURED,
            'Name of a model in the manifest (`tsr models` lists them), or path of a model file '
            'of your own.'),
    Setting('models_dir', '', UNCONFIGURED,
            'Folder with manifest.yaml. Empty: the one that comes with the package.'),
    Setting('backend', 'onnxruntime', UNCONFIGURED,
            'Inference runtime (`tsr doctor` lists those that run here), or auto: the fastest '
            'here, measured once.'),
    Setting('fallback', '', UNCONFIGURED,
            'Inference runtimes that take over when `backend` fails, in that order, with commas '
            'between them.',
            read=names),
    Setting('input_size', '', UNCONFIGURED,
            "Width x height that images are shrunk to for the network, such as 416x416. Smaller "
            "is faster and finds less far. Empty: as the model was trained.",
            read=size),
    Setting('device', 'auto', UNCONFIGURED,
            'Where the runtime computes: auto, cpu, cuda, or as the runtime names it.'),
    Setting('precision', 'auto', UNCONFIGURED,
            'Arithmetic of the network.', choices=('auto', 'fp32', 'fp16', 'bf16', 'int8')),
    Setting('max_accuracy_loss', 0.01, UNCONFIGURED,
            'What `backend: auto` may give up for speed: mAP at IoU 0.5, against fp32.',
            limits=(0.0, 1.0)),
    Setting('threads', 0, UNCONFIGURED,
            'Threads of the runtime on a CPU. 0: one per core.', limits=(0, 256)),
    Setting('confidence_threshold', 0.35, ALWAYS,
            'Detections with a lower score are not published.', limits=(0.01, 1.0)),
    Setting('iou_threshold', 0.45, ALWAYS,
            'Of two boxes of one class that overlap by more (intersection over union), the one '
            'with the lower score goes.',
            limits=(0.0, 1.0)),
    Setting('max_detections', 100, ALWAYS,
            'Most detections published for one image; the best ones stay.', limits=(1, 1000)),
    Setting('max_frame_age', 1.0, ALWAYS,
            'Seconds. An image older than this when the detector is free for it is dropped. '
            '0: no limit.',
            limits=(0.0, 60.0)),
    Setting('frame_age_from', 'arrival', ALWAYS,
            "Where an image's age counts from: its arrival at this node, or its stamp "
            "(for that the camera's clock must agree with this computer's).",
            choices=('arrival', 'stamp')),
    Setting('tracking.confirm_hits', 3, ALWAYS,
            'Images that must show a sign before it is confirmed, of the newest '
            'tracking.confirm_window (all of them if that is less).',
            limits=(1, 60)),
    Setting('tracking.confirm_window', 5, ALWAYS,
            'Number of newest images that tracking.confirm_hits are counted in.',
            limits=(1, 60)),
    Setting('tracking.timeout', 1.0, ALWAYS,
            'Seconds. A sign that no image has shown for this long is forgotten.',
            limits=(0.01, 60.0)),
    Setting('draw.labels', True, ALWAYS,
            'Write class and score beside each box of `~/image_annotated`.'),
    Setting('draw.line_width', 0, ALWAYS,
            'Pixels, of the boxes in `~/image_annotated`. 0: after the size of the image.',
            limits=(0, 20)),
    Setting('draw.jpeg_quality', 85, ALWAYS,
            'Of `~/image_annotated/compressed`.', limits=(1, 100)),
    Setting('diagnostics.period', 1.0, AT_START,
            'Seconds between two messages on /diagnostics.', limits=(0.05, 60.0)),
    Setting('diagnostics.window', 300, UNCONFIGURED,
            'Number of newest images that the percentiles are taken over.', limits=(1, 100000)),
    Setting('diagnostics.max_allowed_processing_time_ms', 200.0, ALWAYS,
            'An image that takes longer from arrival to answer is a delay, and a WARN.',
            limits=(0.1, 1e6)),
    Setting('diagnostics.max_acceptable_consecutive_delay_ms', 1000.0, ALWAYS,
            'If every image has been delayed for this long, it is an ERROR.', limits=(0.1, 1e7)),
    Setting('diagnostics.max_image_gap_ms', 1000.0, ALWAYS,
            'Without an image for this long, it is a WARN.', limits=(1.0, 1e7)),
)
_BY_NAME = {setting.name: setting for setting in SETTINGS}


def _descriptor(setting):
    descriptor = ParameterDescriptor()
    descriptor.description = setting.description
    descriptor.read_only = setting.changeable == AT_START
    notes = []
    if setting.choices:
        notes.append('One of: ' + ', '.join(setting.choices))
    if setting.changeable == UNCONFIGURED:
        notes.append('Can be changed ' + UNCONFIGURED)
    descriptor.additional_constraints = '. '.join(notes)
    if setting.limits:
        low, high = setting.limits
        if isinstance(setting.default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        else:
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high)]
    return descriptor


def _declare(node, setting):
    node.declare_parameter(setting.name, setting.default, _descriptor(setting))


def declare(node) -> None:
    """
    Declare every parameter with its description, range and default.

    Thresholds of classes that were given are among them, though only the model will say whether
    there are such classes: what is wrong with a value can be said now.

    :raises rclpy.exceptions.ParameterException: where a value from outside is not allowed.
    """
    for setting in SETTINGS:
        _declare(node, setting)
    for name in _given(node):
        if name.startswith(CLASS_CONFIDENCE):
            _declare(node, _class_threshold(name[len(CLASS_CONFIDENCE):]))


def _class_threshold(label):
    return Setting(CLASS_CONFIDENCE + label, 0.0, ALWAYS,
                   'Threshold for this class alone. 0: confidence_threshold holds.',
                   limits=(0.0, 1.0))


def declare_class_thresholds(node, labels: Sequence[str]) -> None:
    """
    Declare one threshold per class, now that the model has said which classes there are.

    Those of a model before that had the same classes keep their values.
    """
    for label in node.get_parameters_by_prefix(CLASS_CONFIDENCE[:-1]):
        if label not in labels:
            node.undeclare_parameter(CLASS_CONFIDENCE + label)
    for label in labels:
        setting = _class_threshold(label)
        if not node.has_parameter(setting.name):
            _declare(node, setting)


def _given(node):
    """Return the names of the parameters that were given at start."""
    return getattr(node, '_parameter_overrides', {})  # rclpy offers no other way


def warn_of_unknown(node) -> None:
    """Log the names of parameters that were given and do not exist: a slip of the pen, mostly."""
    unknown = sorted(name for name in _given(node)
                     if not node.has_parameter(name) and not name.startswith('qos_overrides.'))
    if unknown:
        node.get_logger().warning('There are no such parameters: {}'.format(', '.join(unknown)))


def table() -> str:
    """Return the parameters as a table in Markdown, for docs/node.md."""
    lines = ['| parameter | default | can be | can be changed | |', '|---|---|---|---|---|']
    for setting in SETTINGS + (_class_threshold('<label>'),):
        default = setting.default
        if isinstance(default, bool):
            default = str(default).lower()
        elif isinstance(default, float):
            default = '{:g}'.format(default)
            default += '' if '.' in default or 'e' in default else '.0'
        allowed = ''
        if setting.choices:
            allowed = ', '.join(setting.choices)
        elif setting.limits:
            allowed = '{:g} to {:g}'.format(*setting.limits)
        lines.append('| `{}` | {} | {} | {} | {} |'.format(
            setting.name, '`{}`'.format(default) if default != '' else 'empty', allowed,
            setting.changeable, setting.description))
    return '\n'.join(lines)


def check(parameters, state: str) -> SetParametersResult:
    """
    Tell whether parameters may take new values; ranges and types are rclpy's to check.

    :param parameters: rclpy Parameters with the values asked for.
    :param state: label of the node's lifecycle state.
    """
    for parameter in parameters:
        setting = _BY_NAME.get(parameter.name)
        if setting is None:
            continue
        if setting.changeable == UNCONFIGURED and state != 'unconfigured':
            return SetParametersResult(successful=False, reason=(
                '{} can be changed {}, and it is {}: bring it there with `ros2 lifecycle set` '
                '(deactivate, then cleanup)').format(parameter.name, UNCONFIGURED, state))
        if setting.choices and parameter.value not in setting.choices:
            return SetParametersResult(successful=False, reason="{} is '{}'; it can be {}".format(
                parameter.name, parameter.value, ' or '.join(setting.choices)))
        if setting.read:
            try:
                setting.read(parameter.value)
            except ValueError as error:
                return SetParametersResult(successful=False, reason="{} is '{}'; {}".format(
                    parameter.name, parameter.value, error))
    return SetParametersResult(successful=True)

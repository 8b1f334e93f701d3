# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Camera images to BGR arrays, by the encoding names of sensor_msgs/Image."""

import zlib

import cv2
import numpy as np


class ImageError(ValueError):
    """An image that cannot be read: what is wrong with it."""


# encoding: (samples per pixel, OpenCV's conversion to BGR or None); 16-bit names are made below.
# OpenCV names a Bayer pattern by its second row, ROS by its first.
_LAYOUTS = {
    'bgr8': (3, None),
    'rgb8': (3, cv2.COLOR_RGB2BGR),
    'bgra8': (4, cv2.COLOR_BGRA2BGR),
    'rgba8': (4, cv2.COLOR_RGBA2BGR),
    'mono8': (1, cv2.COLOR_GRAY2BGR),
    'bayer_rggb8': (1, cv2.COLOR_BayerBG2BGR),
    'bayer_bggr8': (1, cv2.COLOR_BayerRG2BGR),
    'bayer_gbrg8': (1, cv2.COLOR_BayerGR2BGR),
    'bayer_grbg8': (1, cv2.COLOR_BayerGB2BGR),
    'uyvy': (2, cv2.COLOR_YUV2BGR_UYVY),
    'yuyv': (2, cv2.COLOR_YUV2BGR_YUY2),
}
# a plane of Y, then rows of U and V at half the width and height, side by side
_TWO_PLANES = {'nv12': cv2.COLOR_YUV2BGR_NV12, 'nv21': cv2.COLOR_YUV2BGR_NV21}
_ALIASES = {
    '8UC1': 'mono8', '8UC3': 'bgr8', '8UC4': 'bgra8', '16UC1': 'mono16', '16UC3': 'bgr16',
    '16UC4': 'bgra16', 'yuv422': 'uyvy', 'yuv422_yuy2': 'yuyv',
}
_NAMES_16 = {name[:-1] + '16': name for name in _LAYOUTS if name.endswith('8')}

ENCODINGS = tuple(sorted(
    set(_LAYOUTS) | set(_TWO_PLANES) | set(_NAMES_16) | set(_ALIASES)))


def decode_image(data, encoding, width, height, step, is_bigendian=False):
    """
    Return a BGR image (H, W, 3) uint8 of the bytes of a sensor_msgs/Image.

    A view of `data` for bgr8, padded rows included; a new array for all else. Of 16-bit samples
    the upper 8 bits are taken. Raises ImageError where the numbers and the data do not fit.
    """
    name = _ALIASES.get(encoding, encoding)
    wide = name in _NAMES_16
    name = _NAMES_16.get(name, name)
    planes = name in _TWO_PLANES
    if not planes and name not in _LAYOUTS:
        raise ImageError('encoding {!r} is not supported; supported are {}'.format(
            encoding, ', '.join(ENCODINGS)))
    samples, conversion = (1, _TWO_PLANES[name]) if planes else _LAYOUTS[name]
    row_bytes = width * samples * (2 if wide else 1)
    if width <= 0 or height <= 0:
        raise ImageError('image has no pixels: {} x {}'.format(width, height))
    if step < row_bytes:
        raise ImageError('a row of {} pixels in {} takes {} bytes, but step is {}'.format(
            width, encoding, row_bytes, step))
    if (samples == 2 or planes) and width % 2:
        raise ImageError('{} needs an even width, not {}'.format(encoding, width))
    if planes and height % 2:
        raise ImageError('{} needs an even height, not {}'.format(encoding, height))
    if name.startswith('bayer') and (width < 4 or height < 4):
        raise ImageError('a Bayer image needs 4 x 4 pixels, not {} x {}'.format(width, height))
    data = np.frombuffer(data, np.uint8)
    row_count = height * 3 // 2 if planes else height
    if data.size < step * row_count:
        raise ImageError('image of {} rows of {} bytes needs {} bytes, but has {}'.format(
            row_count, step, step * row_count, data.size))

    rows = data[:step * row_count].reshape(row_count, step)[:, :row_bytes]
    if wide:
        rows = np.ascontiguousarray(rows[:, 0 if is_bigendian else 1::2])
    image = rows if samples == 1 else rows.reshape(height, width, samples)
    return image if conversion is None else cv2.cvtColor(image, conversion)


def decode_compressed(data):
    """
    Return the BGR image (H, W, 3) uint8 of a JPEG, PNG or other file that OpenCV reads.

    Raises ImageError where the data is no image, is cut short (JPEG, PNG) or fails its checksum
    (PNG). Pixels stay where the file has them: an orientation noted in it is not applied.
    """
    data = bytes(data)
    if not data:
        raise ImageError('compressed image is empty')
    check_complete(data)
    try:
        image = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ImageError('compressed image cannot be decoded: {}'.format(error))
    if image is None:
        raise ImageError('compressed image cannot be decoded; its {} bytes start with {}'.format(
            len(data), data[:4].hex()))
    return image


def check_complete(data):
    """Raise ImageError for the bytes of a JPEG or PNG that is cut short or damaged."""
    if data.startswith(b'\xff\xd8'):
        _check_jpeg(data)
    elif data.startswith(b'\x89PNG'):
        _check_png(data)


def _check_jpeg(data):
    """Refuse a JPEG that is cut short: OpenCV would fill the rest with grey and say nothing."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xff:
        marker = data[position + 1]
        if marker == 0xff:  # fill byte
            position += 1
            continue
        position += 2 + int.from_bytes(data[position + 2:position + 4], 'big')
        if marker == 0xda:  # the picture itself; within it 0xff is always followed by 0
            if data.rfind(b'\xff\xd9', position) < 0:  # from the end, where it usually is
                break
            return
    raise ImageError('JPEG of {} bytes is cut short or damaged'.format(len(data)))


def _check_png(data):
    """Refuse a PNG that is cut short or has a chunk whose checksum is wrong."""
    position = 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position:position + 4], 'big')
        kind = data[position + 4:position + 8]
        end = position + 8 + length
        checksum = int.from_bytes(data[end:end + 4], 'big')
        if end + 4 > len(data) or zlib.crc32(data[position + 4:end]) != checksum:
            break
        if kind == b'IEND':
            return
        position = end + 4
    raise ImageError('PNG of {} bytes is cut short or damaged'.format(len(data)))

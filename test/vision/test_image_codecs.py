# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import array

import cv2
import numpy as np
import pytest

from tsr_ros.vision.image_codecs import ENCODINGS, ImageError, decode_compressed, decode_image

HEIGHT, WIDTH = 6, 8


def picture():
    """A BGR picture without two equal channels: left to right, top to bottom, and both."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([x * 30, y * 40, 255 - x * 10 - y * 10], axis=-1).astype(np.uint8)


def pad(rows, extra):
    """Lengthen each row of bytes, as drivers do that align them."""
    rows = np.ascontiguousarray(rows).view(np.uint8).reshape(HEIGHT, -1)
    return np.concatenate([rows, np.full((HEIGHT, extra), 77, np.uint8)], axis=1)


def encode(encoding):
    """The picture's bytes in an encoding, and the BGR image they stand for, by plain indexing."""
    bgr = picture()
    b, g, r = bgr[..., 0], bgr[..., 1], bgr[..., 2]
    opaque = np.full_like(b, 9)
    if encoding == 'bgr8':
        return bgr, bgr
    if encoding == 'rgb8':
        return np.stack([r, g, b], axis=-1), bgr
    if encoding == 'bgra8':
        return np.stack([b, g, r, opaque], axis=-1), bgr
    if encoding == 'rgba8':
        return np.stack([r, g, b, opaque], axis=-1), bgr
    assert encoding == 'mono8'
    return r, np.stack([r, r, r], axis=-1)


@pytest.mark.parametrize('extra', [0, 5])
@pytest.mark.parametrize('encoding', ['bgr8', 'rgb8', 'bgra8', 'rgba8', 'mono8'])
def test_eight_bit_encodings(encoding, extra):
    samples, expected = encode(encoding)
    rows = pad(samples, extra)
    for data in rows.tobytes(), array.array('B', rows.tobytes()), memoryview(rows.tobytes()):
        image = decode_image(data, encoding, WIDTH, HEIGHT, rows.shape[1])
        np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize('is_bigendian', [False, True])
@pytest.mark.parametrize('encoding', ['bgr8', 'rgb8', 'bgra8', 'rgba8', 'mono8'])
def test_sixteen_bit_encodings(encoding, is_bigendian):
    samples, expected = encode(encoding)
    wide = (samples.astype(np.uint16) << 8 | 0x5a).astype('>u2' if is_bigendian else '<u2')
    rows = pad(wide, 6)
    name = encoding[:-1] + '16'
    image = decode_image(rows.tobytes(), name, WIDTH, HEIGHT, rows.shape[1], is_bigendian)
    np.testing.assert_array_equal(image, expected)


def test_bgr8_is_a_view():
    rows = pad(picture(), 3)
    image = decode_image(rows, 'bgr8', WIDTH, HEIGHT, rows.shape[1])
    assert np.shares_memory(image, rows)


@pytest.mark.parametrize(('alias', 'encoding'), [
    ('8UC1', 'mono8'), ('8UC3', 'bgr8'), ('8UC4', 'bgra8'),
])
def test_aliases(alias, encoding):
    samples, expected = encode(encoding)
    data = samples.tobytes()
    image = decode_image(data, alias, WIDTH, HEIGHT, len(data) // HEIGHT)
    np.testing.assert_array_equal(image, expected)


# the colour at (even row, even column), (even, odd), (odd, even), (odd, odd) as the name says
@pytest.mark.parametrize('bits', ['8', '16'])
@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_bayer(pattern, bits):
    bgr = np.empty((16, 20, 3), np.uint8)
    bgr[:] = 40, 120, 220  # a flat colour is the same after any interpolation
    mosaic = np.empty((16, 20), np.uint8)
    for place, letter in enumerate(pattern):
        mosaic[place // 2::2, place % 2::2] = bgr[0, 0, 'bgr'.index(letter)]
    samples = mosaic if bits == '8' else mosaic.astype('<u2') << 8
    data = samples.tobytes()
    image = decode_image(data, 'bayer_' + pattern + bits, 20, 16, len(data) // 16)
    np.testing.assert_array_equal(image[2:-2, 2:-2], bgr[2:-2, 2:-2])


@pytest.mark.parametrize(('encoding', 'order'), [
    ('yuv422', 'uyvy'), ('uyvy', 'uyvy'), ('yuv422_yuy2', 'yuyv'), ('yuyv', 'yuyv'),
])
@pytest.mark.parametrize(('colour', 'y', 'u', 'v'), [
    # ITU-R BT.601, limited range: black, white, red, blue
    ((0, 0, 0), 16, 128, 128), ((255, 255, 255), 235, 128, 128),
    ((0, 0, 255), 82, 90, 240), ((255, 0, 0), 41, 240, 110),
])
def test_yuv422(encoding, order, colour, y, u, v):
    samples = {'y': y, 'u': u, 'v': v}
    rows = np.tile(np.array([samples[c] for c in order], np.uint8), (HEIGHT, WIDTH // 2))
    rows = pad(rows, 4)
    image = decode_image(rows.tobytes(), encoding, WIDTH, HEIGHT, rows.shape[1])
    np.testing.assert_allclose(image, np.broadcast_to(colour, (HEIGHT, WIDTH, 3)), atol=2)


@pytest.mark.parametrize('extra', [0, 4])
@pytest.mark.parametrize(('encoding', 'order'), [('nv12', 'uv'), ('nv21', 'vu')])
def test_two_planes(encoding, order, extra):
    # left half red, right half blue, by ITU-R BT.601 in limited range
    half = WIDTH // 2
    y = np.full((HEIGHT, WIDTH), 82, np.uint8)
    y[:, half:] = 41
    chroma = np.empty((HEIGHT // 2, half, 2), np.uint8)
    for place, letter in enumerate(order):
        chroma[:, :half // 2, place] = {'u': 90, 'v': 240}[letter]
        chroma[:, half // 2:, place] = {'u': 240, 'v': 110}[letter]
    rows = np.concatenate((y, chroma.reshape(HEIGHT // 2, WIDTH)))
    rows = np.pad(rows, ((0, 0), (0, extra)), constant_values=77)
    image = decode_image(rows.tobytes(), encoding, WIDTH, HEIGHT, rows.shape[1])
    expected = np.zeros((HEIGHT, WIDTH, 3))
    expected[:, :half, 2] = expected[:, half:, 0] = 255
    np.testing.assert_allclose(image, expected, atol=2)


@pytest.mark.parametrize(('encoding', 'width', 'height', 'step', 'size', 'message'), [
    ('bgr8', 0, 0, 0, 0, 'no pixels'),
    ('bgr8', 4, 0, 12, 0, 'no pixels'),
    ('nv24', 4, 4, 4, 48, "'nv24' is not supported"),
    ('nv12', 5, 4, 5, 30, 'even width'),
    ('nv21', 4, 5, 4, 30, 'even height'),
    ('nv12', 4, 4, 4, 23, 'image of 6 rows of 4 bytes needs 24 bytes, but has 23'),
    ('', 4, 4, 12, 48, 'not supported'),
    ('bgr8', 4, 4, 11, 48, 'takes 12 bytes, but step is 11'),
    ('mono16', 4, 4, 4, 16, 'takes 8 bytes, but step is 4'),
    ('bgr8', 4, 4, 12, 47, 'needs 48 bytes, but has 47'),
    ('yuv422', 5, 4, 10, 40, 'even width'),
    ('bayer_rggb8', 2, 2, 2, 4, 'needs 4 x 4 pixels'),
])
def test_bad_images(encoding, width, height, step, size, message):
    with pytest.raises(ImageError, match=message):
        decode_image(bytes(size), encoding, width, height, step)


def test_every_encoding_of_the_list_gives_a_bgr_image():
    for encoding in ENCODINGS:
        image = decode_image(bytes(8 * 8 * 12), encoding, 8, 8, 8 * 8)
        assert image.shape == (8, 8, 3)
        assert image.dtype == np.uint8


def compress(suffix, size=64):
    y, x = np.mgrid[0:size, 0:size]
    image = np.stack([x * 3, y * 3, (x + y) * 2], axis=-1).astype(np.uint8)
    return image, cv2.imencode(suffix, image)[1].tobytes()


def test_png_is_exact():
    image, data = compress('.png')
    np.testing.assert_array_equal(decode_compressed(data), image)
    np.testing.assert_array_equal(decode_compressed(array.array('B', data)), image)


def test_jpeg_is_close():
    image, data = compress('.jpg')
    assert np.abs(decode_compressed(data).astype(int) - image).mean() < 3


def test_grey_jpeg_becomes_bgr():
    data = cv2.imencode('.jpg', np.full((8, 9), 60, np.uint8))[1].tobytes()
    np.testing.assert_array_equal(decode_compressed(data), np.full((8, 9, 3), 60))


def test_bytes_after_the_end_of_a_jpeg_do_no_harm():
    data = compress('.jpg')[1]
    np.testing.assert_array_equal(decode_compressed(data + bytes(100)), decode_compressed(data))


def with_thumbnail(data):
    """Put an APP1 segment with a whole small JPEG in it behind the start of a JPEG."""
    inner = b'Exif\0\0' + compress('.jpg', 16)[1]
    return data[:2] + b'\xff\xe1' + (len(inner) + 2).to_bytes(2, 'big') + inner + data[2:]


@pytest.mark.parametrize('share', [0.0, 0.01, 0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize('kind', ['.jpg', 'thumbnail', '.png'])
def test_files_cut_short_are_refused(kind, share):
    data = compress('.jpg' if kind == 'thumbnail' else kind)[1]
    if kind == 'thumbnail':
        data = with_thumbnail(data)
        decode_compressed(data)
    with pytest.raises(ImageError):
        decode_compressed(data[:int(len(data) * share)])


def test_a_png_with_a_flipped_bit_is_refused():
    data = bytearray(compress('.png')[1])
    data[len(data) // 2] ^= 4
    with pytest.raises(ImageError, match='damaged'):
        decode_compressed(bytes(data))


@pytest.mark.parametrize('data', [b'', b'no image at all', b'\xff\xd8\xff', b'\x89PNG', bytes(50)])
def test_what_is_no_image_is_refused(data):
    with pytest.raises(ImageError):
        decode_compressed(data)

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All backends against PyTorch, on a network with every operation and random weights."""

import numpy as np
import pytest

from tsr_ros.backends.factory import BACKENDS, ON_REQUEST, backend_status, create_backend

OTHERS = sorted(
    name for name, status in backend_status((*BACKENDS, *ON_REQUEST)).items()
    if not status.problem and name != 'pytorch' and not name.startswith('tensorrt'))


def images(count=3):
    """Smooth and noisy pictures of the network's size."""
    rng = np.random.RandomState(4)
    y, x = np.mgrid[0:96, 0:160]
    smooth = np.stack([x * 1.5, y * 2.5, 255 - x], axis=-1)
    return [np.clip(smooth + rng.normal(0, 60 * i, smooth.shape), 0, 255).astype(np.uint8)[None]
            for i in range(count)]


def head_maps(folder, name, **options):
    with create_backend(name, 'random', threads=1, models_dir=folder, **options) as backend:
        backend.load()
        return [[head.copy() for head in backend.infer(image)] for image in images()]


@pytest.mark.parametrize('name', OTHERS)
def test_head_maps_agree_in_fp32(random_models, name):
    for expected, found in zip(head_maps(random_models, 'pytorch'),
                               head_maps(random_models, name, precision='fp32')):
        for a, b in zip(expected, found):
            assert np.abs(a).max() > 0.5  # the network says something
            np.testing.assert_allclose(b, a, atol=2e-4)


def test_bfloat16_is_near(random_models):
    for expected, found in zip(head_maps(random_models, 'pytorch'),
                               head_maps(random_models, 'pytorch', precision='bf16')):
        for a, b in zip(expected, found):
            assert np.abs(a - b).mean() < 0.02 * np.abs(a).max()
            assert not np.array_equal(a, b)

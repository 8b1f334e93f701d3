# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tsr_ros.evaluation.dataset import DataError
from tsr_ros.training.images import Images


@pytest.mark.parametrize(('memory_gb', 'kept'), [(1, 20), (160 * 128 * 3 * 5.5 / 1e9, 5), (0, 0)])
def test_images_are_the_same_from_memory_and_from_disk(generated_data, memory_gb, kept):
    paths = sorted((generated_data / 'images').iterdir())
    images, everything = Images(paths, memory_gb), Images(paths, 1)
    assert sum(image is not None for image in images.kept) == kept
    assert len(images) == 20
    assert images.resolutions_wh == [(160, 128)] * 20
    for a, b in zip(images, everything, strict=True):
        assert np.array_equal(a, b)
    assert np.array_equal(images[19], everything[19])


def test_no_images():
    assert list(Images([], 1)) == []


def test_a_damaged_image_is_found_at_once(generated_data, tmp_path):
    path = tmp_path / 'a.png'
    path.write_bytes(next((generated_data / 'images').iterdir()).read_bytes()[:-300])
    with pytest.raises(DataError, match=r'a\.png'):
        Images([path], 0)

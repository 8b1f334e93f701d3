# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import os

import cv2
import numpy as np
import pytest

from tsr_ros.evaluation.dataset import DataError
from tsr_ros.export.calibration import calibration_inputs, choose_images


def write(folder, name, light, label=None):
    for sub in 'images', 'labels':
        (folder / sub / name).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / 'images' / (name + '.png')), np.full((48, 64, 3), light, np.uint8))
    if label is not None:
        (folder / 'labels' / (name + '.txt')).write_text(f'0 .5 .5 .1 .1\n{label} .5 .5 .1 .1\n')


def test_a_folder_without_images(tmp_path):
    with pytest.raises(ValueError, match='no image to calibrate with'):
        choose_images(tmp_path, 4)


def test_few_images_are_all_taken(tmp_path):
    write(tmp_path, 'a', 10)
    write(tmp_path, 'b', 20)
    assert [path.name for path in choose_images(tmp_path, 4)] == ['a.png', 'b.png']


@pytest.mark.parametrize('inside', ['', 'train/'])
def test_each_class_dark_and_bright_is_taken(tmp_path, inside):
    for label in range(4):
        for i in range(5):
            write(tmp_path, f'{inside}{label}{i}', 20 + 50 * i, label)
    chosen = {path.stem for path in choose_images(tmp_path, 8)}
    assert sorted(name[0] for name in chosen) == [*'00112233']
    assert {'00', '34'} <= chosen  # the darkest of the first, the brightest of the last


def test_of_a_dataset_the_training_split_alone_is_taken(tmp_path):
    for name in 'abc':
        write(tmp_path, name, 20, 0)
    (tmp_path / 'split.csv').write_text('image,split\na.png,train\nb.png,test\nc.png,train\n')
    assert [path.stem for path in choose_images(tmp_path, 8)] == ['a', 'c']


def test_of_a_dataset_divided_by_folders_the_training_split_alone_is_taken(tmp_path):
    for name in 'train/a', 'val/b', 'train/far/c', 'test/d':
        write(tmp_path, name, 20, 0)
    assert [path.stem for path in choose_images(tmp_path, 8)] == ['a', 'c']
    (tmp_path / 'split.csv').write_text('image,split\nb.png,train\nc.png,val\n')
    assert [path.stem for path in choose_images(tmp_path, 8)] == ['b']


def test_inputs_are_letterboxed(tmp_path):
    write(tmp_path, 'a', 10)
    inputs = list(calibration_inputs(choose_images(tmp_path, 4), (64, 64)))
    assert [i.shape for i in inputs] == [(1, 64, 64, 3)]
    assert (inputs[0][0, 0] == 114).all()
    assert (inputs[0][0, 32] == 10).all()


def test_an_unreadable_image_is_named(tmp_path):
    (tmp_path / 'bad.jpg').write_bytes(b'no image')
    with pytest.raises(DataError, match=r'bad\.jpg: not an image'):
        list(calibration_inputs(choose_images(tmp_path, 4), (64, 64)))


def test_names_that_are_not_utf8_and_every_kind_of_file(tmp_path):
    for name, light in ((b'caf\xe9.png', 30), (b'b.bmp', 20), (b'c.webp', 10)):
        suffix = name.decode('latin1').rpartition('.')[2]
        _, data = cv2.imencode('.' + suffix, np.full((48, 64, 3), light, np.uint8))
        (tmp_path / os.fsdecode(name)).write_bytes(data.tobytes())
    chosen = choose_images(tmp_path, 2)
    assert [path.suffix for path in chosen] == ['.webp', '.png']  # the darkest, the brightest
    assert len(list(calibration_inputs(chosen, (64, 64)))) == 2

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from tsr_ros.evaluation.dataset import (
    DataError,
    ground_truth,
    read_class_names,
    read_dataset,
    read_image,
    read_labels,
)


def write_image(path, wh=(40, 20), grey=90):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((wh[1], wh[0], 3), grey, np.uint8))


@pytest.fixture
def folder(tmp_path):
    """Return a data set of three images: one object, two objects, none."""
    for name in 'a', 'b', 'c':
        write_image(tmp_path / 'images' / f'{name}.png')
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'labels' / 'a.txt').write_text('1 0.5 0.5 0.25 0.5\n')
    (tmp_path / 'labels' / 'b.txt').write_text('0 0.1 0.5 0.2 1\n\n4 0.9 0.9 0.2 0.2\n')
    (tmp_path / 'labels' / 'c.txt').write_text('')
    (tmp_path / 'split.csv').write_text(
        'image,split,light_condition,source\n'
        'a.png,train,day,x\nb.png,val,night,y\nc.png,val,,\n')
    return tmp_path


def test_read_dataset(folder):
    a, b, c = read_dataset(folder, None, 5)
    assert [item.path.name for item in (a, b, c)] == ['a.png', 'b.png', 'c.png']
    assert a.class_id.tolist() == [1]
    assert a.boxes == pytest.approx(np.array([[0.5, 0.5, 0.25, 0.5]]))
    assert b.class_id.tolist() == [0, 4]
    assert c.boxes.shape == (0, 4)
    assert (b.condition, b.source) == ('night', 'y')
    assert (c.condition, c.source) == ('', '')
    assert a.labelled.tolist() == [True] * 5
    assert [item.path.name for item in read_dataset(folder, 'val', 5)] == ['b.png', 'c.png']


def test_ground_truth_is_in_pixels(folder):
    item = read_dataset(folder, 'train', 5)[0]
    truth = ground_truth(item, (40, 20))
    assert truth.xyxy == pytest.approx(np.array([[15, 5, 25, 15]]))
    assert truth.class_id.tolist() == [1]


@pytest.fixture
def folders(tmp_path):
    """Return a data set divided by folders, with an image a.png in both, of class 0 and 1."""
    for class_id, split in enumerate(('train', 'val')):
        write_image(tmp_path / 'images' / split / 'a.png')
        (tmp_path / 'labels' / split).mkdir(parents=True)
        (tmp_path / 'labels' / split / 'a.txt').write_text(f'{class_id} 0.5 0.5 0.1 0.1\n')
    return tmp_path


@pytest.mark.parametrize(('split', 'expected'), [
    ('train', [('train/a.png', [0])]), ('val', [('val/a.png', [1])]),
    (None, [('train/a.png', [0]), ('val/a.png', [1])]),
])
def test_split_by_folders(folders, split, expected):
    items = read_dataset(folders, split, 2)
    assert [(item.path.relative_to(folders / 'images').as_posix(), item.class_id.tolist())
            for item in items] == expected


@pytest.mark.parametrize('split', [None, 'val'])
def test_split_csv_divides_images_in_folders(folders, split):
    (folders / 'split.csv').write_text('image,split\na.png,val\n')
    with pytest.raises(DataError, match=r"split\.csv: 'a' may be .*train/a\.png or .*val/a\.png"):
        read_dataset(folders, split, 2)
    for kind, suffix in ('images', 'png'), ('labels', 'txt'):
        (folders / kind / 'val' / f'a.{suffix}').rename(folders / kind / 'val' / f'b.{suffix}')
    item = read_dataset(folders, split, 2)[0]
    assert (item.path.name, item.class_id.tolist()) == ('a.png', [0])


def test_labelled_classes(folder):
    (folder / 'labelled_classes.csv').write_text('image,labelled_classes\nb.png,0;2\nc.png,\n')
    a, b, c = read_dataset(folder, None, 3 + 2)
    assert a.labelled.tolist() == [True] * 5
    assert b.labelled.tolist() == [True, False, True, False, False]
    assert c.labelled.tolist() == [False] * 5
    (folder / 'labelled_classes.csv').write_text('image,labelled_classes\na.png\n')  # a short row
    assert read_dataset(folder, 'train', 5)[0].labelled.tolist() == [False] * 5


def test_labelled_classes_of_a_split_by_folders(tmp_path):
    # the file is for all splits, so it names images of the others as well
    for split in 'train', 'val':
        write_image(tmp_path / 'images' / split / f'{split}.png')
        (tmp_path / 'labels' / split).mkdir(parents=True)
        (tmp_path / 'labels' / split / f'{split}.txt').touch()
    (tmp_path / 'labelled_classes.csv').write_text(
        'image,labelled_classes\ntrain.png,0\nval.png,1\n')
    assert read_dataset(tmp_path, 'val', 2)[0].labelled.tolist() == [False, True]


@pytest.mark.parametrize(('file', 'content', 'words'), [
    ('labels/b.txt', 'sign 0.5 0.5 0.1 0.1', r'b\.txt:1: expected five numbers'),
    ('labels/b.txt', '0 0.5 0.5 0.1 0.1\n0 0.5 0.5 0.1\n', r'b\.txt:2: expected five'),
    ('labels/b.txt', '0 0.5 0.5 0.1 0.1 0.9\n', r'b\.txt:1: expected five'),
    ('labels/b.txt', '0 nan 0.5 0.1 0.1', r'b\.txt:1: expected five finite'),
    ('labels/b.txt', 'inf 0.5 0.5 0.1 0.1', r'b\.txt:1: expected five finite'),
    ('labels/b.txt', '5 0.5 0.5 0.1 0.1', r'b\.txt:1: class 5 is not one of 0 to 4'),
    ('labels/b.txt', '-1 0.5 0.5 0.1 0.1', r'b\.txt:1: class -1 is not'),
    ('labels/b.txt', '0.5 0.5 0.5 0.1 0.1', r'b\.txt:1: class 0\.5 is not'),
    ('labels/b.txt', '0 0.5 0.5 0.1 0', r'b\.txt:1: the box has no area'),
    ('labels/b.txt', '0 0.5 0.5 -0.1 0.1', r'b\.txt:1: the box has no area'),
    # from -0.01 to 0: nothing is left of it in the image
    ('labels/b.txt', '0 -0.005 0.5 0.01 0.1', r'b\.txt:1: the box has no area'),
    ('labels/b.txt', '0 0.5 1.005 0.1 0.01', r'b\.txt:1: the box has no area'),
    ('labels/b.txt', '0 1.0 0.5 0.1 0.1', r'b\.txt:1: the box leaves the image'),
    ('labels/b.txt', '0 20 10 5 5', r'b\.txt:1: the box leaves the image'),
    ('labels/b.txt', b'\xff\xfe\x00', r'b\.txt: not text'),
    ('labels/b.txt', None, r'b\.txt: missing; an image without objects has an empty file'),
    ('images/b.png', None, r"split\.csv: image 'b' is not in"),
    ('images/b.jpg', b'', r'b\.png: b\.jpg has the same labels'),
    ('split.csv', None, r"no split 'val': neither split\.csv nor images/val"),
    ('split.csv', 'image\na.png\n', r"split\.csv: no column \['split'\]"),
    ('split.csv', 'image,split\na.png,train\n', r"no image of split 'val': there are \['train'\]"),
    ('labelled_classes.csv', 'image,labelled_classes\nb.png,0;5\n',
     r'labelled_classes\.csv:2: class 5 is not one of 0 to 4'),
    ('labelled_classes.csv', 'image,labelled_classes\na.png,4\nb.png,0;-1\n',
     r'labelled_classes\.csv:3: class -1 is not one of 0 to 4'),
    ('labelled_classes.csv', 'image,labelled_classes\nb.png,0;x\n', r'labelled_classes\.csv:2: '),
    ('labelled_classes.csv', 'image,labelled_classes\nb.png,0\nd.png,1\n',
     r"labelled_classes\.csv:3: image 'd\.png' is not in .*images"),
    ('labelled_classes.csv', 'image,labelled_classes\nb.png,0\n\nb.png,1\n',
     r'labelled_classes\.csv:\d: b\.png is named twice'),
    ('split.csv', 'image,split\nb.png,val\na.png,train\nb.png,val\n',
     r"split\.csv:4: b\.png is in 'val' already, by line 2"),
    ('split.csv', 'image,split\nb.png,val\nsub/b.jpg,val\n', r"split\.csv:3: sub/b\.jpg is in"),
    ('labelled_classes.csv', 'image\nb.png\n', r'labelled_classes\.csv: no column'),
])
def test_what_is_wrong_is_named(folder, file, content, words):
    path = folder / file
    if content is None:
        path.unlink()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content)
    with pytest.raises(DataError, match=words):
        read_dataset(folder, 'val', 5)


def test_folder_without_images(tmp_path):
    with pytest.raises(DataError, match='no folder images; expected images/ and labels/'):
        read_dataset(tmp_path, None, 5)
    (tmp_path / 'images').mkdir()
    with pytest.raises(DataError, match='images: no images'):
        read_dataset(tmp_path, None, 5)


def test_boxes_a_little_outside_are_cut(tmp_path):
    (tmp_path / 'a.txt').write_text('0 0.1 0.5 0.21 1.01\n')
    class_id, boxes = read_labels(tmp_path / 'a.txt', 1)
    assert class_id.tolist() == [0]
    assert boxes == pytest.approx(np.array([[0.1025, 0.5, 0.205, 1]]))


@pytest.mark.parametrize('change', [
    lambda data: b'', lambda data: b'no image', lambda data: data[:len(data) // 2],
])
@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_corrupt_images_are_refused(tmp_path, suffix, change):
    path = tmp_path / f'a{suffix}'
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    assert cv2.imwrite(str(path), image)
    assert read_image(path).shape == (60, 80, 3)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=f'a\\{suffix}'):
        read_image(path)
    with pytest.raises(DataError, match='missing: cannot be read'):
        read_image(tmp_path / 'missing')


@pytest.mark.parametrize(('classes', 'yaml', 'expected'), [
    (None, None, None),
    ('a\nb\n\n', None, ['a', 'b']),
    (None, 'names: [a, b]', ['a', 'b']),
    (None, 'names: {0: a, 1: b}', ['a', 'b']),
    ('a\nb', 'names: [a, b]', ['a', 'b']),
    ('a\nb', 'names: [b, a]', DataError),
    (None, 'nc: 5', DataError),
    (None, 'names: {1: a}', DataError),
    (None, 'names: [', DataError),
    (None, 'just words', DataError),
])
def test_class_names(tmp_path, classes, yaml, expected):
    if classes is not None:
        (tmp_path / 'classes.txt').write_text(classes)
    if yaml is not None:
        (tmp_path / 'data.yaml').write_text(yaml)
    if expected is DataError:
        with pytest.raises(DataError, match='data\\.yaml'):
            read_class_names(tmp_path)
    else:
        assert read_class_names(tmp_path) == expected

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import in_ascii_locale

from tsr_ros.cli import main
from tsr_ros.evaluation.dataset import DataError, read_dataset, read_table
from tsr_ros.training.check_data import DataReport, Entry
from tsr_ros.training.convert_data import Annotation, Box, Converter, ImageSize
from tsr_ros.training.likeness import alike_pairs, difference_hash, groups_of, is_flat
from tsr_ros.training.split_data import assign_groups


@pytest.fixture
def data(generated_data, tmp_path):
    """Return a copy of the generated data, half train and half val, to damage."""
    folder = shutil.copytree(generated_data, tmp_path / 'set')
    rows = [f'{k:03}.png,{"train" if k < 10 else "val"}\n' for k in range(20)]
    (folder / 'split.csv').write_text('image,split\n' + ''.join(rows))
    return folder


def scene(seed, size=(120, 160)):
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 256, (8, 11, 3)).astype(np.uint8), size[::-1],
                      interpolation=cv2.INTER_CUBIC)


def test_hash_knows_the_same_scene():
    image = scene(0)
    same = [
        cv2.resize(image, (320, 240)),
        cv2.convertScaleAbs(image, alpha=0.8, beta=10),
        cv2.imdecode(cv2.imencode('.jpg', image, (cv2.IMWRITE_JPEG_QUALITY, 40))[1], 1),
    ]
    hashes = np.stack([difference_hash(i) for i in (image, *same, scene(1), scene(2))])
    pairs = {tuple(pair) for pair in alike_pairs(hashes).tolist()}
    assert pairs == {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)}
    assert groups_of(6, alike_pairs(hashes)).tolist() == [0, 0, 0, 0, 4, 5]
    assert alike_pairs(np.zeros((0, 2), np.uint64)).shape == (0, 2)
    assert is_flat(np.full((9, 9, 3), 7, np.uint8))
    assert not is_flat(image)


def test_good_data_pass(data, capsys, tmp_path):
    plot = tmp_path / 'plot.svg'
    assert main(['data', 'check', str(data), '--plot', str(plot)]) == 0
    said = capsys.readouterr().out
    head, train = [line.split() for line in said.splitlines()[1:3]]
    counts = np.zeros(3, int)
    for item in read_dataset(data, 'train', 3):
        counts += np.bincount(item.class_id, minlength=3)
    assert head[-4:] == ['stop', 'turn', 'yield', 'objects']
    assert train == ['train', '10', '0', *map(str, counts), str(counts.sum())]
    assert '0 errors' in said
    assert plot.read_text().lstrip().startswith('<svg')


def damage_image(folder):
    path = folder / 'images' / '003.png'
    path.write_bytes(path.read_bytes()[:-200])


def rename_image(folder):
    (folder / 'images' / '003.png').rename(folder / 'images' / 'x.png')


def leak(folder):
    shutil.copy(folder / 'images' / '001.png', folder / 'images' / '015.png')


def leak_alike(folder):
    cv2.imwrite(str(folder / 'images' / '001.png'), scene(4))
    cv2.imwrite(str(folder / 'images' / '015.png'), cv2.convertScaleAbs(scene(4), alpha=0.9))


def label(text):
    def write(folder):
        (folder / 'labels' / '003.txt').write_text('0 0.5 0.5 0.1 0.1\n' + text)
    return write


def split(text):
    return lambda folder: (folder / 'split.csv').write_text(text)


@pytest.mark.parametrize(('damage', 'status', 'message'), [
    (damage_image, 1, '003.png: '),
    (lambda f: (f / 'images' / '003.png').write_bytes(b''), 1, '003.png: '),
    (lambda f: (f / 'images' / '003.png').write_text('no image'), 1, '003.png: not an image'),
    (lambda f: cv2.imwrite(str(f / 'images' / '003.png'), np.zeros((9, 9, 3), np.uint8)), 0,
     '003.png: shows nothing'),
    (rename_image, 1, 'x.txt: missing'),
    (rename_image, 1, "split.csv: no image '003'"),
    (rename_image, 1, '003.txt: there is no such image'),
    (label('7 0.5 0.5 0.1 0.1'), 1, '003.txt:2: class 7 is not one of 0 to 2'),
    (label('0 0.5 0.5 0 0.1'), 1, '003.txt:2: the box has no area'),
    (label('0 0.9 0.5 0.5 0.1'), 1, '003.txt:2: the box leaves the image'),
    (label('0 0.5 0.5 0.1'), 1, '003.txt:2: expected five'),
    (label('0 0.5 0.5 0.1 nan'), 1, '003.txt:2: expected five finite'),
    (label('0 0.5 0.5 0.1 0.1'), 0, '003.txt:2: the same box as in line 1'),
    (label('0 0.5 0.5 0.01 0.1'), 0, '003.txt:2: the object is 1.6 x 12.8 pixels small'),
    (leak, 1, '015.png (val): the same image as 001.png (train)'),
    (leak_alike, 0, '001.png (train) and 015.png (val) look alike'),
    (split('image,split,scene_group\n000.png,train,a\n001.png,val,a\n'), 1,
     "scene 'a' is in train, val"),
    (split('image,split\n000.png,train\n000.png,val\n'), 1,
     "split.csv:3: 000.png is in 'train' already"),
    (split('image,split\n000.png,train\n001.png,val\n000.png,train\n'), 1,
     "split.csv:4: 000.png is in 'train' already"),
    (label('0 -0.005 0.5 0.01 0.1'), 1, '003.txt:2: the box has no area in the image'),
    (lambda f: (f / 'labelled_classes.csv').write_text('image,labelled_classes\n000.png,9\n'), 1,
     'labelled_classes.csv:2: class 9 is not one of 0 to 2'),
    (lambda f: (f / 'labelled_classes.csv').write_text('image,labelled_classes\n000.png,-1\n'), 1,
     'labelled_classes.csv:2: class -1 is not one of 0 to 2'),
    (lambda f: (f / 'labelled_classes.csv').write_text('image,labelled_classes\n00.png,0\n'), 1,
     "labelled_classes.csv:2: image '00.png' is not in"),
])
def test_faults_are_found(data, capsys, damage, status, message):
    damage(data)
    assert main(['data', 'check', str(data), '--all']) == status
    said = capsys.readouterr().out
    kind = 'error' if status else 'warning'
    assert any(message in line for line in said.splitlines() if line.startswith((kind, 'warning')))


def test_data_divided_by_folders(data, capsys):
    (data / 'split.csv').unlink()
    for kind in 'images', 'labels':
        for split, digit in ('train', '0'), ('val', '1'):
            (data / kind / split).mkdir()
            for path in sorted((data / kind).glob(f'0{digit}?.*')):
                path.rename(data / kind / split / path.name)
    before = [item.class_id.tolist() for item in read_dataset(data, None, 3)]
    assert main(['data', 'check', str(data)]) == 0
    assert main(['data', 'split', str(data)]) == 0
    assert main(['data', 'check', str(data)]) == 0
    assert [item.class_id.tolist() for item in read_dataset(data, None, 3)] == before
    capsys.readouterr()

    shutil.copy(data / 'images' / 'train' / '000.png', data / 'images' / 'val')
    shutil.copy(data / 'labels' / 'train' / '000.txt', data / 'labels' / 'val')
    assert main(['data', 'check', str(data)]) == 1
    assert "split.csv: '000' may be any of 2 images" in capsys.readouterr().out
    (data / 'split.csv').unlink()
    assert main(['data', 'split', str(data)]) == 1
    assert "split.csv: '000' may be " in capsys.readouterr().err
    assert not (data / 'split.csv').exists()


def test_objects_are_counted_by_split_and_class():
    entries = [Entry('a', 'val', class_id=[1, 1, 0]), Entry('b', 'train'),
               Entry('c', 'val', class_id=[2])]
    report = DataReport(Path(), ['x', 'y', 'z'], entries, [], [])
    assert report.counts().tolist() == [[0, 0, 0], [1, 2, 1]]
    assert report.splits == ['train', 'val']


def test_further_data_may_not_hold_the_images_of_a_split(data, generated_data, capsys):
    assert main(['data', 'check', str(data), '--extra-data', str(generated_data), '--all']) == 1
    assert '015.png (generated): the same image as 015.png (val)' in capsys.readouterr().out


@pytest.mark.parametrize('arguments', [
    ['check', 'nowhere'], ['split', 'nowhere'],
    ['convert', 'voc', 'nowhere', '--images', 'nowhere', '--out', 'x']])
def test_no_data(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(['data', *arguments]) == 1
    assert 'nowhere' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_shares_of_single_images():
    counts = np.ones((100, 1), int)
    split = assign_groups(counts, (70, 20, 10))
    assert np.bincount(split).tolist() == [70, 20, 10]
    assert (assign_groups(counts, (70, 20, 10)) == split).all()
    assert (assign_groups(counts, (70, 20, 10), seed=1) != split).any()


def test_classes_are_shared_out_evenly():
    rng = np.random.default_rng(0)
    # 200 scenes of up to 5 images; a rare class in 10 of them
    counts = np.stack((rng.integers(0, 6, 200), rng.integers(0, 3, 200), np.zeros(200, int),
                       rng.integers(1, 6, 200)), 1)
    counts[rng.choice(200, 10, replace=False), 2] = 1
    split = assign_groups(counts, (0.7, 0.2, 0.1))
    for k, share in enumerate((0.7, 0.2, 0.1)):
        mine = counts[split == k].sum(0) / counts.sum(0)
        assert mine[:2] == pytest.approx(share, abs=0.03)
        assert mine[2] == pytest.approx(share, abs=0.051)  # of 10
        assert mine[3] == pytest.approx(share, abs=0.05)


def test_scenes_stay_whole(data):
    rows = ''.join(f'{k:03}.png,,s{k // 4},{k}\n' for k in range(20))
    (data / 'split.csv').write_text('image,split,drive,kept\n' + rows)
    assert main(['data', 'split', str(data), '--group-by', 'drive', '--shares', '60', '40']) == 0
    table = read_table(data / 'split.csv', ('image', 'split', 'scene_group', 'drive', 'kept'))
    assert [row['kept'] for row in table] == [str(k) for k in range(20)]
    for first in range(0, 20, 4):
        assert len({row['split'] for row in table[first:first + 4]}) == 1
    assert {row['split'] for row in table} == {'train', 'val'}
    assert sum(row['split'] == 'train' for row in table) == 12


def test_images_that_look_alike_stay_together(data):
    (data / 'split.csv').unlink()
    for k in range(20):  # ten scenes, each twice
        cv2.imwrite(str(data / 'images' / f'{k:03}.png'),
                    cv2.convertScaleAbs(scene(k // 2), alpha=1 - 0.1 * (k % 2)))
    assert main(['data', 'split', str(data)]) == 0
    split = [row['split'] for row in read_table(data / 'split.csv', ('image', 'split'))]
    assert split[::2] == split[1::2]
    assert 10 <= split.count('train') <= 16
    assert set(split) == {'train', 'val', 'test'}


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--shares', '100'], 'two or three numbers above 0'),
    (['--shares', '50', '0'], 'two or three numbers above 0'),
    (['--group-by', 'town'], "no 'town' for image"),
])
def test_a_split_that_makes_no_sense(data, capsys, arguments, message):
    before = (data / 'split.csv').read_bytes()
    assert main(['data', 'split', str(data), *arguments]) == 1
    assert message in capsys.readouterr().err
    assert (data / 'split.csv').read_bytes() == before


VOC = '''<annotation><filename>000.png</filename>
<object><name>halt</name><bndbox><xmin>17</xmin><ymin>33</ymin><xmax>48</xmax><ymax>64</ymax></bndbox>
</object>
<object><name>car</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>160</xmax><ymax>128</ymax></bndbox>
</object></annotation>'''
COCO = {
    'images': [{'id': 5, 'file_name': '000.png'}, {'id': 6, 'file_name': '001.png'}],
    'categories': [{'id': 3, 'name': 'halt'}, {'id': 4, 'name': 'car'}],
    'annotations': [
        {'id': 1, 'image_id': 5, 'category_id': 3, 'bbox': [16, 32, 32, 32]},
        {'id': 2, 'image_id': 5, 'category_id': 4, 'bbox': [0, 0, 160, 128]},
        {'id': 3, 'image_id': 6, 'category_id': 3, 'bbox': [0, 0, 99, 99], 'iscrowd': 1},
    ],
}
CSV = 'filename;class;xmin;ymin;xmax;ymax\n000.png;halt;16;32;48;64\n000.png;car;0;0;160;128\n'


def write_source(folder, kind, content):
    if kind == 'voc':
        (folder / 'xml').mkdir()
        (folder / 'xml' / '000.xml').write_text(content)
        return folder / 'xml'
    path = folder / f'boxes.{"json" if kind == "coco" else "csv"}'
    path.write_text(content)
    return path


@pytest.mark.parametrize(('kind', 'content'), [
    ('voc', VOC), ('coco', json.dumps(COCO)), ('csv', CSV), ('csv', CSV.replace(';', ','))])
def test_conversion(data, tmp_path, capsys, kind, content):
    source, out = write_source(tmp_path, kind, content), tmp_path / 'out'
    arguments = ['data', 'convert', kind, str(source), '--images', str(data / 'images'),
                 '--out', str(out)]
    assert main([*arguments, '--rename', 'halt=stop', '--rename', 'car=']) == 0
    # pixels 16 to 48 of 160 and 32 to 64 of 128: VOC counts them from 1 and names the last one
    assert (out / 'labels' / '000.txt').read_text() == '0 0.200000 0.375000 0.200000 0.250000\n'
    assert (out / 'classes.txt').read_text() == 'stop\n'
    assert (out / 'images' / '000.png').read_bytes() == (
        data / 'images' / '000.png').read_bytes()
    if kind == 'coco':
        assert (out / 'labels' / '001.txt').read_text() == ''
    assert len(read_dataset(out, None, 1)[0].boxes) == 1
    assert main(arguments) == 1  # it is there already
    assert 'is there already' in capsys.readouterr().err


def test_files_are_utf8_in_every_locale(data, tmp_path):
    source, out = write_source(tmp_path, 'csv', ''), tmp_path / 'out'
    source.write_text(CSV.replace('halt', 'größe'), encoding='utf-8')
    (data / 'split.csv').write_text('image,split,drive\n000.png,,größe\n', encoding='utf-8')
    for words in (['convert', 'csv', source, '--images', data / 'images', '--out', out],
                  ['check', out, '--plot', tmp_path / 'plot.svg'],
                  ['split', data, '--seed', '1']):
        subprocess.run([sys.executable, '-c', 'from tsr_ros.cli import main; exit(main())',
                        'data', *map(str, words)], env=in_ascii_locale(), check=True)
    assert (out / 'classes.txt').read_text(encoding='utf-8') == 'car\ngröße\n'
    assert 'größe' in (tmp_path / 'plot.svg').read_text(encoding='utf-8')
    assert 'größe' in (data / 'split.csv').read_text(encoding='utf-8')


BOMB = '<!DOCTYPE a [<!ENTITY x "xx"><!ENTITY y "&x;&x;">]><annotation>&y;</annotation>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation>&x;</annotation>'


@pytest.mark.parametrize(('kind', 'content', 'message'), [
    ('voc', BOMB, '000.xml:1: a document type has no place here'),
    ('voc', OUTSIDE, '000.xml:1: a document type has no place here'),
    ('voc', '<annotation>', '000.xml: not XML'),
    ('voc', VOC.replace('<xmin>17</xmin>', ''), '000.xml:2: an object without name or four'),
    ('voc', VOC.replace('000.png', '../../../etc/passwd'), "image 'passwd' is not in"),
    ('voc', VOC.replace('>48<', '>480<'), '000.xml:2: the box (16.0, 32.0, 480.0, 64.0) leaves'),
    ('voc', VOC.replace('>48<', '>16<'), '000.xml:2: the box (16.0, 32.0, 16.0, 64.0) has no'),
    ('coco', '{', 'boxes.json: not JSON'),
    ('coco', '{"images": []}', 'boxes.json: not in COCO form'),
    ('coco', json.dumps(COCO).replace('"image_id": 5', '"image_id": 9'),
     'boxes.json: annotation 1: there is no such image or category'),
    ('coco', json.dumps(COCO).replace('[16, 32, 32, 32]', '[16, 32, 32]'),
     'boxes.json: annotation 1'),
    ('csv', 'a;b\n', 'boxes.csv:1: no column for image'),
    ('csv', CSV.replace('48', 'x'), 'boxes.csv:2: expected four numbers'),
    ('csv', CSV.replace(';halt;', ';stopp;'), "boxes.csv:2: class 'stopp' is not one of"),
])
def test_bad_sources_are_named_and_leave_nothing(data, tmp_path, capsys, kind, content, message):
    source, out = write_source(tmp_path, kind, content), tmp_path / 'out'
    status = main(['data', 'convert', kind, str(source), '--images', str(data / 'images'),
                   '--out', str(out), '--labels', 'halt,car'])
    assert status == 1
    assert message in capsys.readouterr().err
    assert not out.exists()
    assert not list(tmp_path.glob('.out*'))


def test_two_who_write_one_folder_do_not_meet(data, tmp_path):
    out = tmp_path / 'out'
    annotation = Annotation('000.png', [Box('stop', (0, 0, 20, 30), '')], '')

    def beginning_anew():
        yield annotation
        Converter(data / 'images', ['stop']).write([annotation], out, show=False)

    with pytest.raises(DataError, match='out is there already: choose another folder'):
        Converter(data / 'images', ['stop']).write(beginning_anew(), out, show=False)
    assert [item.path.name for item in read_dataset(out, None, 1)] == ['000.png']
    assert not list(tmp_path.glob('.out*'))


def voc_of_size(width, height):
    return VOC.replace('</filename>', f'</filename>\n<size><width>{width}</width>'
                       f'<height>{height}</height><depth>3</depth></size>')


def coco_of_size(width, height):
    images = [{**image, 'width': width, 'height': height} for image in COCO['images']]
    return json.dumps({**COCO, 'images': images})


@pytest.mark.parametrize(('kind', 'content', 'message'), [
    ('voc', voc_of_size(160, 128), None),
    ('voc', voc_of_size(0, 0), None),  # so written by tools that do not know it
    ('voc', voc_of_size(80, 64), '000.xml:2: the image is stated to be 80 x 64, but '),
    ('voc', voc_of_size(80, 64), '000.png is 160 x 128\n'),
    ('voc', voc_of_size(128, 160), '000.png is 160 x 128 when it stands upright'),
    ('voc', voc_of_size('', 64), '000.xml:2: a size without two numbers'),
    ('coco', coco_of_size(160, 128), None),
    ('coco', coco_of_size(320, 256), 'boxes.json: image 5: the image is stated to be 320 x 256'),
    ('coco', coco_of_size(0, 0), None),
    ('coco', coco_of_size([], 256), 'boxes.json: image 5: a size without two numbers'),
    ('coco', coco_of_size('wide', 256), 'boxes.json: image 5: a size without two numbers'),
])
def test_boxes_are_those_of_an_image_of_this_size(data, tmp_path, capsys, kind, content, message):
    source, out = write_source(tmp_path, kind, content), tmp_path / 'out'
    status = main(['data', 'convert', kind, str(source), '--images', str(data / 'images'),
                   '--out', str(out)])
    assert status == (1 if message else 0)
    assert (message or '') in capsys.readouterr().err
    assert out.exists() == (message is None)


@pytest.mark.parametrize(('stated', 'good'), [((60, 40), False), ((40, 60), True)])
def test_a_photo_has_the_size_that_it_has_upright(tmp_path, stated, good):
    # 60 x 40 pixels in the file, and an EXIF orientation that says: turn it by 90 degrees
    exif = (b'Exif\0\0MM\0\x2a\0\0\0\x08' b'\0\1' b'\x01\x12\0\3\0\0\0\1\0\6\0\0'
            b'\0\0\0\0')
    jpeg = cv2.imencode('.jpg', np.full((40, 60, 3), 90, np.uint8))[1].tobytes()
    segment = b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images' / 'a.jpg').write_bytes(jpeg[:2] + segment + jpeg[2:])
    size = ImageSize(*stated, 'boxes.json: image 1')
    annotation = Annotation('a.jpg', [Box('stop', (0, 0, 20, 30), 'box 1')], 'boxes.json', size)
    converter = Converter(tmp_path / 'images')
    if not good:
        with pytest.raises(DataError, match='is 40 x 60 when it stands upright'):
            converter.write([annotation], tmp_path / 'out', show=False)
        return
    converter.write([annotation], tmp_path / 'out', show=False)
    text = (tmp_path / 'out' / 'labels' / 'a.txt').read_text()
    assert text == '0 0.250000 0.250000 0.500000 0.500000\n'


@pytest.mark.parametrize(('name', 'expected'), [
    ('a/x.png', 'a_x'), ('b\\x.png', 'b_x'),  # as Windows writes it
    ('y.png', 'b_y'), ('elsewhere/y.png', 'b_y'),  # there is but one
    ('z.png', 'z'),  # as it stands, it is the path of one
    ('x.png', None), ('elsewhere/x.png', None), ('elsewhere/z.png', None),
])
def test_an_image_is_named_by_its_path_where_there_are_several(tmp_path, name, expected):
    for path in 'a/x.png', 'b/x.png', 'b/y.png', 'z.png', 'a/z.png':
        (tmp_path / 'images' / path).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / 'images' / path), np.zeros((40, 60, 3), np.uint8))
    annotation = Annotation(name, [Box('stop', (0, 0, 20, 30), 'boxes.csv:2')], 'boxes.csv')
    converter = Converter(tmp_path / 'images')
    if expected is None:
        with pytest.raises(DataError, match=r'boxes\.csv: image .* may be .*: give its path'):
            converter.write([annotation], tmp_path / 'out', show=False)
        assert not (tmp_path / 'out').exists()
    else:
        converter.write([annotation], tmp_path / 'out', show=False)
        labels = [path.stem for path in (tmp_path / 'out' / 'labels').iterdir()]
        assert labels == [expected]


def test_bad_boxes_can_be_left_out(data, tmp_path, capsys):
    source = write_source(tmp_path, 'csv', CSV.replace('48', '480'))
    out = tmp_path / 'out'
    assert main(['data', 'convert', 'csv', str(source), '--images', str(data / 'images'),
                 '--out', str(out), '--skip-bad']) == 0
    assert 'left out: ' in capsys.readouterr().err
    assert len((out / 'labels' / '000.txt').read_text().splitlines()) == 1

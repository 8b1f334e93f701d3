# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import sqlite3

import cv2
import numpy as np
import pytest
import yaml
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from tsr_ros.evaluation.ground_truth import LABELS, GroundTruth
from tsr_ros.replay import messages
from tsr_ros.replay.bag import (
    CAMERA_INFO_TOPIC,
    COMPRESSED_TOPIC,
    GROUND_TRUTH_TOPIC,
    LABEL_INFO_TOPIC,
    RAW_TOPIC,
    BagError,
    BagReader,
    BagWriter,
    frames,
    is_bag,
)
from tsr_ros.replay.frame import Frame
from tsr_ros.vision.image_codecs import ImageError

SECOND = 10**9
PICTURE = np.arange(8 * 12 * 3, dtype=np.uint8).reshape(8, 12, 3)
PNG = cv2.imencode('.png', PICTURE)[1].tobytes()
TRUTH = GroundTruth.of([[1, 2, 5, 8], [3.5, 0, 11, 4]], [1, 4], ['turn_left_1', 'light_red_2'],
                       [[1, -2, 20], [0, -3, 60]], [1, 0.5])
TRUTHS = [TRUTH, GroundTruth.of(), None]
ALL_TOPICS = {COMPRESSED_TOPIC: 3, CAMERA_INFO_TOPIC: 3, GROUND_TRUTH_TOPIC: 2,
              LABEL_INFO_TOPIC: 1, '/tf': 1}


def write(path, storage='mcap', compressed=True, truths=TRUTHS, **options):
    """Write three pictures, one with two objects, one with none, one of which nothing is known."""
    with BagWriter(path, storage, {'condition': 'night_rain', 'licence': 'Apache-2.0'},
                   **options) as writer:
        for number, truth in enumerate(truths):
            frame = Frame(f'f{number}', SECOND * (number + 1), PNG, None, truth)
            writer.write_frame(frame, compressed=compressed, focal_px=100)
        writer.write('/tf', messages.transform(SECOND, 'map', 'camera_optical_frame', [1, 2, 3],
                                               [0, 0, 0, 1]), SECOND)
    return path


def write_messages(path, *entries, storage='mcap', empty=()):
    """Write (topic, message) a second apart; `empty` are (topic, type) without messages."""
    with BagWriter(path, storage) as writer:
        for topic, type_name in empty:
            writer._writer.add_connection(topic, type_name, typestore=messages.typestore())
        for number, (topic, message) in enumerate(entries, 1):
            writer.write(topic, message, number * SECOND)
    return path


def file_of(bag):
    """Return the recording's one data file."""
    (file,) = [file for file in bag.iterdir() if file.suffix in ('.mcap', '.db3')]
    return file


# -- there and back ------------------------------------------------------------------------------

@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('compressed', [True, False])
@pytest.mark.parametrize('alone', [True, False])
def test_round_trip(tmp_path, storage, compressed, alone):
    bag = write(tmp_path / 'bag', storage, compressed)
    read = list(frames(file_of(bag) if alone else bag))
    assert [frame.stamp_ns for frame in read] == [SECOND, 2 * SECOND, 3 * SECOND]
    assert [frame.compressed for frame in read] == [PNG if compressed else None] * 3
    for frame in read:
        np.testing.assert_array_equal(frame.bgr(), PICTURE)
    for frame, truth in zip(read, TRUTHS, strict=True):
        if truth is None:
            assert frame.ground_truth is None
            continue
        assert frame.ground_truth.track_id == truth.track_id
        for name in ('xyxy', 'class_id', 'position_m', 'visible'):
            np.testing.assert_allclose(getattr(frame.ground_truth, name), getattr(truth, name))


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_notes_and_contents(tmp_path, storage):
    with BagReader(write(tmp_path / 'bag', storage)) as bag:
        assert bag.condition == 'night_rain'
        assert bag.metadata['licence'] == 'Apache-2.0'
        assert bag.labels(RAW_TOPIC) == LABELS
        assert {topic.name: topic.count for topic in bag.topics} == ALL_TOPICS
        assert (bag.start_ns, bag.duration_ns) == (SECOND, 2 * SECOND)


def test_the_same_content_is_read_by_mcap_itself(tmp_path):
    bag = write(tmp_path / 'bag')
    read = {}
    with file_of(bag).open('rb') as file:
        for _, channel, record, message in make_reader(
                file, decoder_factories=[DecoderFactory()]).iter_decoded_messages():
            read.setdefault(channel.topic, []).append((record.log_time, message))
    assert {topic: len(found) for topic, found in read.items()} == ALL_TOPICS
    time_ns, image = read[COMPRESSED_TOPIC][1]
    assert time_ns == 2 * SECOND
    assert bytes(image.data) == PNG
    light = read[GROUND_TRUTH_TOPIC][0][1].detections[1]
    assert (light.id, light.results[0].hypothesis.class_id) == ('light_red_2', 'light')
    assert (light.bbox.center.position.x, light.bbox.size_x) == (7.25, 7.5)
    assert list(read[CAMERA_INFO_TOPIC][0][1].k) == [100, 0, 6, 0, 100, 4, 0, 0, 1]
    transform = read['/tf'][0][1].transforms[0]
    assert (transform.header.frame_id, transform.child_frame_id) == ('map',
                                                                     'camera_optical_frame')
    assert transform.transform.translation.z == 3


def test_the_same_content_is_in_the_sqlite_tables(tmp_path):
    bag = write(tmp_path / 'bag', 'sqlite3')
    with sqlite3.connect(file_of(bag)) as tables:
        counts = dict(tables.execute(
            'select topics.name, count(*) from messages join topics on topics.id = topic_id '
            'group by topics.name'))
        (data,) = tables.execute(
            'select data from messages join topics on topics.id = topic_id '
            'where topics.name = ? order by timestamp limit 1', [COMPRESSED_TOPIC]).fetchone()
    assert counts == ALL_TOPICS
    assert PNG in data


def test_metadata_file(tmp_path):
    bag = write(tmp_path / 'bag')
    metadata = yaml.safe_load((bag / 'metadata.yaml').read_text())
    information = metadata['rosbag2_bagfile_information']
    assert information['relative_file_paths'] == ['bag.mcap']
    assert information['message_count'] == sum(ALL_TOPICS.values())
    assert information['storage_identifier'] == 'mcap'


def test_labels_of_another_set(tmp_path):
    truth = GroundTruth.of([[0, 0, 4, 4]], [1])
    with BagWriter(tmp_path / 'bag') as writer:
        writer.write_frame(Frame('f', SECOND, PNG, None, truth), labels=['cat', 'dog'])
    with BagReader(tmp_path / 'bag') as bag:
        assert bag.labels(RAW_TOPIC) == ('cat', 'dog')
        assert next(bag.frames()).ground_truth.class_id.tolist() == [1]


def test_without_ground_truth(tmp_path):
    with BagReader(write(tmp_path / 'bag', truths=[None, None])) as bag:
        assert not bag.has(GROUND_TRUTH_TOPIC)
        assert [frame.ground_truth for frame in bag.frames()] == [None, None]


def test_a_picture_without_a_stamp_gets_the_time_of_recording(tmp_path):
    bag = write_messages(tmp_path / 'bag', ('/camera', messages.image(PICTURE, 0)))
    assert [frame.stamp_ns for frame in frames(bag)] == [SECOND]


def test_a_damaged_picture_is_told_when_it_is_decoded(tmp_path):
    bag = write_messages(
        tmp_path / 'bag', (COMPRESSED_TOPIC, messages.compressed_image(PNG[:60], SECOND)),
        (COMPRESSED_TOPIC, messages.compressed_image(PNG, 2 * SECOND)))
    damaged, good = frames(bag)
    with pytest.raises(ImageError):
        damaged.bgr()
    np.testing.assert_array_equal(good.bgr(), PICTURE)


# -- writing -------------------------------------------------------------------------------------

def test_nothing_written_leaves_nothing(tmp_path):
    with pytest.raises(BagError, match='nothing was written'), BagWriter(tmp_path / 'bag'):
        pass
    assert list(tmp_path.iterdir()) == []


def test_broken_off_leaves_nothing(tmp_path):
    def broken_off():
        with BagWriter(tmp_path / 'bag') as writer:
            writer.write_frame(Frame('f', SECOND, PNG, None, None))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_picture_is_not_written(tmp_path):
    with BagWriter(tmp_path / 'bag') as writer:
        writer.write_frame(Frame('good', SECOND, PNG, None, None))
        with pytest.raises(ImageError):
            writer.write_frame(Frame('bad', 2 * SECOND, PNG[:60], None, None))
    assert len(list(frames(tmp_path / 'bag'))) == 1


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_overwriting_has_to_be_asked_for(tmp_path, storage):
    bag = write(tmp_path / 'bag', storage)
    with pytest.raises(BagError, match='exists already; --overwrite'):
        write(bag)
    assert len(list(frames(bag))) == 3
    write(bag, truths=[None], overwrite=True)
    assert len(list(frames(bag))) == 1
    assert [file.name for file in tmp_path.iterdir()] == ['bag']


OF_A_BAG = 'rosbag2_bagfile_information: {relative_file_paths: [bag.db3]}'


@pytest.mark.parametrize('files', [
    {'thesis.tex': ''},
    {'metadata.yaml': 'name: a data set'},
    {'metadata.yaml': 'rosbag2_bagfile_information: {version: ['},
    {'metadata.yaml': 'rosbag2_bagfile_information: {relative_file_paths:}'},
    {'bag.db3': ''},  # may be any database
    {'metadata.yaml': OF_A_BAG, 'bag.db3': '', 'thesis.tex': ''},
    {'metadata.yaml': OF_A_BAG, 'bag.db3': '', 'other.db3': ''},
    {'metadata.yaml': OF_A_BAG, 'bag.db3/thesis.tex': ''},
])
def test_what_is_no_recording_alone_is_never_overwritten(tmp_path, files):
    for name, text in files.items():
        (tmp_path / 'bag' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'bag' / name).write_text(text)
    before = sorted(tmp_path.rglob('*'))
    with pytest.raises(BagError, match='bag is not a recording and nothing else'):
        write(tmp_path / 'bag', overwrite=True)
    assert sorted(tmp_path.rglob('*')) == before


def test_a_file_is_never_overwritten_by_a_folder(tmp_path):
    file = file_of(write(tmp_path / 'bag'))
    with pytest.raises(BagError, match=r'bag\.mcap is not a recording and nothing else'):
        write(file, overwrite=True)
    assert len(list(frames(file))) == 3


def test_unknown_storage(tmp_path):
    with pytest.raises(BagError, match="'rosbag1'; it can be mcap or sqlite3"):
        BagWriter(tmp_path / 'bag', 'rosbag1')


# -- damage --------------------------------------------------------------------------------------

def missing(path):
    return path / 'nowhere', 'does not exist'


def empty_folder(path):
    return path, 'is not a rosbag2: it has no metadata.yaml and 0 files'


def empty_file(path):
    (path / 'empty.mcap').touch()
    return path / 'empty.mcap', 'cut short or damaged'


def other_content(path):
    (path / 'poem.db3').write_text('no database' * 100)
    return path / 'poem.db3', 'cut short or damaged'


def truncated_mcap(path):
    bag = write(path / 'bag')
    content = file_of(bag).read_bytes()
    file_of(bag).write_bytes(content[:len(content) // 2])
    return bag, r'cut short or damaged: .*mcap recover'


def huge_length(path):
    bag = write(path / 'bag')
    content = bytearray(file_of(bag).read_bytes())
    content[16] = 0x40  # highest byte of the length of the first record, after magic and kind
    file_of(bag).write_bytes(content)
    return bag, 'cut short or damaged: it asks for more memory than there is'


def truncated_sqlite(path):
    bag = write(path / 'bag', 'sqlite3')
    content = file_of(bag).read_bytes()
    file_of(bag).write_bytes(content[:len(content) // 2])
    return bag, 'cut short or damaged'


def missing_data_file(path):
    bag = write(path / 'bag')
    file_of(bag).unlink()
    return bag, 'cut short or damaged'


def broken_metadata(path):
    bag = write(path / 'bag')
    (bag / 'metadata.yaml').write_text('rosbag2_bagfile_information: {version: [')
    return bag, 'cut short or damaged'


@pytest.mark.parametrize('damage', [
    missing, empty_folder, empty_file, other_content, truncated_mcap, huge_length,
    truncated_sqlite, missing_data_file, broken_metadata])
def test_damaged(tmp_path, damage):
    path, message = damage(tmp_path)
    with pytest.raises(BagError, match=message) as caught:
        list(frames(path))
    assert str(path) in str(caught.value)


# -- topics and types ----------------------------------------------------------------------------

@pytest.mark.parametrize(('topics', 'wanted', 'expected'), [
    ([RAW_TOPIC], None, RAW_TOPIC),
    (['/left', COMPRESSED_TOPIC, RAW_TOPIC], None, COMPRESSED_TOPIC),
    (['/left'], None, '/left'),
    (['/left', '/right'], '/right', '/right'),
])
def test_image_topic(tmp_path, topics, wanted, expected):
    bag = write_messages(tmp_path / 'bag', *(
        (topic, messages.compressed_image(PNG, SECOND) if topic == COMPRESSED_TOPIC
         else messages.image(PICTURE, SECOND)) for topic in topics))
    with BagReader(bag) as reader:
        assert reader.image_topic(wanted) == expected


@pytest.mark.parametrize(('topics', 'wanted', 'message'), [
    ([], None, r'no image topic; it holds /camera/camera_info \(sensor_msgs/msg/CameraInfo\)'),
    ([], '/left', 'no images on /left; it holds /camera/camera_info'),
    (['/left', '/right'], None, 'several image topics, name one with --topic: /left, /right'),
    (['/left', '/right'], CAMERA_INFO_TOPIC, 'no images on /camera/camera_info'),
])
def test_no_image_topic(tmp_path, topics, wanted, message):
    bag = write_messages(
        tmp_path / 'bag', (CAMERA_INFO_TOPIC, messages.camera_info((12, 8), SECOND)),
        *((topic, messages.image(PICTURE, SECOND)) for topic in topics))
    with BagReader(bag) as reader, pytest.raises(BagError, match=message):
        reader.image_topic(wanted)


@pytest.mark.parametrize('empty', [COMPRESSED_TOPIC, '/other'])
def test_topics_without_messages_are_not_there(tmp_path, empty):
    bag = write_messages(
        tmp_path / 'bag', (RAW_TOPIC, messages.image(PICTURE, SECOND)), storage='sqlite3',
        empty=[(empty, messages.COMPRESSED_IMAGE), (GROUND_TRUTH_TOPIC, messages.DETECTIONS)])
    with BagReader(bag) as reader:
        assert [topic.name for topic in reader.image_topics] == [RAW_TOPIC]
        assert reader.image_topic() == RAW_TOPIC
        assert reader.beside(RAW_TOPIC, 'ground_truth') is None
        with pytest.raises(BagError, match=f'no images on {empty}; it holds {RAW_TOPIC} [^,]+$'):
            reader.image_topic(empty)


@pytest.mark.parametrize(('images', 'infos', 'expected'), [
    (['/left/image_raw'], ['/left/camera_info'], '/left/camera_info'),
    (['/left/image_raw/compressed'], ['/left/camera_info'], '/left/camera_info'),
    (['/a/left/image_rect/compressed'], ['/a/left/camera_info'], '/a/left/camera_info'),
    (['/image'], ['/camera_info'], '/camera_info'),
    (['/left'], ['/left/camera_info', '/right/camera_info'], '/left/camera_info'),
    # another camera's
    (['/left/image_raw', RAW_TOPIC], [CAMERA_INFO_TOPIC], None),
    (['/left/image_raw', RAW_TOPIC], ['/left/camera_info', CAMERA_INFO_TOPIC],
     '/left/camera_info'),
    # the only camera has the usual topics, too
    (['/left/image_raw'], [CAMERA_INFO_TOPIC], CAMERA_INFO_TOPIC),
    (['/left/image_raw', '/left/image_raw/compressed'], [CAMERA_INFO_TOPIC], CAMERA_INFO_TOPIC),
    (['/left/image_raw'], [], None),
])
def test_what_lies_beside_the_images(tmp_path, images, infos, expected):
    bag = write_messages(
        tmp_path / 'bag', *((topic, messages.image(PICTURE, SECOND)) for topic in images),
        *((topic, messages.camera_info((12, 8), SECOND)) for topic in infos))
    with BagReader(bag) as reader:
        assert reader.beside(images[0], 'camera_info') == expected


def test_each_camera_has_its_own_ground_truth_and_classes(tmp_path):
    bag = tmp_path / 'bag'
    with BagWriter(bag) as writer:
        for camera, labels, class_id in (('/left', ['cat', 'dog'], 1), ('/right', ['car'], 0)):
            truth = GroundTruth.of([[0, 0, 4, 4]], [class_id])
            writer.write(f'{camera}/image_raw', messages.image(PICTURE, SECOND), SECOND)
            writer.write(f'{camera}/label_info', messages.label_info(labels, SECOND), SECOND)
            writer.write(f'{camera}/ground_truth', messages.detections(truth, labels, SECOND),
                         SECOND)
    with BagReader(bag) as reader:
        for topic, labels, class_id in (('/left/image_raw', ('cat', 'dog'), 1),
                                        ('/right/image_raw', ('car',), 0)):
            (frame,) = reader.frames(topic)
            assert reader.labels(topic) == labels
            assert frame.ground_truth.class_id.tolist() == [class_id]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize(('stamps_s', 'others_s', 'span_s'), [
    ([], [1], 0),
    ([5], [1], 0),
    ([5, 7.5], [], 2.5),
    ([1, 2, 3], [0, 1000], 2),  # the last of it lies far from the end
    ([500, 501], [0, 1000], 1),
    ([0, 30], [60], 30),
])
def test_how_long_a_topic_lasts(tmp_path, storage, stamps_s, others_s, span_s):
    camera = [(5 * SECOND + round(stamp_s * SECOND), '/camera') for stamp_s in stamps_s]
    others = [(5 * SECOND + round(stamp_s * SECOND), '/other') for stamp_s in others_s]
    with BagWriter(tmp_path / 'bag', storage) as writer:
        for stamp_ns, topic in sorted(camera + others):
            # what is recorded a moment later does not count
            writer.write(topic, messages.image(PICTURE, stamp_ns), stamp_ns + 10**6)
    with BagReader(tmp_path / 'bag') as reader:
        assert reader.span_s('/camera') == span_s


def test_ground_truth_of_another_type(tmp_path):
    bag = write_messages(tmp_path / 'bag', (RAW_TOPIC, messages.image(PICTURE, SECOND)),
                         (GROUND_TRUTH_TOPIC, messages.image(PICTURE, SECOND)))
    with pytest.raises(BagError, match='ground truth is vision_msgs/msg/Detection2DArray'):
        list(frames(bag))


def test_ground_truth_of_an_unknown_class(tmp_path):
    truth = GroundTruth.of([[0, 0, 4, 4]], [0])
    bag = write_messages(tmp_path / 'bag', (RAW_TOPIC, messages.image(PICTURE, SECOND)),
                         (GROUND_TRUTH_TOPIC, messages.detections(truth, ['cat'], SECOND)))
    with pytest.raises(BagError, match="class 'cat' is not one of prohibition"):
        list(frames(bag))


def foreign_bag(path, monkeypatch, topic, type_name, definitions, make):
    """Write a recording with a message type that is not ours, or not as ours."""
    store = get_typestore(Stores.ROS2_KILTED)
    types = {}
    for name, text in definitions.items():
        types.update(get_types_from_msg(text, name))
    store.register(types)
    monkeypatch.setattr(messages, 'typestore', lambda: store)
    bag = write_messages(path, (RAW_TOPIC, messages.image(PICTURE, SECOND)),
                         (topic, make(store.types)))
    monkeypatch.undo()
    return bag


def test_an_unknown_type_does_not_keep_the_rest_from_being_read(tmp_path, monkeypatch):
    bag = foreign_bag(tmp_path / 'bag', monkeypatch, '/wheels', 'robot_msgs/msg/Wheels',
                      {'robot_msgs/msg/Wheels': 'float64 left'},
                      lambda types: types['robot_msgs/msg/Wheels'](left=1.0))
    assert len(list(frames(bag))) == 1
    with BagReader(bag) as reader, pytest.raises(
            BagError, match='/wheels has messages of type robot_msgs/msg/Wheels, which'):
        list(reader.messages(['/wheels']))


def test_vision_msgs_of_an_older_ros(tmp_path, monkeypatch):
    definitions = {
        'vision_msgs/msg/Detection2D': 'std_msgs/Header header\nfloat64 size_x',
        messages.DETECTIONS: 'std_msgs/Header header\nvision_msgs/Detection2D[] detections'}
    bag = foreign_bag(
        tmp_path / 'bag', monkeypatch, GROUND_TRUTH_TOPIC, messages.DETECTIONS, definitions,
        lambda types: types[messages.DETECTIONS](header=messages.header(SECOND), detections=[]))
    with pytest.raises(BagError, match='another vision_msgs/msg/Detection2D than is known here'):
        list(frames(bag))


def test_labels_that_are_not_numbered_from_0(tmp_path):
    info = messages.label_info(['a', 'b'], SECOND)
    info.class_map[1].class_id = 5
    bag = write_messages(tmp_path / 'bag', (LABEL_INFO_TOPIC, info))
    with BagReader(bag) as reader, pytest.raises(BagError, match=r'\[0, 5\], not from 0 on'):
        reader.labels(RAW_TOPIC)


def test_is_bag(tmp_path):
    bag = write(tmp_path / 'bag')
    assert is_bag(bag)
    assert is_bag(file_of(bag))
    assert not is_bag(tmp_path)
    assert not is_bag(tmp_path / 'film.mp4')

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings in rosbag2's two formats, MCAP and SQLite3, without a ROS installation."""

import os
import shutil
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import yaml
from rosbags.interfaces import (
    Connection,
    MessageDefinitionFormat,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg

from tsr_ros.evaluation.ground_truth import LABELS, GroundTruth
from tsr_ros.replay import messages
from tsr_ros.replay.frame import Frame

COMPRESSED_TOPIC = '/camera/image_raw/compressed'
RAW_TOPIC = '/camera/image_raw'
CAMERA_INFO_TOPIC = '/camera/camera_info'
GROUND_TRUTH_TOPIC = '/camera/ground_truth'
LABEL_INFO_TOPIC = '/camera/label_info'
IMAGE_TYPES = (messages.COMPRESSED_IMAGE, messages.IMAGE)

STORAGES = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}
_METADATA = 'metadata.yaml'
_FILES = ('.mcap', '.db3')
_TRANSPORTS = ('compressed', 'compressedDepth')  # of image_transport: the end of their topics
_FOREVER = QosTime(2147483647, 4294967295)
_LATCHED = Qos(QosHistory.KEEP_LAST, 1, QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL,
               _FOREVER, _FOREVER, QosLiveliness.AUTOMATIC, _FOREVER, False)
# The newest version of the metadata that every ROS 2 from Humble on reads.
_METADATA_VERSION = 8


class BagError(Exception):
    """A recording that cannot be read or written: which, why, and what can be done."""


class Topic(NamedTuple):
    """One line of a recording's table of contents."""

    name: str
    type: str
    count: int


def is_bag(path: Path) -> bool:
    """Tell whether a path is a rosbag2 folder or one of its files, by its looks."""
    if path.is_dir():
        return (path / _METADATA).is_file() or any(path.glob('*.mcap')) \
            or any(path.glob('*.db3'))
    return path.suffix in _FILES


def _is_bag_alone(path: Path) -> bool:
    """Tell whether a folder holds a rosbag2, as its metadata lists it, and nothing else."""
    try:
        metadata = yaml.safe_load((path / _METADATA).read_bytes())
        listed = metadata['rosbag2_bagfile_information']['relative_file_paths']
        return all(entry.is_file() and entry.name in (_METADATA, *listed)
                   for entry in path.iterdir())
    except (OSError, KeyError, TypeError, yaml.YAMLError):
        return False


class BagReader:
    """
    Read a rosbag2 folder, or one of its .mcap or .db3 files alone.

    A context manager. Errors, those of a damaged file too, are BagErrors.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._reader = self._open()
        self.topics = tuple(sorted(
            Topic(connection.topic, connection.msgtype, connection.msgcount)
            for connection in self._reader.connections))

    def _open(self) -> Reader:
        if not self.path.exists():
            raise BagError(f'{self.path} does not exist')
        path = self.path
        if path.is_dir() and not (path / _METADATA).is_file():
            files = [file for file in path.iterdir() if file.suffix in _FILES]
            if len(files) != 1:
                raise BagError(f'{path} is not a rosbag2: it has no metadata.yaml '
                               f'and {len(files)} files of type {" or ".join(_FILES)}')
            path = files[0]
        with self._damage_named():
            reader = Reader(path)
            reader.open()
        return reader

    @contextmanager
    def _damage_named(self) -> Iterator[None]:
        """Turn what the parser makes of a damaged file, which can be anything, into a BagError."""
        try:
            yield
        except BagError:
            raise
        except Exception as error:
            hint = ' (`mcap recover` saves what can be saved of an MCAP file)' if any(
                self.path.glob('*.mcap')) or self.path.suffix == '.mcap' else ''
            reason = str(error).rstrip('.') or type(error).__name__
            if isinstance(error, MemoryError):  # a length in it that is none
                reason = 'it asks for more memory than there is'
            raise BagError(f'{self.path} is cut short or damaged: {reason}{hint}') from error

    def __enter__(self) -> 'BagReader':
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._reader.is_open:
            self._reader.close()

    @property
    def start_ns(self) -> int:
        """Time of the first message, nanoseconds."""
        return self._reader.start_time

    @property
    def duration_ns(self) -> int:
        """Nanoseconds from the first message to the last."""
        return max(0, self._reader.duration - 1)

    @property
    def metadata(self) -> dict[str, str]:
        """What the recorder noted about the whole: `condition`, `source`, `licence` and more."""
        return dict(self._reader.storage.metadata.custom or {})

    @property
    def condition(self) -> str:
        """Light and weather, such as night_rain; 'unspecified' where nothing is noted."""
        return self.metadata.get('condition', 'unspecified')

    def beside(self, image_topic: str, name: str) -> str | None:
        """
        Return the topic of what belongs to a camera; None where the recording has none.

        As image_transport has it, that lies beside the images without their transport: of
        /left/image_raw/compressed it is /left/camera_info. Else it may lie below them, and where
        all images are one camera's, the usual topic will do.

        :param name: camera_info, ground_truth or label_info.
        """
        base = _without_transport(image_topic)
        candidates = [f'{base.rpartition("/")[0]}/{name}', f'{base}/{name}']
        if {_without_transport(topic.name) for topic in self.image_topics} <= {base}:
            candidates.append(f'/camera/{name}')
        return next((topic for topic in candidates if self.has(topic)), None)

    def labels(self, image_topic: str) -> tuple[str, ...]:
        """Return the names by class id that a camera's label_info has, else this package's."""
        topic = self.beside(image_topic, 'label_info')
        for _, _, info in self.messages([topic] if topic else []):
            names = {entry.class_id: entry.class_name for entry in info.class_map}
            if set(names) != set(range(len(names))):
                raise BagError(f'{self.path}: {topic} numbers its classes '
                               f'{sorted(names)}, not from 0 on')
            return tuple(names[class_id] for class_id in sorted(names))
        return LABELS

    @property
    def image_topics(self) -> list[Topic]:
        """The topics with images in them."""
        return [topic for topic in self.topics if topic.type in IMAGE_TYPES and topic.count]

    def image_topic(self, wanted: str | None = None) -> str:
        """Return the topic of the camera: the one wanted, the usual one, or the only one."""
        images = [topic.name for topic in self.image_topics]
        if wanted is not None:
            candidates = [wanted] if wanted in images else []
        else:
            candidates = [name for name in (COMPRESSED_TOPIC, RAW_TOPIC) if name in images]
            candidates = candidates or (images if len(images) == 1 else [])
        if candidates:
            return candidates[0]
        listing = ', '.join(f'{topic.name} ({topic.type})' for topic in self.topics
                            if topic.count) or 'nothing'
        if wanted is not None:
            raise BagError(f'{self.path} has no images on {wanted}; it holds {listing}')
        if images:
            raise BagError(f'{self.path} has several image topics, name one with --topic: '
                           f'{", ".join(images)}')
        raise BagError(f'{self.path} has no image topic; it holds {listing}')

    def has(self, topic: str) -> bool:
        """Tell whether the recording has messages on a topic."""
        return any(entry.name == topic and entry.count for entry in self.topics)

    def messages(self, topics: Sequence[str],
                 start_ns: int | None = None) -> Iterator[tuple[str, int, Any]]:
        """
        Yield topic, time of recording in nanoseconds and message, in the order of time.

        :param topics: those without messages are passed over.
        :param start_ns: time of recording from which on; None: from the first.
        """
        connections = [connection for connection in self._reader.connections
                       if connection.topic in topics and connection.msgcount]
        if not connections:
            return
        for connection in connections:
            self._check_type(connection)
        with self._damage_named():
            for connection, time_ns, data in self._reader.messages(connections, start_ns):
                message = messages.typestore().deserialize_cdr(data, connection.msgtype)
                yield connection.topic, time_ns, message

    def _check_type(self, connection: Connection) -> None:
        """Raise BagError unless the recording's message type is laid out as it is here."""
        known = messages.typestore().fielddefs
        name = connection.msgtype
        if name not in known:
            raise BagError(f'{self.path}: {connection.topic} has messages of type {name}, '
                           'which this package does not know')
        if connection.msgdef.format != MessageDefinitionFormat.MSG:
            return
        with self._damage_named():
            recorded = get_types_from_msg(connection.msgdef.data, name)
        for part, (_, fields) in recorded.items():
            here = known.get(part, ((), ()))[1]
            if [(field.lower(), kind) for field, kind in fields] != [
                    (field.lower(), kind) for field, kind in here]:
                raise BagError(
                    f'{self.path}: {connection.topic} was recorded with another {part} than is '
                    'known here (vision_msgs 4, of ROS 2 Humble and later)')

    def span_s(self, topic: str) -> float:
        """Return the seconds from a topic's first stamp to its last; 0 where it has none."""
        first = next(self.messages([topic]), None)
        if first is None:
            return 0.0
        # from the end back, farther and farther, so that not all has to be read
        end_ns, back_ns = self.start_ns + self.duration_ns, 10**9
        newest = deque([first], maxlen=1)
        while newest[0] is first and back_ns < 4 * (self.duration_ns + 10**9):
            newest.extend(self.messages([topic], end_ns - back_ns))
            back_ns *= 4
        return (_stamp_ns(*newest[0][1:]) - _stamp_ns(*first[1:])) / 1e9

    def frames(self, topic: str | None = None) -> Iterator[Frame]:
        """
        Yield the pictures of one topic with the ground truth of the same stamp, if it has any.

        Where the recording has ground truth but none for a picture, that picture's is None.
        A picture without a stamp gets the time at which it was recorded.
        """
        topic = self.image_topic(topic)
        truths = self._ground_truths(topic)
        count = 0
        for _, time_ns, message in self.messages([topic]):
            stamp_ns = _stamp_ns(time_ns, message)
            compressed = message.__msgtype__ == messages.COMPRESSED_IMAGE
            yield Frame(
                f'{self.path.name}:{count}', stamp_ns,
                message.data.tobytes() if compressed else None,
                None if compressed else _decoder(message), truths.get(stamp_ns))
            count += 1
        if not count:
            raise BagError(f'{self.path} has no images on {topic}')

    def _ground_truths(self, image_topic: str) -> dict[int, GroundTruth]:
        topic = self.beside(image_topic, 'ground_truth')
        if topic is None:
            return {}
        labels = self.labels(image_topic)
        truths = {}
        for _, time_ns, message in self.messages([topic]):
            if message.__msgtype__ != messages.DETECTIONS:
                raise BagError(f'{self.path}: {topic} has messages of type {message.__msgtype__}; '
                               f'ground truth is {messages.DETECTIONS}')
            try:
                truth = messages.to_ground_truth(message, labels)
            except ValueError as error:
                raise BagError(f'{self.path}: {topic}: {error}') from None
            truths[_stamp_ns(time_ns, message)] = truth
        return truths


def _without_transport(topic: str) -> str:
    head, _, tail = topic.rpartition('/')
    return head if tail in _TRANSPORTS else topic


def _stamp_ns(time_ns: int, message: Any) -> int:
    """Return the stamp of a message, that of its recording where it has none."""
    return messages.stamp_ns(message) or time_ns


def _decoder(message: Any) -> Any:
    return lambda: messages.to_bgr(message)


def frames(path: str | Path, topic: str | None = None) -> Iterator[Frame]:
    """Yield the pictures of a recording with their ground truth; see BagReader.frames."""
    with BagReader(path) as bag:
        yield from bag.frames(topic)


class BagWriter:
    """
    Write a rosbag2 folder that appears under its name only when it is complete.

    A context manager; left by an exception, it leaves nothing.

    :param storage: mcap or sqlite3.
    :param metadata: notes about the whole, such as `condition`, `source` and `licence`.
    :param overwrite: replace a recording of that name; a folder that holds anything else stays.
    """

    def __init__(self, path: str | Path, storage: str = 'mcap',
                 metadata: Mapping[str, str] | None = None, overwrite: bool = False):
        self.path = Path(path)
        if storage not in STORAGES:
            raise BagError(f"storage is '{storage}'; it can be {' or '.join(STORAGES)}")
        if self.path.exists() and not overwrite:
            raise BagError(f'{self.path} exists already; --overwrite replaces it')
        if self.path.exists() and not _is_bag_alone(self.path):
            raise BagError(
                f'{self.path} is not a recording and nothing else ({_METADATA} and the files that '
                'it lists), so it is not overwritten; name another folder, or remove it yourself')
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # the file inside is named after its folder, which therefore has its final name at once
        self._parent = Path(tempfile.mkdtemp(prefix=f'.{self.path.name}.', dir=self.path.parent))
        self._writer = Writer(self._parent / self.path.name, version=_METADATA_VERSION,
                              storage_plugin=STORAGES[storage])
        if storage == 'mcap':
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        for key, value in (metadata or {}).items():
            self._writer.set_custom_data(key, value)
        self._writer.open()
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> 'BagWriter':
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(self, topic: str, message: Any, stamp_ns: int) -> None:
        """Write one message; the time of recording is given in nanoseconds."""
        type_name = message.__msgtype__
        store = messages.typestore()
        if topic not in self._connections:
            qos = [_LATCHED] if topic == LABEL_INFO_TOPIC else []
            self._connections[topic] = self._writer.add_connection(
                topic, type_name, typestore=store, offered_qos_profiles=qos)
        self._writer.write(self._connections[topic], stamp_ns,
                           store.serialize_cdr(message, type_name))

    def write_frame(self, frame: Frame, *, compressed: bool = True, focal_px: float = 0.0,
                    labels: Sequence[str] = LABELS) -> None:
        """
        Write a picture, the camera's data and, where known, the ground truth.

        :param compressed: as JPEG (or as the file that the frame holds), else as raw pixels.
        :param focal_px: focal length in pixels; 0: not calibrated.
        :raises ImageError: for a damaged picture; nothing of it is written.
        """
        bgr = frame.bgr()
        height, width = bgr.shape[:2]
        stamp_ns = frame.stamp_ns
        if frame.ground_truth is not None and LABEL_INFO_TOPIC not in self._connections:
            self.write(LABEL_INFO_TOPIC, messages.label_info(labels, stamp_ns), stamp_ns)
        if compressed:
            self.write(COMPRESSED_TOPIC, messages.compressed_image(frame.jpeg(), stamp_ns),
                       stamp_ns)
        else:
            self.write(RAW_TOPIC, messages.image(bgr, stamp_ns), stamp_ns)
        self.write(CAMERA_INFO_TOPIC, messages.camera_info((width, height), stamp_ns, focal_px),
                   stamp_ns)
        if frame.ground_truth is not None:
            self.write(GROUND_TRUTH_TOPIC,
                       messages.detections(frame.ground_truth, labels, stamp_ns), stamp_ns)

    def close(self) -> None:
        """Complete the recording and give it its name."""
        if not any(self._writer.counts.values()):
            self.abort()
            raise BagError(f'{self.path}: nothing was written, so there is no recording')
        try:
            self._writer.close()
            if self.path.exists():
                self.path.rename(self._parent / 'replaced')
            os.rename(self._parent / self.path.name, self.path)
        finally:
            shutil.rmtree(self._parent, ignore_errors=True)

    def abort(self) -> None:
        """Remove what was written so far."""
        self._writer.abort()
        shutil.rmtree(self._parent, ignore_errors=True)

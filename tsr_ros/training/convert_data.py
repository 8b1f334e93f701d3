# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From Pascal VOC, COCO or a table of boxes to the YOLO layout that everything here reads."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from tqdm import tqdm

from tsr_ros.evaluation.dataset import DataError, label_line, read_image
from tsr_ros.report.files import name_of_its_own

TOLERANCE_PX = 2.0  # by which a box may leave its image; it is cut then
CSV_NAMES = {
    'image': ('image', 'filename', 'file', 'image_path', 'path'),
    'label': ('class', 'label', 'classid', 'class_id', 'name'),
    'left': ('xmin', 'x1', 'left', 'roi.x1', 'leftcol'),
    'top': ('ymin', 'y1', 'top', 'roi.y1', 'toprow'),
    'right': ('xmax', 'x2', 'right', 'roi.x2', 'rightcol'),
    'bottom': ('ymax', 'y2', 'bottom', 'roi.y2', 'bottomrow'),
}


class Box(NamedTuple):
    """A labelled box and where it stands."""

    label: str
    xyxy: tuple[float, float, float, float]  # pixels, edges
    where: str  # file and line or number


class ImageSize(NamedTuple):
    """The size of an image that an annotation states, in pixels, and where it stands."""

    width: float
    height: float
    where: str


class Annotation(NamedTuple):
    """The boxes of an image."""

    image: str  # name or path below the folder of images
    boxes: list[Box]
    where: str
    size: ImageSize | None = None  # None where it is not stated


def read_xml(path: Path) -> Element:
    """
    Return the root of an XML file without a document type, so that no entity can be declared.

    :raises DataError: for anything else
    """
    builder, parser = TreeBuilder(), expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        builder.start(tag, {**attributes, 'line': str(parser.CurrentLineNumber)})

    def refuse(*declaration: object) -> None:
        raise DataError(f'{path}:{parser.CurrentLineNumber}: a document type has no place here')

    parser.StartElementHandler, parser.EndElementHandler = start, builder.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = builder.data, refuse
    try:
        parser.Parse(path.read_bytes(), True)
    except expat.ExpatError as error:
        raise DataError(f'{path}: not XML: {error}') from None
    return builder.close()


def read_voc(source: Path) -> Iterator[Annotation]:
    """Yield the annotations of a folder of Pascal VOC files, whose pixels count from 1."""
    files = sorted(source.rglob('*.xml'))
    if not files:
        raise DataError(f'{source}: no .xml file')
    for path in files:
        root = read_xml(path)
        boxes = []
        for item in root.iter('object'):
            where = f'{path}:{item.get("line")}'
            try:
                edges = [float(item.find('bndbox').findtext(tag))
                         for tag in ('xmin', 'ymin', 'xmax', 'ymax')]
                label = item.findtext('name').strip()
            except (AttributeError, TypeError, ValueError):
                raise DataError(f'{where}: an object without name or four numbers') from None
            boxes.append(Box(label, (edges[0] - 1, edges[1] - 1, edges[2], edges[3]), where))
        image = root.findtext('filename') or path.stem
        yield Annotation(image, boxes, str(path), voc_size(path, root))


def voc_size(path: Path, root: Element) -> ImageSize | None:
    """Return the size that a Pascal VOC file states; None where it is missing."""
    size = root.find('size')
    if size is None:
        return None
    where = f'{path}:{size.get("line")}'
    return stated_size(size.findtext('width'), size.findtext('height'), where)


def stated_size(width: Any, height: Any, where: str) -> ImageSize | None:
    """Return the size that an annotation states; some state 0 x 0 and mean none."""
    try:
        size = ImageSize(float(width), float(height), where)
    except (TypeError, ValueError):
        raise DataError(f'{where}: a size without two numbers') from None
    return size if size.width or size.height else None


def read_coco(source: Path) -> Iterator[Annotation]:
    """Yield the annotations of a COCO file; crowds are left out."""
    where = str(source)
    try:
        content = json.loads(source.read_text(encoding='utf-8'))
        labels = {row['id']: str(row['name']) for row in content['categories']}
        images = {row['id']: row for row in content['images']}
        sizes = {key: coco_size(source, row) for key, row in images.items()}
        names = {key: str(row['file_name']) for key, row in images.items()}
        boxes: dict[int, list[Box]] = {key: [] for key in images}
        for number, row in enumerate(content['annotations']):
            where = f'{source}: annotation {row.get("id", number)}'
            if row['image_id'] not in images or row['category_id'] not in labels:
                raise DataError(f'{where}: there is no such image or category')
            if row.get('iscrowd'):
                continue
            x, y, width, height = (float(value) for value in row['bbox'])
            box = Box(labels[row['category_id']], (x, y, x + width, y + height), where)
            boxes[row['image_id']].append(box)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f'{source}: not JSON: {error}') from None
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f'{source}: not in COCO form: {error!r}') from None
    except ValueError as error:
        raise error if isinstance(error, DataError) else DataError(f'{where}: {error}') from None
    for key, name in names.items():
        yield Annotation(name, boxes[key], f'{source}: image {key}', sizes[key])


def coco_size(source: Path, row: dict[str, Any]) -> ImageSize | None:
    """Return the size that COCO states for an image; None where it is missing."""
    if row.get('width') is None or row.get('height') is None:
        return None
    return stated_size(row['width'], row['height'], f'{source}: image {row["id"]}')


def read_csv(source: Path) -> Iterator[Annotation]:
    """Yield the annotations of a table with one box a line: image, class and four edges."""
    with source.open(newline='', encoding='utf-8-sig') as file:
        first = file.readline()
        file.seek(0)
        reader = csv.DictReader(file, delimiter=max(',;\t', key=first.count))
        columns = {name.strip().lower(): name for name in reader.fieldnames or ()}
        place = {}
        for key, names in CSV_NAMES.items():
            found = [columns[name] for name in names if name in columns]
            if not found:
                raise DataError(f'{source}:1: no column for {key}: one of {", ".join(names)}')
            place[key] = found[0]
        images: dict[str, list[Box]] = {}
        for row in reader:
            where = f'{source}:{reader.line_num}'
            boxes = images.setdefault((row[place['image']] or '').strip(), [])
            texts = [row[place[key]] for key in ('left', 'top', 'right', 'bottom')]
            if not any(texts):
                continue  # an image without objects
            try:
                edges = tuple(float(text) for text in texts)
            except (TypeError, ValueError):
                raise DataError(f'{where}: expected four numbers, found {texts}') from None
            boxes.append(Box((row[place['label']] or '').strip(), edges, where))
    for name, boxes in images.items():
        yield Annotation(name, boxes, str(source))


def check_size(stated: ImageSize | None, path: Path, width: int, height: int) -> None:
    """
    Raise where an image is not of the size that its boxes were drawn on.

    :param width: of the image as it is read, turned upright where its EXIF data say so
    """
    if stated is None or (stated.width, stated.height) == (width, height):
        return
    turned = (stated.width, stated.height) == (height, width)
    raise DataError(
        f'{stated.where}: the image is stated to be {stated.width:g} x {stated.height:g}, but '
        f'{path} is {width} x {height}'
        + (' when it stands upright: its boxes may be those of it lying' if turned else '')
    )


def check_free(folder: Path) -> None:
    """Raise where there is such a folder already."""
    if folder.exists():
        raise DataError(f'{folder} is there already: choose another folder')


READERS = {'voc': read_voc, 'coco': read_coco, 'csv': read_csv}


class Converter:
    """
    Writes annotations into a new folder in YOLO layout.

    :param labels: the classes in their order; None: all that come up, sorted
    :param renames: other names for classes; an empty one leaves the class out
    :param keep_going: leave bad boxes out, with a message in `skipped`, instead of stopping
    """

    def __init__(
        self,
        images: Path,
        labels: Sequence[str] | None = None,
        renames: dict[str, str] | None = None,
        keep_going: bool = False,
    ) -> None:
        self.images, self.renames, self.keep_going = images.resolve(), renames or {}, keep_going
        self.labels = None if labels is None else list(labels)
        self.skipped: list[str] = []
        self.by_name: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(self.images.rglob('*')):
            if path.is_file():
                self.by_name[path.name].append(path)

    def write(self, annotations: Sequence[Annotation], out: Path, show: bool = True) -> int:
        """
        Write the folder whole or not at all; return the number of boxes.

        :raises DataError: where it is there already, an image is missing, damaged, of another size
            than stated or one of several of its name, or a box lies outside its image or has no
            area
        """
        check_free(out)
        if self.labels is None:
            names = {self.rename(box.label) for a in annotations for box in a.boxes}
            self.labels = sorted(names - {''})
        if not self.labels:
            raise DataError('no box of any class')
        part = out.with_name('.' + name_of_its_own(out))
        try:
            (part / 'images').mkdir(parents=True)
            (part / 'labels').mkdir()
            silent = None if show else True
            bar = tqdm(annotations, 'converting', leave=False, disable=silent)
            count = sum(self.write_image(annotation, part) for annotation in bar)
            (part / 'classes.txt').write_text('\n'.join(self.labels) + '\n', encoding='utf-8')
            check_free(out)  # still
            os.replace(part, out)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return count

    def rename(self, label: str) -> str:
        """Return a class's name in the result, empty if it is left out."""
        return self.renames.get(label, label)

    def write_image(self, annotation: Annotation, part: Path) -> int:
        """Copy an image, write its labels and return their number."""
        source = self.find_image(annotation)
        height, width = read_image(source).shape[:2]
        check_size(annotation.size, source, width, height)
        name = '_'.join(source.relative_to(self.images).parts)
        target = part / 'images' / name
        label_file = part / 'labels' / f'{target.stem}.txt'
        if label_file.exists():
            raise DataError(f'{annotation.where}: a second image named {target.stem}')
        lines = []
        for box in annotation.boxes:
            label = self.rename(box.label)
            if not label:
                continue
            try:
                lines.append(self.line(label, box, width, height))
            except DataError as error:
                if not self.keep_going:
                    raise
                self.skipped.append(str(error))
        label_file.write_text(''.join(lines), encoding='utf-8')
        shutil.copyfile(source, target)
        return len(lines)

    def find_image(self, annotation: Annotation) -> Path:
        """Return the file of an image, which lies below the folder of images."""
        slashes = annotation.image.replace('\\', '/')
        for text in (annotation.image, slashes):
            path = (self.images / text).resolve()
            if path.is_relative_to(self.images) and path.is_file():
                return path
        name = Path(slashes).name
        paths = self.by_name.get(name, ())
        if not paths:
            raise DataError(f'{annotation.where}: image {name!r} is not in {self.images}')
        if len(paths) > 1:
            raise DataError(
                f'{annotation.where}: image {name!r} may be {paths[0]} or {paths[1]}: give its '
                f'path below {self.images}'
            )
        return paths[0]

    def line(self, label: str, box: Box, width: int, height: int) -> str:
        """Return a line of a label file."""
        if label not in self.labels:
            raise DataError(f'{box.where}: class {label!r} is not one of {self.labels}')
        left, top, right, bottom = box.xyxy
        inside = (
            left >= -TOLERANCE_PX and top >= -TOLERANCE_PX
            and right <= width + TOLERANCE_PX and bottom <= height + TOLERANCE_PX
        )
        if not inside:
            raise DataError(
                f'{box.where}: the box {box.xyxy} leaves the image of {width} x {height}'
            )
        left, right = max(left, 0.0), min(right, width)
        top, bottom = max(top, 0.0), min(bottom, height)
        if right <= left or bottom <= top:
            raise DataError(f'{box.where}: the box {box.xyxy} has no area')
        return label_line(
            self.labels.index(label), (left, top, right, bottom), (width, height)
        )

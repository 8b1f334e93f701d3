# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

COLOURS_BGR = ((40, 40, 220), (220, 60, 30), (40, 200, 230))
LABELS = ('stop', 'turn', 'yield')


def paint_scene(rng, resolution_wh, num_classes):
    """Paint up to three signs onto noise; return the image and rows of class, x, y, w, h."""
    width, height = resolution_wh
    ground = rng.integers(60, 160, 3)
    image = np.clip(rng.normal(ground, 12, (height, width, 3)), 0, 255).astype(np.uint8)
    rows = []
    for _ in range(rng.integers(1, 4)):
        side = int(rng.integers(14, 40))
        x, y = rng.integers(side, width - side), rng.integers(side, height - side)
        if any(abs(x - a) < side + w and abs(y - b) < side + w for _, a, b, w in rows):
            continue
        class_id = int(rng.integers(num_classes))
        colour, half = COLOURS_BGR[class_id], side // 2
        if class_id == 0:
            cv2.circle(image, (int(x), int(y)), half, colour, -1, cv2.LINE_AA)
        elif class_id == 1:
            cv2.rectangle(image, (int(x - half), int(y - half)), (int(x + half), int(y + half)),
                          colour, -1)
        else:
            points = np.array([[x, y - half], [x - half, y + half], [x + half, y + half]])
            cv2.fillPoly(image, [points.astype(int)], colour, cv2.LINE_AA)
        rows.append((class_id, x, y, side))
    return image, [(c, x / width, y / height, s / width, s / height) for c, x, y, s in rows]


def write_data(folder, count=20, resolution_wh=(160, 128), num_classes=3, seed=0):
    """Write a data set in YOLO layout whose splits train and val both hold all its images."""
    rng = np.random.default_rng(seed)
    (folder / 'images').mkdir(parents=True)
    (folder / 'labels').mkdir()
    for k in range(count):
        image, rows = paint_scene(rng, resolution_wh, num_classes)
        cv2.imwrite(str(folder / 'images' / f'{k:03}.png'), image)
        (folder / 'labels' / f'{k:03}.txt').write_text(
            ''.join(' '.join(f'{value:.6g}' for value in row) + '\n' for row in rows))
    lines = [f'{k:03}.png,{split}\n' for split in ('train', 'val') for k in range(count)]
    (folder / 'split.csv').write_text('image,split\n' + ''.join(lines))
    (folder / 'classes.txt').write_text('\n'.join(LABELS[:num_classes]) + '\n')
    return folder


@pytest.fixture(scope='session')
def generated_data(tmp_path_factory):
    """Return a folder of 20 painted scenes of three classes; do not change it."""
    return write_data(tmp_path_factory.mktemp('data') / 'generated')

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Traffic lights drawn into photographs, each unlike the others: for data that show few of them.

A head of lamps is a solid of flat faces, seen from afar (orthographic), far faces painted first.
Its axes: x right, y down, z towards the viewer, the front at z = 0; the unit is its width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from tsr_ros.training.drawings import Drawing
from tsr_ros.training.geometry import log_uniform

HEIGHTS = (10.0, 120.0)  # pixels of a head
HEAD_COUNTS = {1: 0.6, 2: 0.28, 3: 0.12}  # on one post, with their probabilities
LAMP_COUNTS = {2: 0.2, 3: 0.75, 4: 0.05}
UNLIT_SHARE = 0.12  # of the heads: most photos' labels are of lamps that shine
RED, AMBER, GREEN = (40, 40, 255), (30, 160, 255), (170, 255, 60)
LAMPS = {2: (RED, GREEN), 3: (RED, AMBER, GREEN), 4: (RED, AMBER, GREEN, GREEN)}
# BGR in full light: black, dark green, yellow, grey, white
HOUSINGS = np.array(
    [(26, 26, 24), (52, 60, 50), (40, 150, 200), (70, 70, 70), (200, 205, 205)], np.float32
)
HOUSING_SHARES = (0.55, 0.13, 0.16, 0.08, 0.08)
DECOYS = ('box', 'cypress', 'window', 'letter')
# outlines in a lens of radius 1
ARROW = np.array(
    [(0, -1), (0.8, -0.1), (0.3, -0.1), (0.3, 1), (-0.3, 1), (-0.3, -0.1), (-0.8, -0.1)]
)
WALKER_LEFT = [(-0.2, -1), (-0.25, -0.5), (-0.5, 0), (-0.3, 0.2), (-0.5, 1), (-0.2, 1), (0, 0.4)]
WALKER = np.array(WALKER_LEFT + [(-x, y) for x, y in WALKER_LEFT[-2::-1]])
QUARTER_TURN = np.array([(0, 1), (-1, 0)])
ROUND = np.linspace(0, 2 * np.pi, 14, endpoint=False)
VISOR = np.linspace(0.85 * np.pi, 2.15 * np.pi, 9)  # open below


class Face(NamedTuple):
    """A flat part of a solid."""

    points: np.ndarray  # (P, 3)
    colour: np.ndarray  # (3,) BGR
    shines: bool = False  # by itself


Head = list[Face]


def pick(rng: np.random.Generator, shares: dict[int, float]) -> int:
    """Return one of the keys, by their probabilities."""
    return int(rng.choice(list(shares), p=list(shares.values())))


def box_faces(low: Sequence[float], high: Sequence[float], colour: np.ndarray) -> list[Face]:
    """Return the six faces of a box."""
    corner = np.array([[(low, high)[k >> axis & 1][axis] for axis in range(3)] for k in range(8)])
    sides = ((0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5))
    return [Face(corner[list(side)], colour) for side in sides]


def circle(y: float, z: float, radius: float, angles: np.ndarray) -> np.ndarray:
    """Return points (len(angles), 3) of a circle parallel to the front."""
    x = radius * np.cos(angles)
    return np.column_stack((x, y + radius * np.sin(angles), np.full(len(angles), z)))


def lens_faces(
    rng: np.random.Generator,
    y: float,
    radius: float,
    hue: Sequence[float],
    is_on: bool,
    symbol: np.ndarray | None,
) -> list[Face]:
    """Return a lens: dark, or shining as a whole or in the shape of a symbol."""
    colour = np.array(hue, np.float32)
    dark = colour * rng.uniform(0.03, 0.3) + rng.uniform(5, 60)
    rim = circle(y, 0.02, radius, ROUND)
    if not is_on:
        return [Face(rim, dark)]
    if symbol is not None:
        shape = np.column_stack((symbol * radius * 0.75, np.full(len(symbol), 0.03)))
        shape[:, 1] += y
        return [Face(rim, dark * 0.4), Face(shape, colour, True)]
    white = rng.uniform(0, 0.8)
    core = circle(y, 0.03, radius * rng.uniform(0.4, 0.8), ROUND)
    return [
        Face(rim, colour * rng.uniform(0.7, 1), True),
        Face(core, colour * (1 - white) + 255 * white, True),
    ]


def visor_faces(y: float, radius: float, length: float, colour: np.ndarray) -> list[Face]:
    """Return the hood over a lens."""
    back, front = (circle(y, z, radius * 1.08, VISOR) for z in (0, length))
    strips = zip(back[:-1], back[1:], front[1:], front[:-1])
    return [Face(np.array(strip), colour) for strip in strips]


def head_faces(rng: np.random.Generator) -> Head:
    """Return one head of lamps, its middle at the origin."""
    housing = HOUSINGS[rng.choice(len(HOUSINGS), p=HOUSING_SHARES)] * rng.uniform(0.6, 1.2)
    count = pick(rng, LAMP_COUNTS)
    pitch = rng.uniform(0.85, 1.1)  # from lamp to lamp
    height = count * pitch + rng.uniform(0, 0.25)
    radius, visor_length = rng.uniform(0.3, 0.44), rng.uniform(0, 0.9)
    faces = box_faces((-0.5, -height / 2, -rng.uniform(0.3, 0.9)), (0.5, height / 2, 0), housing)
    if rng.random() < 0.2:
        edge = rng.uniform(0.15, 0.5)
        plate = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (0.5 + edge, height / 2 + edge)
        faces.append(Face(np.column_stack((plate, np.full(4, -0.2))), housing * 0.7))
    lit = -1 if rng.random() < UNLIT_SHARE else int(rng.integers(count))
    symbol = None
    if rng.random() < (0.7 if count == 2 else 0.2):
        turns = int(rng.integers(4))
        symbol = WALKER if count == 2 else ARROW @ np.linalg.matrix_power(QUARTER_TURN, turns)
    for k, hue in enumerate(LAMPS[count]):
        y = (k - (count - 1) / 2) * pitch
        faces += lens_faces(rng, y, radius, hue, k == lit, symbol)
        faces += visor_faces(y, radius, visor_length, housing * 0.9)
    return faces


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Return the matrix (3, 3) that turns about y, then x, then z, by radians."""
    c, s = np.cos((yaw, pitch, roll)), np.sin((yaw, pitch, roll))
    about_y = np.array([(c[0], 0, s[0]), (0, 1, 0), (-s[0], 0, c[0])])
    about_x = np.array([(1, 0, 0), (0, c[1], -s[1]), (0, s[1], c[1])])
    about_z = np.array([(c[2], -s[2], 0), (s[2], c[2], 0), (0, 0, 1)])
    return about_z @ about_x @ about_y


def corners_of(head: Head) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the largest x and y (2,) of a head as it is seen."""
    points = np.concatenate([face.points[:, :2] for face in head])
    return points.min(0), points.max(0)


def make_heads(rng: np.random.Generator) -> list[Head]:
    """Return the heads on one post side by side, the others turned any way."""
    heads: list[Head] = []
    right = 0.0
    pitch, roll = rng.uniform(-0.5, 0.1), rng.normal(0, 0.05)
    for k in range(pick(rng, HEAD_COUNTS)):
        turn = rotation(rng.uniform(-0.8, 0.8) if k == 0 else rng.uniform(-1.4, 1.4), pitch, roll)
        head = [face._replace(points=face.points @ turn.T) for face in head_faces(rng)]
        low, high = corners_of(head)
        gap, rise = (rng.uniform(0, 0.6), rng.normal(0, 0.3)) if k else (0.0, 0.0)
        move = np.array((right + gap - low[0], rise, 0))
        heads.append([face._replace(points=face.points + move) for face in head])
        right += gap + high[0] - low[0]
    return heads


def make_sun(rng: np.random.Generator) -> np.ndarray:
    """Return the way to the sun (3,), as long as it is strong: 0 under clouds."""
    towards = rng.normal(size=3) * (1, 0.5, 1) + np.array((0, -0.8, 0.3))
    return towards / np.linalg.norm(towards) * rng.choice((0.0, 1.0, 1.6), p=(0.4, 0.4, 0.2))


def brightness(points: np.ndarray, sun: np.ndarray) -> float:
    """Return how brightly the visible side of a face is lit by the sky and the sun."""
    (ax, ay, az), (bx, by, bz) = (points[1] - points[0]).tolist(), (points[2] - points[0]).tolist()
    normal = np.array((ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx))
    length = float(np.sqrt(normal @ normal))
    if length < 1e-9:
        return 0.5
    normal *= (1 if normal[2] >= 0 else -1) / length
    return 0.5 - 0.15 * float(normal[1]) + 0.5 * max(float(normal @ sun), 0.0)


def draw_lights(
    rng: np.random.Generator, class_id: int, height_px: float | None = None
) -> Drawing:
    """Return one to three heads on a post, the first `height_px` high, by default any height."""
    height_px = height_px or log_uniform(rng, HEIGHTS)
    heads, sun = make_heads(rng), make_sun(rng)
    corners = [corners_of(head) for head in heads]
    low = np.min([near for near, _ in corners], axis=0)
    high = np.max([far for _, far in corners], axis=0)
    scale = height_px / (corners[0][1] - corners[0][0])[1]
    margin = 2 / scale
    post = rng.uniform(0, 5) if rng.random() < 0.7 else 0.0
    size = np.ceil((high - low + np.array((0, post)) + 2 * margin) * scale).astype(int)
    fine = 4 if height_px < 50 else 2  # painted so many times larger, then averaged

    def place(points: np.ndarray) -> np.ndarray:
        return ((points[:, :2] - low + margin) * scale * fine).round().astype(np.int32)

    image = np.zeros((size[1] * fine, size[0] * fine, 3), np.float32)
    shine, alpha = np.zeros_like(image), np.zeros(image.shape[:2], np.float32)
    if post or len(heads) > 1:
        half = rng.uniform(0.06, 0.2)
        middle = rng.uniform(low[0] + half, high[0] - half)
        top = low[1] + rng.uniform(0, 0.8) * (high[1] - low[1])
        bottom = high[1] + post + margin
        ends = place(np.array(((middle - half, top), (middle + half, bottom)))).tolist()
        cv2.rectangle(image, *ends, [rng.uniform(15, 170)] * 3, -1)
        cv2.rectangle(alpha, *ends, 1.0, -1)
    for face in (f for head in heads for f in sorted(head, key=lambda f: f.points[:, 2].mean())):
        shape, black = place(face.points)[None], (0.0, 0.0, 0.0)
        colour = (face.colour * (1 if face.shines else brightness(face.points, sun))).tolist()
        cv2.fillPoly(image, shape, black if face.shines else colour)
        cv2.fillPoly(shine, shape, colour if face.shines else black)
        cv2.fillPoly(alpha, shape, 1.0)
    layers = (
        cv2.resize(layer, tuple(size.tolist()), interpolation=cv2.INTER_AREA)
        for layer in (image, shine, alpha)
    )
    boxes = [(*(near + far) / 2 - low + margin, *(far - near)) for near, far in corners]
    boxes = np.array(boxes, np.float32) * np.float32(scale)
    return Drawing(*layers, boxes, class_id, must_shine=True)


def draw_decoy(rng: np.random.Generator) -> Drawing:
    """Return a dark upright thing that is no light: a box, a cypress, a window or a letter."""
    height = max(int(log_uniform(rng, HEIGHTS)), 8)
    width = max(int(height * rng.uniform(0.25, 0.7)), 4)
    size = (height + 4, width + 4)
    image, alpha = np.zeros((*size, 3), np.float32), np.zeros(size, np.float32)
    image[:] = rng.uniform(10, 60) * rng.uniform(0.9, 1.1, 3)
    middle, ends = (width // 2 + 2, height // 2 + 2), ((2, 2), (width + 1, height + 1))
    kind = DECOYS[rng.integers(len(DECOYS))]
    if kind == 'cypress':
        cv2.ellipse(alpha, middle, (width // 2, height // 2), 0, 0, 360, 1.0, -1)
    elif kind == 'letter':
        letter = chr(rng.integers(ord('A'), ord('Z') + 1))
        stroke = max(height // 7, 1)
        scale = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, height - stroke, stroke)
        ink = np.zeros(size, np.uint8)  # the only kind that text is written into
        cv2.putText(ink, letter, (2, height + 1), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, stroke)
        alpha = ink.astype(np.float32) / 255
    else:
        cv2.rectangle(alpha, *ends, 1.0, -1)
    if kind == 'window':
        frame = max(width // 8, 1)
        cv2.rectangle(image, *ends, [rng.uniform(90, 220)] * 3, frame)
        if rng.random() < 0.5:
            cv2.line(image, (2, middle[1]), (width + 1, middle[1]), [rng.uniform(60, 200)] * 3, 1)
    return Drawing(image, np.zeros_like(image), alpha, np.zeros((0, 4), np.float32), -1)

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Fog, rain, night and low sun over a road scene, on linear light (H, W, 3) float32 BGR, white 1.

The scene's depth is not known. It is taken as that of a flat road up to a horizon, an even
distance above it, and that of each object by its size in the image. Objects are treated as round,
and decoys are where no object is, lest their outlines tell the network where objects are.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from tsr_ros.training.camera import scatter

KOSCHMIEDER = 3.912  # -ln 0.02: visibility is where contrast falls to 2 %
OBJECT_M = 0.75  # side of a sign
CAMERA_M = 1.4  # above the road
WATER_REFLECTANCE = 0.02  # at right angles, of n = 1.33


class Road(NamedTuple):
    """Where things are taken to be."""

    horizon: float  # row
    focal_px: float
    beyond_m: float  # distance of what rises above the horizon
    boxes: np.ndarray  # (N, 4) objects, centre form in pixels
    things: np.ndarray  # (M, 4) objects and decoys, far ones first


def imagine_road(rng: np.random.Generator, shape: tuple[int, ...], boxes: np.ndarray) -> Road:
    """Return a road for an image whose camera is not known."""
    height, width = shape[:2]
    count = int(rng.integers(0, 2 + len(boxes)))
    side = np.exp(rng.uniform(np.log(8), np.log(80), count))
    place = rng.uniform(0, 1, (count, 2)) * (width, height)
    decoys = np.column_stack((place, side, side))
    things = np.concatenate((boxes, decoys))
    things = things[np.argsort(things[:, 2:].prod(1))]
    horizon, focal_px = height * rng.uniform(0.4, 0.65), width * rng.uniform(0.8, 1.6)
    return Road(horizon, focal_px, rng.uniform(40, 150), boxes, things)


def fill(canvas: np.ndarray, box: np.ndarray, value: float) -> None:
    """Fill the ellipse in a box of (H, W) float32."""
    x, y, width, height = (box * 8).round().astype(int).tolist()
    axes = (max(int(width * 0.48), 8), max(int(height * 0.48), 8))
    cv2.ellipse(canvas, (x, y), axes, 0, 0, 360, float(value), -1, shift=3)


def depth_m(road: Road, shape: tuple[int, ...]) -> np.ndarray:
    """Return distances (H, W) float32: d = f h / (row - horizon) on the road."""
    height, width = shape[:2]
    below = np.maximum(np.arange(height) + 0.5 - road.horizon, 1e-3)
    rows = np.minimum(road.focal_px * CAMERA_M / below, road.beyond_m)
    rows[: max(int(road.horizon), 0)] = road.beyond_m
    depth = np.repeat(rows.astype(np.float32)[:, None], width, 1)
    for box in road.things:
        fill(depth, box, road.focal_px * OBJECT_M / max(*box[2:], 1.0))
    return cv2.GaussianBlur(depth, (0, 0), 1.0)


def veil(light: np.ndarray, depth: np.ndarray, per_m: float, air: np.ndarray) -> np.ndarray:
    """
    Return light seen through air that scatters: I = J t + A (1 - t), t = exp(-beta d).

    Koschmieder, 'Theorie der horizontalen Sichtweite', 1924.

    :param per_m: beta, extinction per metre
    :param air: (3,) light of the air
    """
    passed = cv2.exp(depth * np.float32(-per_m))
    passed = cv2.merge([passed] * 3)
    return (light - air) * passed + air


def add_fog(rng: np.random.Generator, light: np.ndarray, road: Road) -> np.ndarray:
    """Fill the air with fog of 30 to 400 m visibility."""
    visibility_m = np.exp(rng.uniform(np.log(30), np.log(400)))
    air = (rng.uniform(0.35, 0.85) * rng.uniform(0.95, 1.05, 3)).astype(np.float32)
    return veil(light, depth_m(road, light.shape), KOSCHMIEDER / visibility_m, air)


def add_rain(rng: np.random.Generator, light: np.ndarray, road: Road) -> np.ndarray:
    """
    Let it rain at 2 to 50 mm/h: duller distance, wet road, streaks, drops on the windscreen.

    Extinction beta = 0.312 R^0.67 per km, after Halder et al., 'Physics-Based Rendering for
    Improving Robustness to Rain', 2019.
    """
    rate = np.exp(rng.uniform(np.log(2), np.log(50)))
    sky = light[: max(int(road.horizon), 1)].mean((0, 1))
    light = wet_road(light, road)
    light = veil(light, depth_m(road, light.shape), 0.312e-3 * rate**0.67, sky)
    light = add_streaks(rng, light, sky, rate)
    # what lies as a thin film on the glass scatters
    light = scatter(light, rng.uniform(0.05, 0.3))
    return add_drops(rng, light, int(rng.integers(4, 30)))


def wet_road(light: np.ndarray, road: Road) -> np.ndarray:
    """
    Wet the road: it turns darker, and mirrors the more the flatter one looks at it.

    Darker by half as light is caught under the film (Lekner and Dorf, 'Why some things are darker
    when wet', 1988). Mirrored by R = R0 + (1 - R0) (1 - sin e)^5 at elevation e (Schlick, 'An
    Inexpensive BRDF Model', 1994). Objects are no road.
    """
    height = len(light)
    start = int(np.ceil(road.horizon))
    if start >= height:
        return light
    rows = np.arange(start, height)
    elevation = np.arctan((rows + 0.5 - road.horizon) / road.focal_px)
    mirrored = WATER_REFLECTANCE + (1 - WATER_REFLECTANCE) * (1 - np.sin(elevation)) ** 5
    above = np.clip(np.round(2 * road.horizon - rows).astype(int), 0, height - 1)
    # a rough surface smears what it mirrors, most of all upright
    image = cv2.blur(light[above], (5, 25))
    share = mirrored.astype(np.float32)[:, None, None]
    upright = np.zeros(light.shape[:2], np.float32)
    for box in road.things:
        fill(upright, box, 1.0)
    upright = cv2.GaussianBlur(upright, (0, 0), 1.0)[start:, :, None]
    wet = light[start:] * (0.55 * (1 - share)) + image * (0.6 * share)
    result = light.copy()
    result[start:] = wet + (light[start:] - wet) * upright
    return result


def add_streaks(
    rng: np.random.Generator, light: np.ndarray, sky: np.ndarray, rate: float
) -> np.ndarray:
    """
    Draw falling drops: each shows the sky, thinned by the part of the exposure it covers a pixel.

    Garg and Nayar, 'Vision and Rain', 2007. Fall speed 9.65 - 10.3 exp(-0.6 D) m/s of drops of D
    mm (Atlas et al., 1973), whose sizes thin out as exp(-4.1 R^-0.21 D) (Marshall and Palmer,
    1948).
    """
    height, width = light.shape[:2]
    count = int(60 + 6 * rate)
    diameter_mm = 0.8 + rng.exponential(1 / (4.1 * rate**-0.21), count)
    speed = 9.65 - 10.3 * np.exp(-0.6 * diameter_mm)
    distance_m = rng.uniform(1, 8, count)
    exposure_s = rng.uniform(0.002, 0.012)
    length = width * speed * exposure_s / distance_m
    covered = np.minimum(diameter_mm / 1e3 / (speed * exposure_s) * 4, 0.5)
    slant = np.tan(rng.uniform(-0.35, 0.35))
    x, y = rng.uniform(0, width, count), rng.uniform(-0.05 * height, height, count)
    streaks = np.zeros((height, width), np.uint8)
    ends = np.stack((x, y, x + slant * length, y + length), 1)
    for (x0, y0, x1, y1), value in zip((ends * 16).astype(int).tolist(), covered * 255):
        cv2.line(streaks, (x0, y0), (x1, y1), float(value), 1, cv2.LINE_AA, 4)
    opacity = cv2.merge([streaks] * 3).astype(np.float32) * np.float32(1 / 255)
    return light + (np.maximum(sky, 0.02).astype(np.float32) - light) * opacity


def add_drops(rng: np.random.Generator, light: np.ndarray, count: int) -> np.ndarray:
    """
    Put drops on the windscreen: each a small lens that shows the scene upside down and blurred.

    Roser and Geiger, 'Video-based raindrop detection for improved image registration', 2009.
    """
    height, width = light.shape[:2]
    scene = cv2.resize(light, (32, 32), interpolation=cv2.INTER_AREA)
    scene = cv2.GaussianBlur(cv2.flip(scene, -1), (0, 0), 1.0)
    result = light.copy()
    for _ in range(count):
        largest = np.clip(0.025 * width, 2.5, min(height, width) / 4)
        radius = int(np.exp(rng.uniform(np.log(2), np.log(largest))))
        side = 2 * radius + 1
        x, y = int(rng.integers(0, width - side)), int(rng.integers(0, height - side))
        # the view of a drop covers most of the scene, about its own direction
        dx, dy = x * 12 // width, y * 12 // height
        seen = scene[12 - dy : 32 - dy, 12 - dx : 32 - dx]
        seen = cv2.resize(seen, (side, side), interpolation=cv2.INTER_LINEAR)
        away = (np.arange(side) - radius) / (radius + 0.5)
        distance = np.sqrt(away[:, None] ** 2 + away[None] ** 2)
        opacity = (0.85 * np.clip(1.6 * (1 - distance), 0, 1)).astype(np.float32)[..., None]
        here = result[y : y + side, x : x + side]
        here += (seen * (1 - 0.5 * distance[..., None] ** 4).astype(np.float32) - here) * opacity
    return result


def fall_night(rng: np.random.Generator, light: np.ndarray, road: Road) -> np.ndarray:
    """
    Turn day into night: little ambient light, own headlamps, lamps that bloom.

    Signs send the headlamps' light back (retroreflective, EN 12899-1) and lights shine by
    themselves, so objects darken less than what is around them.
    """
    height, width = light.shape[:2]
    ambient = np.exp(rng.uniform(np.log(0.01), np.log(0.2)))
    tint = (1 + rng.uniform(-0.2, 0.2, 3)).astype(np.float32)
    # the beam: broad, dipped below the horizon, weaker far away and near the car
    columns = (np.arange(width) / width - rng.uniform(0.35, 0.65)) / rng.uniform(0.15, 0.4)
    rows = (np.arange(height) - road.horizon) / height - 0.12
    fall_off = np.where(rows < 0, 0.08, 0.25)
    beam = np.exp(-((rows / fall_off) ** 2))[:, None] * np.exp(-(columns**2))[None]
    shone = (ambient + rng.uniform(0, 0.25) * beam).astype(np.float32)
    for box in road.things:
        back = np.exp(rng.uniform(np.log(0.08), np.log(0.9)))
        fill(shone, box, max(back, 1.5 * ambient))
    shone = cv2.GaussianBlur(shone, (0, 0), 1.0)
    dark = light * cv2.merge([shone * t for t in tint.tolist()])
    add_lamps(rng, dark, road)
    return scatter(dark, rng.uniform(0.04, 0.2))


def add_lamps(rng: np.random.Generator, light: np.ndarray, road: Road) -> None:
    """Put street lamps above and vehicles' lamps near the horizon, in place, not over objects."""
    height, width = light.shape[:2]
    for _ in range(rng.integers(0, 7)):
        if rng.random() < 0.5:
            y, colour = rng.uniform(0, 0.9) * road.horizon, (0.5, 0.8, 1.0)
        else:
            y = road.horizon + rng.uniform(0, 0.15) * height
            colour = ((1.0, 1.0, 1.0), (0.02, 0.03, 0.8))[rng.integers(2)]
        x, radius = rng.uniform(0, width), rng.uniform(0.7, max(0.008 * width, 1.0))
        away = np.abs(road.boxes[:, :2] - (x, y)) - road.boxes[:, 2:] / 2
        if len(away) and (away.max(1) < 4 * radius).any():
            continue
        power = np.exp(rng.uniform(np.log(1), np.log(25)))
        lamp = [float(power * c) for c in colour]
        cv2.circle(light, (int(x), int(y)), max(round(radius), 1), lamp, -1)


def lower_sun(rng: np.random.Generator, light: np.ndarray, road: Road) -> np.ndarray:
    """
    Put the sun before the camera: its veil falls with the square of the angle, L = k / angle^2.

    Stiles and Holladay's formula, in CIE 146:2002. The camera then takes less of all light.
    """
    height, width = light.shape[:2]
    step = 8  # the veil is smooth
    sun = np.array([rng.uniform(-0.1, 1.1) * width, rng.uniform(-0.25, 0.7) * road.horizon])
    y, x = np.mgrid[step / 2 : height : step, step / 2 : width : step]
    angle_deg = np.degrees(np.arctan(np.hypot(x - sun[0], y - sun[1]) / road.focal_px))
    at_ten_deg = np.exp(rng.uniform(np.log(0.03), np.log(0.4)))
    stray = at_ten_deg * 100 / np.maximum(angle_deg, 1.0) ** 2
    stray = cv2.resize(stray.astype(np.float32), (width, height))
    warm = (0.75, 0.9, 1.0)  # BGR
    result = light + cv2.merge([stray * c for c in warm])
    mean = float(result[::step, ::step].clip(0, 1.5).mean())
    return result * np.float32(min(1.0, 0.35 / mean))


def meter(light: np.ndarray) -> float:
    """Return the light that a camera's exposure goes by: the middle of it, without small lamps."""
    small = cv2.resize(light, (16, 16), interpolation=cv2.INTER_AREA)
    return float(np.median(small))

# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Under what conditions a training image seems taken: weather and light, lens, sensor, codec."""

from __future__ import annotations

import numpy as np

from tsr_ros.training.camera import (
    blur_lens,
    blur_motion,
    change_gamma,
    compress,
    expose,
    jitter_colour,
)
from tsr_ros.training.geometry import Sample, log_uniform
from tsr_ros.training.light import to_linear, to_srgb
from tsr_ros.training.weather import add_fog, add_rain, fall_night, imagine_road, lower_sun, meter

# probabilities, in the order that light takes
PICTURE = ((jitter_colour, 0.9), (change_gamma, 0.3))
AIR = ((add_fog, 0.07), (add_rain, 0.07))
LIGHT = ((fall_night, 0.1), (lower_sun, 0.05))
LENS = ((blur_lens, 0.1), (blur_motion, 0.1))
NOISE = 0.1
CODEC = ((compress, 0.1),)

FULL_WELL_E = (800.0, 6000.0)
READ_NOISE_E = (1.5, 6.0)
MOST_GAIN = 12.0
NIGHT_KEY = (0.02, 0.12)  # mean light that the exposure aims at


def vary(rng: np.random.Generator, sample: Sample, factor: float = 1.0) -> Sample:
    """
    Return a sample under random conditions.

    :param factor: of all probabilities; 0 leaves the sample as it is
    """
    if not factor:
        return sample

    def drawn(effects: tuple) -> list:
        return [effect for effect, chance in effects if rng.random() < chance * factor]

    image = sample.image
    for effect in drawn(PICTURE):
        image = effect(rng, image)
    air, light_source, lens = drawn(AIR), drawn(LIGHT), drawn(LENS)
    noisy = rng.random() < NOISE * factor or fall_night in light_source
    if air or light_source or lens or noisy:
        light = to_linear(image)
        road = imagine_road(rng, image.shape, sample.boxes)
        for effect in air + light_source:
            light = effect(rng, light, road)
        for effect in lens:
            light = effect(rng, light)
        if noisy:
            light = take(rng, light, fall_night in light_source)
        image = to_srgb(light)
    for effect in drawn(CODEC):
        image = effect(rng, image)
    return sample._replace(image=image)


def take(rng: np.random.Generator, light: np.ndarray, night: bool) -> np.ndarray:
    """Expose a sensor; by night its gain makes up for a part of the light that is missing."""
    gain = 1.0
    if night:
        aim = rng.uniform(*NIGHT_KEY)
        gain = float(np.clip(aim / max(meter(light), 1e-4), 1.0, MOST_GAIN))
    full_well = log_uniform(rng, FULL_WELL_E)
    return expose(rng, light, full_well, rng.uniform(*READ_NOISE_E), gain)

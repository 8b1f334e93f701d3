# Copyright 2026 The tsr_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The description of a drive: a YAML file read into checked, immutable values."""

from __future__ import annotations

import dataclasses
import difflib
import re
from pathlib import Path
from typing import Any

import yaml

from tsr_ros.replay.render.catalogue import FACES

WEATHERS = ('clear', 'rain', 'fog', 'snow')
TIMES_OF_DAY = ('day', 'low_sun', 'night')
SIDES = ('right', 'left')
COVERS = ('none', 'leaves', 'post')


class SceneError(ValueError):
    """A scene description that cannot be rendered; the text says where and why."""


@dataclasses.dataclass(frozen=True)
class SignPlacement:
    """One sign or light: which, where along the road, and in what state."""

    face: str
    at_m: float
    side: str = 'right'
    height_m: float | None = None
    yaw_deg: float = 0.0
    tilt_deg: float = 0.0
    wear: float = 0.1
    hidden_by: str = 'none'


@dataclasses.dataclass(frozen=True)
class Camera:
    """The dashcam: pinhole, square pixels, principal point in the centre."""

    horizontal_fov_deg: float = 64.0
    height_m: float = 1.3
    pitch_deg: float = -1.0
    shutter_s: float | None = None


@dataclasses.dataclass(frozen=True)
class Scene:
    """A drive as its YAML file describes it; every value has passed `read_scene`'s checks."""

    name: str
    seed: int = 1
    length_s: float = 10.0
    rate_hz: float = 10.0
    resolution_wh: tuple[int, int] = (960, 540)
    samples: int = 4
    time_of_day: str = 'day'
    weather: str = 'clear'
    visibility_m: float | None = None
    road_wetness: float | None = None
    speed_kmh: float = 50.0
    start_m: float = 0.0
    camera: Camera = Camera()
    signs: tuple[SignPlacement, ...] = ()
    random_signs: int = 0
    billboards: int = 2
    round_lamps: int = 3
    cars_ahead: int = 2
    cars_oncoming: int = 4
    max_bytes: int = 2_800_000
    jpeg_quality: int = 88

    @property
    def frame_count(self) -> int:
        """Number of frames; at least one."""
        return max(1, round(self.length_s * self.rate_hz))

    @property
    def condition(self) -> str:
        """Light and weather in a word, by which results are grouped: night_rain, clear_day."""
        if self.is_night:
            return 'night' if self.weather == 'clear' else f'night_{self.weather}'
        if self.weather != 'clear':
            return self.weather
        return 'clear_day' if self.time_of_day == 'day' else self.time_of_day

    @property
    def is_night(self) -> bool:
        """True when headlamps and street lamps are the light."""
        return self.time_of_day == 'night'

    @property
    def wetness(self) -> float:
        """How wet the road is, 0 dry to 1 standing water; from the weather unless given."""
        if self.road_wetness is not None:
            return self.road_wetness
        return {'rain': 1.0, 'snow': 0.6}.get(self.weather, 0.0)

    @property
    def is_overcast(self) -> bool:
        """True when clouds hide the sun."""
        return self.weather != 'clear'


# field -> (lowest, highest); whole numbers where the dataclass says int
_LIMITS = {
    'seed': (0, 2**31 - 1), 'length_s': (0.1, 3600), 'rate_hz': (0.5, 120), 'samples': (1, 4096),
    'visibility_m': (10, 100_000), 'road_wetness': (0, 1), 'speed_kmh': (0, 200),
    'start_m': (-20, 1e5), 'random_signs': (0, 200), 'billboards': (0, 50),
    'round_lamps': (0, 50), 'cars_ahead': (0, 20), 'cars_oncoming': (0, 20),
    'max_bytes': (1000, 10**10), 'jpeg_quality': (1, 100),
    'horizontal_fov_deg': (10, 150), 'height_m': (0.3, 12), 'pitch_deg': (-45, 45),
    'shutter_s': (0, 0.1), 'at_m': (-20, 1e5), 'yaw_deg': (-180, 180), 'tilt_deg': (-45, 45),
    'wear': (0, 1),
}
_CHOICES = {
    'time_of_day': TIMES_OF_DAY, 'weather': WEATHERS, 'side': SIDES, 'hidden_by': COVERS,
    'face': tuple(FACES),
}
_MAX_SIDE_PX = 8192


def read_scene(path: str | Path, changes: dict[str, Any] | None = None) -> Scene:
    """Read and check a scene file; its name is the file's stem unless the file gives one.

    :param changes: settings that replace the file's
    :raises SceneError: unreadable file, no mapping, unknown key, or a value out of range
    """
    path = Path(path)
    try:
        values = yaml.safe_load(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise SceneError(f'{path}: cannot be read: {error.strerror}') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SceneError(f'{path}: is not YAML: {error}') from error
    if not isinstance(values, dict):
        raise SceneError(f'{path}: expected a mapping of settings, e.g. "weather: rain"')
    values.setdefault('name', path.stem)
    try:
        return parse_scene({**values, **(changes or {})})
    except SceneError as error:
        raise SceneError(f'{path}: {error}') from error


def parse_scene(values: dict[str, Any]) -> Scene:
    """Return the scene that a plain mapping describes; errors as in `read_scene`."""
    values = dict(values)
    camera = values.pop('camera', None) or {}
    signs = values.pop('signs', None) or []
    if not isinstance(signs, list):
        raise SceneError(f'signs: expected a list of placements, got {signs!r}')
    resolution = values.pop('resolution_wh', [960, 540])
    scene = _checked(Scene, values, '')
    if not re.fullmatch(r'[A-Za-z0-9_-]{1,64}', scene.name):
        raise SceneError(f'name: {scene.name!r} must be letters, digits, "_" or "-"')
    if scene.is_night and scene.weather == 'snow':
        raise SceneError('weather: snow is made by day only; set time_of_day: day')
    return dataclasses.replace(
        scene,
        resolution_wh=_checked_resolution(resolution),
        camera=_checked(Camera, camera, 'camera.'),
        signs=tuple(_checked(SignPlacement, sign, f'signs[{i}].')
                    for i, sign in enumerate(signs)))


def _checked(kind: type, values: Any, where: str) -> Any:
    """Build dataclass `kind` from a mapping, each value checked; `where` prefixes messages."""
    if not isinstance(values, dict):
        raise SceneError(f'{where[:-1]}: expected a mapping, got {values!r}')
    fields = {field.name: field for field in dataclasses.fields(kind)}
    checked = {}
    for key, value in values.items():
        if key not in fields or key == 'camera':
            close = difflib.get_close_matches(str(key), fields, 1)
            hint = f'; did you mean "{close[0]}"?' if close else ''
            raise SceneError(f'{where}{key}: no such setting{hint}')
        checked[key] = _checked_value(fields[key], value, where + key)
    missing = [name for name, field in fields.items()
               if field.default is dataclasses.MISSING and name not in checked]
    if missing:
        raise SceneError(f'{where}{missing[0]}: is missing')
    return kind(**checked)


def _checked_value(field: dataclasses.Field, value: Any, where: str) -> Any:
    if value is None and 'None' in str(field.type):
        return None
    if field.name in _CHOICES:
        if value not in _CHOICES[field.name]:
            raise SceneError(f'{where}: {value!r} is none of {", ".join(_CHOICES[field.name])}')
        return value
    if field.name not in _LIMITS:
        if not isinstance(value, str):
            raise SceneError(f'{where}: expected text, got {value!r}')
        return value
    whole = str(field.type) == 'int'
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise SceneError(f'{where}: expected a {"whole " if whole else ""}number, got {value!r}')
    low, high = _LIMITS[field.name]
    if not low <= value <= high:
        raise SceneError(f'{where}: {value} is outside {low} … {high}')
    return value if whole else float(value)


def _checked_resolution(value: Any) -> tuple[int, int]:
    if (not isinstance(value, (list, tuple)) or len(value) != 2
            or not all(type(side) is int and 16 <= side <= _MAX_SIDE_PX for side in value)):
        raise SceneError('resolution_wh: expected [width, height], two whole numbers of '
                         f'16 … {_MAX_SIDE_PX} pixels, got {value!r}')
    return value[0], value[1]

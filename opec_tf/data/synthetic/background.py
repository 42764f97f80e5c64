"""The place: a floor and one or two walls (or a skyline) seen by the couple's camera, with the couple's shadow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from opec_tf.data.synthetic import clothing, textures
from opec_tf.data.synthetic.camera import Camera

_CANVAS = 256  # side of the painted floor and wall, texels
_WEAR = cv2.resize(textures.FOLDS, (_CANVAS, _CANVAS))[:, :, None]
_FLOORS = ("planks", "tiles", "checks", "mottled", "grass", "speckle", "bricks", "plain")
_WALLS = ("plain", "plain", "mottled", "bricks", "uprights", "planks", "tiles")


class _Wall(NamedTuple):
    """What each ray meets, [H, W] each: depth, and (u, v) metres along the wall and up it."""

    depth: np.ndarray
    u: np.ndarray
    v: np.ndarray


def paint(
    rng: np.random.Generator, camera: Camera, target: np.ndarray, light: np.ndarray, shadows: Sequence[np.ndarray]
) -> np.ndarray:
    """Draws the background.

    Args:
      camera: the picture's, possibly coarser.
      target: [3] middle of the couple, world.
      light: [3] direction towards the light, world.
      shadows: (start [C, 3], end [C, 3], radius [C]) capsules that cast a shadow on the floor, world.

    Returns:
      float32 [H, W, 3] RGB, 0..1.
    """
    outdoors = rng.random() < 0.35
    x, y = camera.rays()
    right, down, forward = camera.rotation
    ray = [(right[k] * x + forward[k]).astype(np.float32) + (down[k] * y).astype(np.float32)[:, None] for k in range(3)]
    with np.errstate(divide="ignore"):
        floor_depth = np.where(ray[1] < 0, np.float32(-camera.position[1]) / np.minimum(ray[1], -1e-6), np.float32(1e6))
    wall, texels = _place_walls(rng, camera, ray, target, outdoors)
    canvas = _skyline(rng) if outdoors else _wall_canvas(rng)
    floor = floor_depth < wall.depth
    picture = np.empty((*camera.size, 3), np.float32)
    rows = _rows(~floor)
    across, down_wall = wall.u[rows] * texels + _CANVAS // 2, (_CANVAS - 1) - wall.v[rows] * texels
    picture[rows] = cv2.remap(canvas, across, down_wall, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    rows = _rows(floor)
    ground = _paint_floor(rng, camera, [r[rows] for r in ray], floor_depth[rows])
    ground *= 1.0 - np.float32(rng.uniform(0.35, 0.7)) * _shadow(camera, light, shadows)[rows, :, None]
    np.copyto(picture[rows], ground, where=floor[rows, :, None])
    return _shade_and_blur(rng, picture)


def _place_walls(
    rng: np.random.Generator, camera: Camera, ray: list[np.ndarray], target: np.ndarray, outdoors: bool
) -> tuple[_Wall, np.float32]:
    """A wall behind the couple and perhaps one beside it; and the texels of a metre of wall."""
    forward = camera.rotation[2]
    away = np.array([forward[0], forward[2]]) / np.hypot(forward[0], forward[2])
    turn = np.radians(rng.uniform(-40, 40))
    away = np.array([away[0] * np.cos(turn) - away[1] * np.sin(turn), away[0] * np.sin(turn) + away[1] * np.cos(turn)])
    distance = rng.uniform(8, 25) if outdoors else rng.uniform(0.9, 4.0)
    texels = np.float32(_CANVAS / (4.0 * distance if outdoors else rng.uniform(4.0, 6.0)))
    wall = _wall(ray, camera, target, away, distance)
    if outdoors or rng.random() >= 0.5:
        return wall, texels
    # A corner of the room.
    aside = np.array([-away[1], away[0]]) * rng.choice([-1.0, 1.0])
    side = _wall(ray, camera, target, aside, rng.uniform(0.8, 3.0))
    nearer = side.depth < wall.depth
    u, v = np.where(nearer, side.u + 3.1, wall.u), np.where(nearer, side.v, wall.v)
    return _Wall(np.minimum(side.depth, wall.depth), u, v), texels


def _paint_floor(rng: np.random.Generator, camera: Camera, ray: list[np.ndarray], depth: np.ndarray) -> np.ndarray:
    """The floor where rays [h, W] meet it at a depth, float32 [h, W, 3]."""
    texels, (start_x, _, start_z) = np.float32(_CANVAS / rng.uniform(1.5, 5.0)), camera.position.astype(np.float32)
    u, v = (start_x + ray[0] * depth) * texels, (start_z + ray[2] * depth) * texels
    return cv2.remap(_tiled(rng, _FLOORS), u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def _shade_and_blur(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Lets the light fall off to one side of the picture, and mostly puts the place a little out of focus."""
    height, width = picture.shape[:2]
    right, bottom = rng.uniform(-0.25, 0.25, 2)
    columns, rows = (
        np.linspace(-right, right, width)[None, :, None],
        np.linspace(-bottom, bottom, height)[:, None, None],
    )
    picture *= (1.0 + columns + rows).astype(np.float32)
    blur = rng.choice([0.0, rng.uniform(0.4, 1.0), rng.uniform(1.0, 3.0)], p=(0.35, 0.4, 0.25)) * height / 256
    return cv2.GaussianBlur(picture, (0, 0), blur) if blur > 0 else picture


def _rows(mask: np.ndarray) -> slice:
    """Slice of the rows that hold a True; one row where there is none."""
    rows = np.flatnonzero(mask.any(1))
    return slice(rows[0], rows[-1] + 1) if len(rows) else slice(0, 1)


def _wall(ray: list[np.ndarray], camera: Camera, target: np.ndarray, normal: np.ndarray, distance: float) -> _Wall:
    """A vertical wall at a distance behind the target; ``normal`` (x, z) points away from the couple."""
    offset = (target[[0, 2]] - camera.position[[0, 2]]) @ normal + distance
    towards = normal[0] * ray[0] + normal[1] * ray[2]
    depth = np.where(
        towards > 1e-3, np.float32(offset) / np.maximum(towards, np.float32(1e-3)), np.float32(1e5)
    ).astype(np.float32)
    start = (camera.position[[0, 2]] - target[[0, 2]]) @ [-normal[1], normal[0]]
    u = np.float32(start) + depth * (ray[2] * np.float32(normal[0]) - ray[0] * np.float32(normal[1]))
    return _Wall(depth, u, np.float32(camera.position[1]) + depth * ray[1])


def _tiled(rng: np.random.Generator, names: Sequence[str]) -> np.ndarray:
    """A canvas of one tile in two colours, float32 [_CANVAS, _CANVAS, 3]."""
    tile = textures.TILES[textures.INDEX[names[rng.choice(len(names))]]]
    first = np.array(clothing.muted_color(rng))
    second = first * rng.uniform(0.55, 0.9) if rng.random() < 0.75 else np.array(clothing.muted_color(rng))
    colored = (first + (second - first) * tile[:, :, None]).astype(np.float32)
    canvas = np.tile(colored, (_CANVAS // textures.SIDE, _CANVAS // textures.SIDE, 1))
    canvas *= _WEAR
    return canvas


def _wall_canvas(rng: np.random.Generator) -> np.ndarray:
    """A wall with pictures, windows, shelves, doors and other flat things."""
    canvas = np.ascontiguousarray(_tiled(rng, _WALLS)[::-1])
    for _ in range(rng.integers(0, 9)):
        left, width = rng.integers(0, _CANVAS), rng.integers(10, 70)
        bottom = _CANVAS if rng.random() < 0.5 else rng.integers(100, 220)
        top = bottom - rng.integers(15, 130)
        color = clothing.muted_color(rng)
        cv2.rectangle(canvas, (left, top), (left + width, bottom), color, -1)
        if rng.random() < 0.5:
            cv2.rectangle(
                canvas, (left, top), (left + width, bottom), clothing.muted_color(rng), int(rng.integers(1, 5))
            )
        if rng.random() < 0.4:
            for step in np.linspace(0, 1, rng.integers(3, 7)):
                level = int(top + step * (bottom - top))
                cv2.line(canvas, (left, level), (left + width, level), tuple(0.6 * c for c in color), 2)
        elif rng.random() < 0.4:
            for _ in range(4):
                center = (int(left + rng.uniform(0, width)), int(top + rng.uniform(0, 1) * (bottom - top)))
                cv2.circle(canvas, center, int(rng.integers(3, 14)), clothing.muted_color(rng), -1, cv2.LINE_AA)
    cv2.rectangle(canvas, (0, _CANVAS - 6), (_CANVAS, _CANVAS), clothing.muted_color(rng), -1)  # the skirting board
    return canvas


def _skyline(rng: np.random.Generator) -> np.ndarray:
    """A sky over houses, hills or trees."""
    zenith, haze = np.array([0.35, 0.55, 0.85]), np.array([0.85, 0.88, 0.9])
    grey = rng.uniform(0.0, 0.8)
    ramp = np.linspace(0, 1, _CANVAS)[:, None]
    sky = (1 - ramp) * (zenith * (1 - grey) + haze * grey) + ramp * haze
    canvas = np.repeat(sky[:, None], _CANVAS, 1).astype(np.float32) * rng.uniform(0.6, 1.05)
    trees = rng.random() < 0.5
    for _ in range(rng.integers(8, 30)):
        left, size = rng.integers(-20, _CANVAS), rng.integers(10, 50)
        if trees:
            green = (rng.uniform(0.1, 0.35), rng.uniform(0.25, 0.5), rng.uniform(0.05, 0.2))
            level = _CANVAS - rng.integers(5, 45)
            cv2.line(canvas, (left, level), (left, _CANVAS), (0.25, 0.18, 0.12), max(size // 8, 1))
            cv2.circle(canvas, (left, int(level)), int(size // 2), green, -1, cv2.LINE_AA)
        else:
            top = _CANVAS - rng.integers(20, 120)
            cv2.rectangle(canvas, (left, top), (left + size, _CANVAS), clothing.muted_color(rng), -1)
            for row in range(top + 4, _CANVAS - 4, 8):
                for column in range(left + 3, left + size - 3, 7):
                    cv2.rectangle(canvas, (column, row), (column + 2, row + 3), (0.25, 0.28, 0.33), -1)
    return canvas


def _shadow(camera: Camera, light: np.ndarray, shadows: Sequence[np.ndarray]) -> np.ndarray:
    """Share of the light that the couple keeps from the floor, [H, W] 0..1, soft-edged."""
    start, end, radius = shadows
    slant = light / max(light[1], 0.35)
    points, depths = zip(*(camera.project(p - p[:, 1:2] * slant) for p in (start, end)))
    mask = np.zeros(camera.size, np.uint8)
    if min(d.min() for d in depths) < 0.2:
        return mask.astype(np.float32)
    thickness = np.clip(2.0 * radius * camera.focal / ((depths[0] + depths[1]) / 2.0), 1, 200).astype(int)
    first, last = (np.clip(p, -2000, 2000).astype(int).tolist() for p in points)
    for a, b, wide in zip(first, last, thickness.tolist()):
        cv2.line(mask, a, b, 255, wide)
    return cv2.GaussianBlur(mask, (0, 0), camera.size[0] / 100.0).astype(np.float32) / 255.0

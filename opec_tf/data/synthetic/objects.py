"""Things: what stands in front of the couple, and the clutter behind it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from opec_tf.data.synthetic import clothing, textures
from opec_tf.data.synthetic.body import Posing, rotation
from opec_tf.data.synthetic.solids import Material, Solids

_UP = np.array([0.0, 1.0, 0.0])
_SURFACES = ("plain", "mottled", "planks", "checks", "stripes", "bricks", "speckle", "dots")


def material(rng: np.random.Generator, tiles: Sequence[str] = _SURFACES) -> Material:
    """A random painted, wooden or patterned surface."""
    first = np.array(clothing.muted_color(rng))
    second = first * rng.uniform(0.5, 0.85) if rng.random() < 0.6 else np.array(clothing.muted_color(rng))
    tile = tiles[rng.choice(len(tiles))]
    return Material(tuple(first), tuple(second), textures.INDEX[tile], rng.uniform(0.2, 0.8))


def post(rng: np.random.Generator, solids: Solids, place: np.ndarray) -> None:
    """A pole, pillar or trunk."""
    radius = rng.uniform(0.03, 0.11)
    lean = np.array([rng.normal(0, 0.04), 1.0, rng.normal(0, 0.04)])
    solids.cone(
        place,
        place + lean * rng.uniform(1.4, 3.0),
        (radius * rng.uniform(1.0, 1.3), radius),
        _UP + [0.3, 0, 0],
        solids.material(material(rng)),
    )


def crate(rng: np.random.Generator, solids: Solids, place: np.ndarray) -> None:
    """A box, sometimes two on top of each other."""
    turn, paint = rotation(yaw=rng.uniform(0, 90)), solids.material(material(rng))
    w, h, d = rng.uniform(0.15, 0.4), rng.uniform(0.25, 0.95), rng.uniform(0.15, 0.3)
    solids.box((-w, 0, -d), (w, h, d), turn, place, paint)
    if rng.random() < 0.3:
        solids.box((-0.7 * w, h, -0.8 * d), (0.5 * w, h + 0.3, 0.7 * d), turn, place, solids.material(material(rng)))


def table(rng: np.random.Generator, solids: Solids, place: np.ndarray) -> None:
    """A table with four legs."""
    turn, paint = rotation(yaw=rng.uniform(0, 90)), solids.material(material(rng))
    w, d, h = rng.uniform(0.35, 0.7), rng.uniform(0.25, 0.4), rng.uniform(0.5, 0.8)
    solids.box((-w, h - 0.05, -d), (w, h, d), turn, place, paint)
    for x in (-0.88 * w, 0.88 * w):
        for z in (-0.85 * d, 0.85 * d):
            foot = place + turn @ [x, 0.0, z]
            solids.cone(foot, foot + _UP * (h - 0.06), (0.022, 0.03), np.array([1.0, 0, 0]), paint)


def chair(rng: np.random.Generator, solids: Solids, place: np.ndarray) -> None:
    """A chair with a back."""
    turn, paint = rotation(yaw=rng.uniform(0, 360)), solids.material(material(rng))
    solids.box((-0.21, 0.40, -0.2), (0.21, 0.45, 0.22), turn, place, paint)
    solids.box((-0.21, 0.58, -0.22), (0.21, rng.uniform(0.85, 1.0), -0.18), turn, place, paint)
    for x in (-0.19, 0.19):
        for z, top in ((-0.2, 0.9), (0.18, 0.42)):
            foot = place + turn @ [x, 0.0, z]
            solids.cone(foot, foot + _UP * top, (0.018, 0.02), np.array([1.0, 0, 0]), paint)


def plant(rng: np.random.Generator, solids: Solids, place: np.ndarray) -> None:
    """A potted plant or a shrub: a fan of long leaves."""
    green = np.array([rng.uniform(0.1, 0.3), rng.uniform(0.3, 0.55), rng.uniform(0.08, 0.22)])
    leaf = solids.material(Material(tuple(green), tuple(green * 0.6), textures.INDEX["mottled"], 0.2))
    pot, size = rng.uniform(0.12, 0.35), rng.uniform(0.2, 0.42)
    solids.cone(place, place + _UP * pot, (0.11, 0.16), np.array([1.0, 0, 0]), solids.material(material(rng)))
    for angle in np.arange(12) * 2.4 + rng.uniform(0, 6):
        tilt = rng.uniform(0.1, 1.1)
        up = np.array([np.sin(angle) * np.sin(tilt), np.cos(tilt), np.cos(angle) * np.sin(tilt)])
        center = place + _UP * (pot + 0.05) + up * size * 0.8
        solids.ellipsoid(center, up, _UP + [0.1, 0, 0.2], (0.06 + 0.1 * size, size, 0.015), leaf)


def ball(rng: np.random.Generator, solids: Solids, place: np.ndarray) -> None:
    """A ball on the ground or a balloon in the air."""
    radius = rng.uniform(0.1, 0.22)
    height = radius if rng.random() < 0.5 else rng.uniform(0.5, 1.6)
    solids.ellipsoid(place + _UP * height, _UP, np.array([0.3, 0, 1.0]), (radius,) * 3, solids.material(material(rng)))


def fence(rng: np.random.Generator, solids: Solids, place: np.ndarray) -> None:
    """Two rails on thin posts."""
    turn, paint = rotation(yaw=rng.uniform(-25, 25) + rng.choice([0, 90])), solids.material(material(rng))
    height, width = rng.uniform(0.5, 1.05), rng.uniform(0.6, 1.2)
    for level in (0.45 * height, height):
        solids.cone(place + turn @ [-width, level, 0], place + turn @ [width, level, 0], (0.025, 0.025), _UP, paint)
    for x in np.linspace(-width, width, rng.integers(2, 6)):
        foot = place + turn @ [x, 0, 0]
        solids.cone(foot, foot + _UP * height, (0.025, 0.025), turn[:, 2], paint)


def board(rng: np.random.Generator, solids: Solids, place: np.ndarray) -> None:
    """A sign on a stand."""
    turn, paint = rotation(yaw=rng.uniform(0, 360)), solids.material(material(rng))
    level, w, h = rng.uniform(0.3, 1.1), rng.uniform(0.12, 0.3), rng.uniform(0.1, 0.2)
    solids.cone(place, place + _UP * level, (0.03, 0.025), np.array([1.0, 0, 0]), solids.material(material(rng)))
    solids.box((-w, level, -0.015), (w, level + 2 * h, 0.015), turn, place, paint)


def limbs(rng: np.random.Generator, solids: Solids, place: np.ndarray) -> None:
    """Limb-like, skin-coloured things that belong to nobody: a hard negative."""
    tone = np.array([0.85, 0.62, 0.48]) * rng.uniform(0.5, 1.1)
    paint = solids.material(
        Material(tuple(np.clip(tone, 0, 1)), tuple(np.clip(tone * 0.9, 0, 1)), textures.INDEX["mottled"], 0.2)
    )
    for _ in range(rng.integers(1, 4)):
        start = place + [rng.uniform(-0.4, 0.4), rng.uniform(0.2, 1.6), rng.uniform(-0.4, 0.4)]
        middle = start + rng.uniform(-0.3, 0.3, 3)
        solids.cone(start, middle, (0.06, 0.045), _UP + [0.1, 0.2, 0.3], solids.material(material(rng)))
        solids.cone(middle, middle + rng.uniform(-0.3, 0.3, 3), (0.045, 0.03), _UP + [0.1, 0.2, 0.3], paint)


def seat(rng: np.random.Generator, solids: Solids, posing: Posing) -> None:
    """A box or a stool under somebody who sits."""
    pelvis, shape = posing.pelvis, posing.shape
    half, top = rng.uniform(0.2, 0.3), pelvis[1] - 0.053 * shape.height * shape.girth
    low, high = (-half, top - rng.choice([0.05, top]), -rng.uniform(0.12, 0.2)), (half, top, 0.2)
    turn, place, paint = rotation(yaw=posing.facing), pelvis * [1, 0, 1], solids.material(material(rng))
    solids.box(low, high, turn, place, paint)
    if low[1] > 0:
        solids.cone(place, place + _UP * low[1], (0.05, 0.03), turn[:, 2], paint)


FOREGROUND = (post, crate, table, chair, plant, ball, fence, board)
BACKGROUND = (post, crate, table, chair, plant, ball, fence, board, limbs, limbs)

"""Who wears what: skin, hair and clothes of a person, and the face painted on the head."""

from __future__ import annotations

import colorsys
import dataclasses

import numpy as np

from opec_tf.data.synthetic import textures
from opec_tf.data.synthetic.solids import Color, Material

# Hues (0..1) and tiles that only the held-out split wears.
_HUES, _HELD_OUT_HUES = ((0.0, 0.2), (0.38, 0.5), (0.5, 0.7), (0.96, 1.0)), ((0.24, 0.33), (0.75, 0.88))
_TILES = ("plain", "stripes", "thin_stripes", "uprights", "checks", "plaid", "dots", "camouflage", "mottled", "denim")
_HELD_OUT_TILES = ("zigzag", "diamonds", "rings")

# From light to dark (RGB, 0..1).
_SKIN = (
    (0.96, 0.80, 0.70),
    (0.92, 0.73, 0.60),
    (0.85, 0.64, 0.49),
    (0.74, 0.53, 0.38),
    (0.58, 0.39, 0.27),
    (0.40, 0.27, 0.20),
)
_HAIR = (
    (0.08, 0.06, 0.05),
    (0.16, 0.10, 0.06),
    (0.30, 0.18, 0.09),
    (0.55, 0.38, 0.18),
    (0.80, 0.66, 0.38),
    (0.55, 0.22, 0.10),
    (0.62, 0.61, 0.60),
)


@dataclasses.dataclass(frozen=True)
class Outfit:
    """What a person looks like.

    Attributes:
      skin, hair, top, bottom, shoes, gloves: materials.
      sleeve: 0 none, 1 to the elbow, 2 to the wrist.
      leg: 0 none, 1 to the knee, 2 to the ankle.
      skirt: length as a share of the leg, 0 = trousers.
      loose: factor on the girth of the clothes, 1 = tight.
      hairstyle: "bald", "short", "long", "tail" or "bun".
      beard: True for one.
      eyes: RGB of the irises.
    """

    skin: Material
    hair: Material
    top: Material
    bottom: Material
    shoes: Material
    gloves: Material
    sleeve: float
    leg: float
    skirt: float
    loose: float
    hairstyle: str
    beard: bool
    eyes: Color


def sample_outfit(rng: np.random.Generator, femininity: float, held_out: bool = False) -> Outfit:
    """A random outfit; ``held_out`` draws colours and patterns that training never sees."""
    u = rng.uniform
    feminine = rng.random() < femininity
    tone = np.array(_SKIN[rng.choice(len(_SKIN), p=(0.2, 0.22, 0.2, 0.15, 0.13, 0.1))]) * u(0.93, 1.05)
    hair = np.array(_HAIR[rng.choice(len(_HAIR))]) * u(0.8, 1.2)
    styles = ("long", "tail", "bun", "short") if feminine else ("short", "short", "bald", "long")
    hairstyle = styles[rng.choice(4, p=(0.4, 0.25, 0.15, 0.2) if feminine else (0.55, 0.25, 0.15, 0.05))]
    dress = feminine and rng.random() < 0.2
    top = _cloth(rng, held_out)
    bottom = top if dress else _cloth(rng, held_out, plain=0.75)
    return Outfit(
        skin=Material(tuple(tone), tuple(tone * (0.93, 0.86, 0.85)), textures.INDEX["mottled"], 0.15),
        hair=Material(tuple(hair), tuple(hair * 1.5 + 0.02), textures.INDEX["denim"], 0.12),
        top=top,
        bottom=bottom,
        shoes=_cloth(rng, held_out, plain=0.9),
        gloves=Material(((0.75, 0.08, 0.08), (0.1, 0.2, 0.7), (0.08, 0.08, 0.08))[rng.choice(3)]),
        sleeve=float(rng.choice([0.0, u(0.35, 0.7), u(0.8, 1.0), 1.9], p=(0.15, 0.4, 0.05, 0.4))),
        leg=float(rng.choice([u(0.35, 0.6), u(0.85, 1.0), u(1.4, 1.6), 1.92], p=(0.14, 0.1, 0.06, 0.7))),
        skirt=u(0.35, 0.75) if dress or (feminine and rng.random() < 0.12) else 0.0,
        loose=u(1.04, 1.2),
        hairstyle=hairstyle,
        beard=not feminine and femininity < 0.5 and rng.random() < 0.25,
        eyes=((0.25, 0.15, 0.08), (0.2, 0.35, 0.5), (0.25, 0.4, 0.25))[rng.choice(3, p=(0.6, 0.25, 0.15))],
    )


def _cloth(rng: np.random.Generator, held_out: bool, plain: float = 0.45) -> Material:
    tiles = _HELD_OUT_TILES if held_out else _TILES[1:]
    if rng.random() < plain:
        tile = "plain"
    else:
        tile = tiles[rng.choice(len(tiles))]
    return Material(color(rng, held_out), color(rng, held_out), textures.INDEX[tile], rng.uniform(0.16, 0.45))


def color(rng: np.random.Generator, held_out: bool = False) -> Color:
    """A colour as clothes have it: often black, white, grey or muted, sometimes loud; RGB, 0..1."""
    draw = rng.random()
    if draw < 0.3 and not held_out:
        value = (rng.uniform(0.06, 0.2), rng.uniform(0.3, 0.6), rng.uniform(0.8, 0.97))[rng.integers(3)]
        return tuple(np.clip(value + rng.normal(0, 0.015, 3), 0, 1).tolist())
    ranges = _HELD_OUT_HUES if held_out else _HUES
    low, high = ranges[rng.integers(len(ranges))]
    saturation = rng.uniform(0.25, 0.6) if draw < 0.75 else rng.uniform(0.6, 0.92)
    return colorsys.hsv_to_rgb(rng.uniform(low, high), saturation, rng.uniform(0.25, 0.95))


def muted_color(rng: np.random.Generator) -> Color:
    """A colour as walls, floors and furniture have it: mostly pale or earthy, now and then loud; RGB, 0..1."""
    loud = rng.random() < 0.15
    hue = rng.random() if loud or rng.random() < 0.4 else rng.uniform(0.04, 0.16)
    return colorsys.hsv_to_rgb(hue, rng.uniform(0.4, 0.8) if loud else rng.uniform(0.0, 0.4), rng.uniform(0.3, 0.95))


@dataclasses.dataclass(frozen=True)
class Face:
    """Eyes, brows and mouth, painted on the front of the skull or of the jaw by local coordinates (metres)."""

    outfit: Outfit
    height: float  # of the person, metres
    jaw: bool

    def paint(self, local: np.ndarray, color: np.ndarray) -> np.ndarray:
        """Colours [N, 3] of points with local coordinates [N, 3] of the skull's or the jaw's ellipsoid."""
        x, y, z = local.T / np.float32(self.height)
        front = z > 0.012
        hair = np.asarray(self.outfit.hair.color, np.float32)
        if self.jaw:
            if self.outfit.beard:
                color[(z > -0.005) & (y < 0.004) & (np.abs(x) + 0.6 * np.abs(y + 0.012) > 0.012)] = hair * 1.1
            color[front & ((x / 0.0135) ** 2 + ((y + 0.010 - 4.0 * x**2) / 0.0036) ** 2 < 1.0)] = (0.62, 0.27, 0.26)
            return color
        side = np.abs(x) - 0.0185
        eye = (side / 0.0095) ** 2 + ((y + 0.013) / 0.0055) ** 2
        color[front & (eye < 1.0)] = (0.93, 0.92, 0.90)
        color[front & (side**2 + (y + 0.013) ** 2 < 0.0044**2)] = self.outfit.eyes
        color[front & (np.abs(side) < 0.012) & (np.abs(y - 0.0005 + 8.0 * side**2) < 0.0024)] = hair * 0.8
        return color

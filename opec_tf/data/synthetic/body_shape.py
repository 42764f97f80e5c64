"""The proportions of a human body."""

from __future__ import annotations

import dataclasses

import numpy as np

_ARMS, _LEGS, _TRUNK, _HEAD = range(4)
_SHARES = {
    "upper_arm": (0.172, _ARMS),
    "forearm": (0.148, _ARMS),
    "hand": (0.100, _ARMS),
    "thigh": (0.245, _LEGS),
    "shin": (0.246, _LEGS),
    "foot": (0.150, _LEGS),
    "ankle_height": (0.045, None),
    "lumbar": (0.110, _TRUNK),
    "thorax": (0.175, _TRUNK),
    "neck": (0.055, _TRUNK),
    "head": (0.135, _HEAD),
    "shoulder_half": (0.106, None),
    "hip_half": (0.052, None),
}


@dataclasses.dataclass(frozen=True)
class BodyShape:
    """Proportions of one person.

    Attributes:
      height: standing height, metres.
      girth: factor on the thickness of trunk and limbs; 1 is average.
      femininity: 0..1, moves width from the shoulders to the hips and adds a bust.
      limbs: factors on the lengths of (arms, legs, trunk, head) against the average of the same height.
    """

    height: float
    girth: float = 1.0
    femininity: float = 0.0
    limbs: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)

    def length(self, part: str) -> float:
        """Length of a part in metres: its share of the height (Drillis and Contini's table) times the person's own."""
        share, group = _SHARES[part]
        factor = 1.0 if group is None else self.limbs[group]
        if part == "shoulder_half":
            factor *= (1.0 - 0.10 * self.femininity) * (0.7 + 0.3 * self.girth)
        elif part == "hip_half":
            factor *= (1.0 + 0.08 * self.femininity) * (0.7 + 0.3 * self.girth)
        return share * factor * self.height

    @property
    def depth(self) -> float:
        """Half the depth of the chest, metres: how near two trunks can come."""
        return 0.067 * self.height * self.girth


def sample_shape(rng: np.random.Generator) -> BodyShape:
    """A random adult or, now and then, a smaller, teenage body."""
    femininity = float(rng.choice([0.0, 1.0])) * rng.uniform(0.7, 1.0)
    height = rng.normal(1.77 - 0.12 * femininity, 0.07)
    if rng.random() < 0.08:
        height -= rng.uniform(0.1, 0.25)
    girth = float(np.clip(rng.normal(1.02, 0.12), 0.82, 1.4))
    limbs = tuple(float(f) for f in np.clip(rng.normal(1.0, 0.035, 4), 0.92, 1.08))
    return BodyShape(float(np.clip(height, 1.4, 2.0)), girth, float(femininity), limbs)

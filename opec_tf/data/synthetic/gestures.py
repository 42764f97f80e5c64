"""What the interaction kinds share: sending limbs to targets, stances and distances.

An interaction kind is a function (rng, a, b) that places the trunks of two ``Posing``s, then tells every limb what to
reach, often a point on the partner. ``a`` stands near the origin and faces +z unless said otherwise; lengths are metres
of a 1.75 m person.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from opec_tf.data.synthetic.body import SIGN, Posing


def send(
    posing: Posing,
    side: int,
    wrist: np.ndarray,
    pole: np.ndarray | Sequence[float] | None = None,
    hint: np.ndarray | Sequence[float] | None = None,
) -> None:
    """Sends a wrist to a world point; ``pole`` as of the left arm in the chest's frame, ``hint`` of the hand, world."""
    posing.wrists[side] = wrist
    if pole is not None:
        posing.elbow_poles[side] = np.asarray(pole) * (SIGN[side], 1.0, 1.0)
    if hint is not None:
        posing.hand_hints[side] = hint


def rest_arm(rng: np.random.Generator, posing: Posing, side: int) -> None:
    """An arm that has nothing to do with the partner."""
    s, u = SIGN[side], rng.uniform
    rests = (
        ((0.27, -0.50, 0.04), (0.5, -0.3, -1.0)),  # hanging
        ((0.27, -0.48, 0.12), (0.6, -0.3, -1.0)),  # hanging, a little forward
        ((0.21, -0.40, 0.06), (1.0, -0.1, -0.5)),  # hand on the hip
        ((0.30, -0.22, 0.34), (0.5, -1.0, -0.4)),  # held out
        ((0.36, 0.38, 0.10), (1.0, -0.6, -0.2)),  # raised
        ((0.02, -0.24, 0.22), (0.9, -0.7, -0.1)),  # before the belly
        ((0.55, -0.02, 0.06), (0.2, -1.0, -0.4)),  # stretched aside
    )
    wrist, pole = rests[rng.choice(len(rests), p=(0.28, 0.2, 0.15, 0.12, 0.08, 0.1, 0.07))]
    x, y, z = np.asarray(wrist) + rng.normal(0.0, 0.025, 3)
    send(posing, side, posing.at_chest(s * x, y, z), np.asarray(pole) + u(-0.2, 0.2, 3))


def stance(
    rng: np.random.Generator, width: float = 0.12, stride: float = 0.0
) -> tuple[tuple[float, float], tuple[float, float]]:
    """(x, z) of the left and of the right foot: both ``width`` aside, one ``stride`` forward and the other back."""
    swing = rng.choice((-1.0, 1.0)) * stride / 2.0
    x, z = rng.normal(0.0, 0.02, 2), rng.normal(0.0, 0.02, 2)
    return (width + x[0], swing + z[0]), (-width + x[1], -swing + z[1])


def chest_gap(a: Posing, b: Posing, slack: float = 0.0) -> float:
    """Distance of two upright trunks chest to chest, metres."""
    return a.shape.depth + b.shape.depth + slack

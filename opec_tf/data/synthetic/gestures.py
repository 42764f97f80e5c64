"""What the interaction kinds share: sending limbs to targets, stances and distances.

An interaction kind is a function (rng, a, b) that places the trunks of two ``Posing``s, then tells every limb what to
reach, often a point on the partner. ``a`` stands near the origin and faces +z unless said otherwise; lengths are metres
of a 1.75 m person.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from opec_tf.data.synthetic.body import SIGN, Angles, Posing, rotation


def around(
    rng: np.random.Generator, pitch: float = 0.0, roll: float = 0.0, twist: float = 0.0, by: float = 7.0
) -> Angles:
    """Random angles of spine or head, each at most ``by`` degrees from what is given."""
    p, r, t = rng.uniform(-by, by, 3)
    return pitch + p, roll + r, twist + t


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


def plant(posing: Posing, feet: Sequence[Sequence[float]], height: float = 0.0) -> None:
    """Puts the feet on the ground, or their ankles ``height`` above it.

    Args:
      posing: a body whose trunk is placed.
      feet: (x, z) of the left and the right ankle from below the pelvis, in the frame of its facing, metres of a 1.75 m
        person.
      height: metres above standing flat.
    """
    x, z = np.asarray(feet, float).T * posing.scale
    level = np.full(2, posing.shape.length("ankle_height") + height)
    below = posing.pelvis * [1.0, 0.0, 1.0]
    posing.ankles = below + np.stack([x, level, z], 1) @ rotation(yaw=posing.facing).T
    posing.grounded = np.full(2, height < 0.2)


def sit(
    posing: Posing,
    pelvis: Sequence[float] | np.ndarray,
    facing: float,
    feet: Sequence[Sequence[float]],
    pitch: float = 0.0,
    spine: Angles = (0.0, 0.0, 0.0),
    head: Angles = (0.0, 0.0, 0.0),
) -> None:
    """Sits a body down, knees up, feet as in ``plant``; the rest as in ``Posing.place``."""
    posing.place(pelvis, facing, pitch=pitch, spine=spine, head=head)
    plant(posing, feet)
    posing.knee_poles = np.array([[0.15, 1.0, 0.6], [-0.15, 1.0, 0.6]])


def on_knees(
    posing: Posing,
    ground: Sequence[float],
    facing: float,
    heels: bool = False,
    pitch: float = 0.0,
    spine: Angles = (0.0, 0.0, 0.0),
    head: Angles = (0.0, 0.0, 0.0),
) -> None:
    """A body on both knees, upright or sitting on its heels, the pelvis above ``ground`` (x, z)."""
    level, back, down = (0.36, -0.10, -0.3) if heels else (0.52, -0.36, -1.0)
    pelvis = [ground[0], level * posing.scale, ground[1]]
    posing.place(pelvis, facing, pitch=pitch, spine=spine, head=head)
    plant(posing, ((0.11, back), (-0.11, back)), 0.03)
    posing.grounded[:] = False
    posing.knee_poles = np.array([[0.2, down, 0.6], [-0.2, down, 0.6]])
    posing.foot_pitch = np.array([50.0, 50.0])

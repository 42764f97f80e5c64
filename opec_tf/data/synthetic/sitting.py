"""Interaction kinds of people who sit together. See ``gestures`` for the conventions."""

from __future__ import annotations

import numpy as np

from opec_tf.data.synthetic.body import LEFT, RIGHT, SIGN, Posing, rotation
from opec_tf.data.synthetic.gestures import around, chest_gap, plant, send, sit


def lean_backs(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """Both sit on the ground, back to back."""
    u = rng.uniform
    gap = chest_gap(a, b, u(0.04, 0.08))
    for posing, ground, facing in ((a, (0, 0), 0), (b, (u(-0.06, 0.06), -gap), 180)):
        pelvis, near = [ground[0], 0.115 * posing.scale, ground[1]], u(0.28, 0.6)
        feet = ((0.13, near), (-0.13, u(0.28, 0.6) if u() < 0.5 else near))
        sit(
            posing,
            pelvis,
            facing + u(-6, 6),
            feet,
            u(-4, 3),
            around(rng, 0, 0, 0, 4),
            around(rng, u(-14, 16), 0, 0, 12),
        )
        style = rng.choice(3)
        for side, s in enumerate(SIGN):
            x, y, z = ((0.14, 0.3, 0.3), (0.05, 0.3, 0.36), (0.32, 0.02, -0.02))[style]
            wrist = posing.pelvis + rotation(yaw=posing.facing) @ [s * x, y, z]
            wrist[1] = max(wrist[1], 0.06) if style < 2 else 0.06
            send(posing, side, wrist, (0.9, -0.5, -0.3) if style < 2 else (0.6, 0.0, -1.0))


def on_lap(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """a sits on a stool, b across a's lap with an arm round a's neck."""
    u = rng.uniform
    feet = ((0.12, u(0.4, 0.48)), (-0.12, u(0.4, 0.48)))
    sit(
        a,
        [0.0, u(0.5, 0.56), 0.0],
        u(-6, 6),
        feet,
        u(-10, 0),
        around(rng, 2, 0, 0, 5),
        around(rng, 4, 0, u(-30, 0), 10),
    )
    a.seat = True
    pelvis = a.pelvis + [-u(0.0, 0.06), 0.17, u(0.26, 0.32)]
    facing = 90 + u(-12, 12)
    feet = ((0.08, u(0.42, 0.55)), (-0.08, u(0.42, 0.55)))
    sit(b, pelvis, facing, feet, u(-8, 2), around(rng, 4), around(rng, 4, 4, u(0, 35), 10))
    plant(b, feet, u(0.02, 0.16))
    send(b, LEFT, a.at_chest(u(-0.02, 0.16), 0.04, -0.13), (0.8, -0.4, -0.3))
    send(b, RIGHT, a.at_chest(0.08, -0.2, 0.2) if u() < 0.5 else b.at_pelvis(0.1, 0.1, 0.25), (0.9, -0.8, -0.2))
    send(a, RIGHT, b.at_chest(0.0, -0.3, -b.shape.depth / b.scale - 0.05), (0.9, -0.7, -0.3))
    thigh = b.pelvis + rotation(yaw=facing) @ [0.12, 0.1, u(0.1, 0.3)]
    send(a, LEFT, thigh, (0.9, -0.8, -0.3))


def on_bench(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """Side by side on a bench, turned to each other or with the arms about; b on a's left."""
    u = rng.uniform
    gap, level = a.shape.length("shoulder_half") + b.shape.length("shoulder_half") + u(-0.02, 0.06), u(0.5, 0.56)
    for posing, x, s in ((a, 0.0, 1.0), (b, gap, -1.0)):
        feet = ((0.1, u(0.28, 0.55)), (-0.1, u(0.28, 0.55)))
        lean, look = around(rng, u(-2, 26), u(-2, 8) * s, 0, 5), around(rng, 4, u(0, 10) * s, u(0, 45) * s, 8)
        sit(posing, [x, level, u(-0.03, 0.03)], u(-4, 25) * s, feet, u(-8, 6), lean, look)
        posing.seat = True
    style = rng.choice(3)
    if style == 0:
        send(a, LEFT, b.at_chest(0.18, 0.04, -0.04), (0.3, -0.3, -1.0), [0, -1, 0.2])
        send(b, RIGHT, a.at_pelvis(0.1, 0.12, 0.28), (0.8, -0.6, -0.4))
    elif style == 1:
        clasp = (a.at_pelvis(0.14, 0.14, 0.3) + b.at_pelvis(-0.14, 0.14, 0.3)) / 2.0
        send(a, LEFT, clasp, (0.6, -0.6, -0.8))
        send(b, RIGHT, clasp + [0, 0.04, 0], (0.6, -0.6, -0.8))
    else:
        send(a, LEFT, a.at_pelvis(0.12, 0.12, 0.3), (0.8, -0.4, -0.6))
        send(b, RIGHT, a.at_chest(0.17, 0.04, 0.04), (0.8, -0.8, -0.4))
    for posing, side in ((a, RIGHT), (b, LEFT)):
        s = SIGN[side]
        lap, chin = posing.at_pelvis(s * 0.13, 0.12, u(0.2, 0.4)), posing.at_chest(s * 0.04, 0.12, 0.16)
        send(posing, side, chin if u() < 0.3 else lap, (0.8, -0.8, -0.4))


def between_legs(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """On the ground, b leans back between a's legs; a's arms are round b."""
    u = rng.uniform
    spread = u(0.26, 0.4)
    feet = ((spread, u(0.5, 0.72)), (-spread, u(0.5, 0.72)))
    sit(a, [0.0, 0.115 * a.scale, 0.0], u(-5, 5), feet, u(-14, -2), around(rng, 6, 0, 0, 5), around(rng, 6, 10, 0, 10))
    a.knee_poles = np.array([[0.9, 1.0, 0.4], [-0.9, 1.0, 0.4]])
    gap = chest_gap(a, b, u(0.03, 0.07))
    near = u(0.3, 0.7)
    feet = ((0.1, near), (-0.1, near + u(-0.1, 0.1)))
    sit(
        b,
        [u(-0.06, 0.0), 0.115 * b.scale, gap],
        u(-6, 6),
        feet,
        u(-16, -6),
        around(rng, 6, 0, 0, 4),
        around(rng, 2, -10, 0, 12),
    )
    front = b.shape.depth / b.scale + 0.06
    low = u(-0.4, -0.12)
    for side, s in enumerate(SIGN):
        send(
            a,
            side,
            b.at_chest(s * u(-0.03, 0.08), low, front + 0.02 * side),
            (1.0, -0.5, 0.1),
            -s * b.chest_rotation[:, 0],
        )
        if u() < 0.5:
            send(b, side, a.wrists[side] + b.chest_rotation[:, 2] * 0.06, (0.9, -0.8, -0.2))
        else:
            knee = b.pelvis + rotation(yaw=b.facing) @ [s * 0.12, 0.3, 0.3]
            send(b, side, knee, (0.9, -0.6, -0.4))


def cross_legged(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """Face to face on the ground, cross-legged, hands held, on knees or clapping."""
    u = rng.uniform
    gap = u(0.78, 0.9)
    for posing, ground, facing in ((a, (0, 0), 0), (b, (u(-0.1, 0.1), gap), 180)):
        pelvis, lean = [ground[0], 0.12 * posing.scale, ground[1]], around(rng, u(4, 20))
        sit(posing, pelvis, facing + u(-8, 8), ((-0.1, 0.28), (0.1, 0.33)), u(-6, 8), lean, around(rng, 2, 0, 0, 12))
        posing.knee_poles = np.array([[1.0, 0.3, 0.3], [-1.0, 0.3, 0.3]])
        posing.grounded[:] = False
    style = rng.choice(3)
    for side, s in enumerate(SIGN):
        level = (-0.2, 0.05, 0.0)[style]
        clasp = (a.at_chest(s * 0.14, level, 0.4) + b.at_chest(-s * 0.14, level, 0.4)) / 2.0
        if style < 2:
            send(a, side, clasp - [0, 0, 0.03], (0.7, -1.0, -0.2), [0, style, 0.5])
            send(b, 1 - side, clasp + [0, 0, 0.03], (0.7, -1.0, -0.2), [0, style, -0.5])
        else:
            for posing in (a, b):
                knee = posing.pelvis + rotation(yaw=posing.facing) @ [s * 0.36, 0.14, 0.26]
                send(posing, side, knee, (0.9, -0.6, -0.5))

"""Interaction kinds of acrobats. See ``gestures`` for the conventions."""

from __future__ import annotations

import numpy as np

from opec_tf.data.synthetic.body import LEFT, RIGHT, SIGN, Posing
from opec_tf.data.synthetic.gestures import around, send, stance


def thigh_stand(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """b stands on a's thighs, facing away, held at hips or thighs; a squats wide and leans back."""
    u = rng.uniform
    wide = u(0.24, 0.32)
    feet, lean = ((wide, 0.16), (-wide, 0.16)), around(rng, u(0, 8), 0, 0, 4)
    a.stand((0, -0.12), u(-4, 4), feet, u(0.42, 0.52), -u(8, 18), spine=lean, head=around(rng, -6, 0, 0, 10))
    a.knee_poles = np.array([[0.9, 0.3, 1.0], [-0.9, 0.3, 1.0]])
    a.foot_yaw = np.array([35.0, 35.0])
    thighs = a.solve().joints[[6, 7, 8, 9]].reshape(2, 2, 3)  # [hip or knee, side]
    ankles = 0.3 * thighs[0] + 0.7 * thighs[1] + [0.0, b.shape.length("ankle_height") + 0.07, 0.0]
    leg = 0.975 * (b.shape.length("thigh") + b.shape.length("shin"))
    middle = ankles.mean(0)
    forward = u(0.1, 0.22)
    b.place(
        middle + [0, np.sqrt(leg**2 - forward**2 - 0.05), forward],
        u(-4, 4),
        pitch=u(6, 16),
        spine=around(rng, -12, by=5),
        head=around(rng, -10),
    )
    b.ankles = ankles
    for side, s in enumerate(SIGN):
        send(a, side, b.pelvis + [s * 0.15, -u(0.1, 0.25), -0.08], (0.8, -0.8, -0.2), [0, 0.5, 1])
    style = rng.choice(2)
    for side, s in enumerate(SIGN):
        spread = b.at_chest(s * 0.58, u(0.0, 0.2), 0.05) if style == 0 else b.at_chest(s * 0.3, 0.45, 0.05)
        send(b, side, spread, (0.3, -1.0, -0.4))


def airplane(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """a lies on the back and carries b on the feet, level in the air; hands held or b's arms spread."""
    u = rng.uniform
    a.place(
        [0.0, 0.12 * a.scale, 0.0],
        u(-4, 4),
        pitch=-90 + u(0, 4),
        spine=around(rng, 4, 0, 0, 3),
        head=around(rng, 14, 0, 0, 10),
    )
    leg = u(0.9, 0.97) * (a.shape.length("thigh") + a.shape.length("shin"))
    tip = u(-0.1, 0.05)
    a.ankles = np.stack([a.pelvis + [s * 0.1, leg, tip] for s in SIGN])
    a.knee_poles = np.array([[0.2, 1.0, 0.3], [-0.2, 1.0, 0.3]])
    a.foot_pitch = np.full(2, -20.0)
    belly = b.shape.depth + 0.10
    b.place(
        a.pelvis + [0.0, leg + belly, tip + 0.02],
        180 + u(-5, 5),
        pitch=u(80, 98),
        spine=around(rng, -16, by=5),
        head=around(rng, -20, 0, 0, 10),
    )
    rise = u(-0.1, 0.2)
    b.ankles = np.stack([b.pelvis + [-s * u(0.06, 0.2), rise, 0.8] for s in SIGN])
    b.foot_pitch = np.full(2, u(30, 70))
    hands = u() < 0.5
    for side, s in enumerate(SIGN):
        if hands:
            clasp = (a.chest + b.chest) / 2.0 + [s * 0.2, 0.0, -0.05]
            send(a, side, clasp, (1.0, -0.4, 0.3), [0, 1, 0])
            send(b, 1 - side, clasp + [0, 0.04, 0], (0.7, -0.6, -0.4))
        else:
            send(b, side, b.at_chest(s * 0.6, 0.1, 0.0), (0.2, -0.4, -1.0))
            flat = a.chest + [s * 0.5, 0.0, 0.25]
            flat[1] = 0.07
            send(a, side, flat, (0.3, -0.6, 0.8))


def handstand(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """a stands on the hands, b holds a's legs."""
    u = rng.uniform
    arm = a.shape.length("upper_arm") + a.shape.length("forearm")
    trunk = a.shape.length("lumbar") + a.shape.length("thorax")
    tilt, facing = u(-8, 8), rng.choice([0, 180]) + u(-15, 15)
    a.place(
        [0.0, 0.05 + 0.97 * arm + trunk, 0.0],
        facing,
        pitch=180 + tilt,
        spine=around(rng, -4, 0, 0, 4),
        head=around(rng, -20, 0, 0, 8),
    )
    leg = 0.97 * (a.shape.length("thigh") + a.shape.length("shin"))
    part = u(0.04, 0.3)
    a.ankles = np.stack([a.pelvis + [0.06 * a.pelvis_rotation[0, 0] * s, leg, part * s] for s in SIGN])
    a.knee_poles = np.array([[0.1, 0.1, 1.0], [-0.1, 0.1, 1.0]])
    a.foot_pitch = np.full(2, u(30, 70))
    for side, s in enumerate(SIGN):
        hand = a.chest + a.chest_rotation[:, 0] * s * 0.2 + [0, 0, u(-0.03, 0.05)]
        hand[1] = 0.05
        send(a, side, hand, (0.8, 0.0, -0.4))
    gap, feet = u(0.36, 0.48), stance(rng, 0.15, u(0.1, 0.4))
    lean, look = around(rng, 4), around(rng, -6, 0, 0, 14)
    b.stand((u(-0.12, 0.12), gap), 180 + u(-10, 10), feet, u(0.0, 0.1), u(0, 8), spine=lean, head=look)
    for side in (LEFT, RIGHT):
        share = u(0.45, 0.8)
        nearest = side if a.pelvis_rotation[0, 0] < 0 else 1 - side
        shin = a.pelvis + share * (a.ankles[nearest] - a.pelvis)
        send(b, side, shin + [-SIGN[side] * 0.05, 0, 0.03], (0.8, -0.9, -0.2), [0, 0.3, -1])


def counterbalance(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """Toe to toe, knees bent or straight, both hang far back from their joined hands."""
    u = rng.uniform
    deep, lean = u(0.0, 0.5), u(0.3, 0.42)
    reach = u(0.9, 1.02) - 0.12
    gap = reach + 2 * 0.1
    for posing, ground, facing in ((a, (0, 0), 0), (b, (u(-0.04, 0.04), gap), 180)):
        forward = gap / 2.0 / posing.scale - 0.1
        feet = ((0.11, forward), (-0.11, forward))
        pitch = -20 * lean / 0.36 * (1 - deep)
        back = around(rng, -4 + 16 * deep, 0, 0, 4)
        posing.stand(ground, facing + u(-3, 3), feet, deep, pitch, spine=back, head=around(rng, 10, 0, 0, 12))
    for side in (LEFT, RIGHT):
        clasp = (a.at_chest(SIGN[side] * 0.14, -0.1, 0.5) + b.at_chest(-SIGN[side] * 0.14, -0.1, 0.5)) / 2.0
        send(a, side, clasp, (0.8, -1.0, -0.2))
        send(b, 1 - side, clasp, (0.8, -1.0, -0.2))

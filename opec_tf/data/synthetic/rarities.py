"""Interaction kinds kept for the held-out split. See ``gestures`` for the conventions."""

from __future__ import annotations

import numpy as np

from opec_tf.data.synthetic.body import LEFT, RIGHT, SIGN, Posing
from opec_tf.data.synthetic.gestures import chest_gap, rest_arm, send, stance


def cradle(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """a carries b in the arms: b lies across a's chest, knees over one arm, back on the other."""
    u = rng.uniform
    feet, crouch, pitch = stance(rng, 0.14, u(0, 0.3)), u(0.02, 0.1), u(-8, 0)
    spine, head = (u(-12, 0), u(-4, 4), u(-6, 6)), (u(-5, 22), u(-6, 6), u(-30, 10))
    a.stand((0, 0), 0, feet, crouch, pitch, spine=spine, head=head)
    # b's trunk leans back towards a's right; b faces a's left, turned upwards.
    seat = a.at_chest(u(0.02, 0.10), u(-0.42, -0.34), 0.0) + [0.0, 0.0, a.shape.depth + b.shape.depth + 0.05]
    facing, pitch = 90 + u(-12, 8), u(-52, -38)
    spine, head = (u(4, 16), u(-8, 8), u(-4, 12)), (u(0, 25), u(-5, 10), u(-35, 20))
    b.place(seat, facing, pitch=pitch, spine=spine, head=head)
    drop = u(0.25, 0.45)
    knees = b.pelvis + [0.40 * b.scale, 0.12, 0.0]
    b.ankles = np.stack([knees + [u(0.02, 0.16), -drop, s * 0.06 * -1.0] for s in SIGN])
    b.knee_poles = np.array([[0.1, 0.6, 1.0], [-0.1, 0.6, 1.0]])
    b.foot_pitch = np.array([u(15, 40), u(15, 40)])
    send(a, LEFT, knees + [-0.10, -0.08, 0.05], (0.6, -0.9, -0.3), [0.0, 0.2, 1.0])
    back = b.at_chest(0.0, -0.16, -b.shape.depth / b.scale - 0.05) + [0.0, 0.0, 0.06]
    send(a, RIGHT, back, (0.7, -0.9, -0.3), [0.3, 0.2, 1.0])
    send(b, LEFT if b.chest_rotation[2, 0] < 0 else RIGHT, a.at_chest(0.10, 0.05, -0.12), (1.0, 0.2, 0.0))
    rest = RIGHT if b.chest_rotation[2, 0] < 0 else LEFT
    send(b, rest, b.at_pelvis(0.0, 0.12, 0.16) if u() < 0.6 else a.at_chest(0.0, -0.1, 0.2), (0.8, -0.8, 0.1))


def dip(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """The end of a tango: a leans over b, who bends far backwards in a's arms."""
    u = rng.uniform
    lean = u(30, 48)
    feet, crouch = ((0.14, u(0.3, 0.5)), (-0.12, -u(0.15, 0.35))), u(0.10, 0.2)
    spine, head = (lean * 0.5, u(-5, 10), u(-8, 8)), (u(-10, 12), u(-5, 5), u(-10, 20))
    a.stand((0, 0), 0, feet, crouch, lean * 0.6, spine=spine, head=head)
    facing, feet, crouch = 180 + u(-12, 12), ((0.14, u(0.0, 0.2)), (-0.10, u(0.15, 0.4))), u(0.12, 0.22)
    spine, head = (-26.0, u(-8, 8), u(-8, 8)), (u(-40, -10), u(-8, 8), u(-25, 25))
    b.stand((-0.06, 0.36 * b.scale), facing, feet, crouch, -lean * 0.75, spine=spine, head=head)
    send(a, LEFT, b.at_chest(-0.04, -0.22, -b.shape.depth / b.scale - 0.05), (1.0, -0.5, 0.0), -a.chest_rotation[:, 0])
    if u() < 0.5:
        send(a, RIGHT, b.at_pelvis(0.12, 0.05, -0.16), (1.0, -0.5, -0.2))
        send(b, RIGHT, a.at_chest(0.16, 0.05, -0.08), (1.0, -0.2, 0.2))
    else:
        clasp = (a.at_chest(-0.45, -0.05, 0.25) + b.at_chest(0.45, 0.1, 0.2)) / 2.0
        send(a, RIGHT, clasp, (0.3, -1.0, -0.3))
        send(b, LEFT, clasp + [0.0, 0.04, 0.0], (0.3, -1.0, -0.3))
        send(b, RIGHT, a.at_chest(0.20, 0.05, -0.05), (1.0, -0.2, 0.2))
        return
    if u() < 0.5:
        send(b, LEFT, a.at_chest(-0.16, 0.05, -0.08), (1.0, -0.2, 0.2))
    else:
        send(b, LEFT, b.at_chest(0.35, 0.42, -0.1), (1.0, 0.2, -0.4))


def lift(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """A jumping hug: b's legs are round a's waist, b's arms round a's neck, a holds b's thighs or back."""
    u = rng.uniform
    gap = chest_gap(a, b, u(0.03, 0.06))
    feet, crouch, pitch = stance(rng, 0.14, u(0, 0.25)), u(0.03, 0.12), u(-6, 2)
    spine, head = (u(-12, 0), u(-5, 5), u(-5, 5)), (u(-25, 0), u(0, 15), u(-25, 0))
    a.stand((0, 0), 0, feet, crouch, pitch, spine=spine, head=head)
    pelvis, facing, pitch = a.at_pelvis(-u(0.04, 0.08), u(0.14, 0.28), 0.0) + [0.0, 0.0, gap], 180 + u(-6, 6), u(0, 8)
    spine, head = (u(2, 14), u(0, 6), u(-5, 5)), (u(-10, 25), u(0, 16), u(-30, 10))
    b.place(pelvis, facing, pitch=pitch, spine=spine, head=head)
    b.ankles = np.stack([a.at_pelvis(-s * u(0.08, 0.20), u(-0.16, 0.04), -u(0.20, 0.30)) for s in SIGN])
    b.knee_poles = np.array([[1.0, 0.35, 0.5], [-1.0, 0.35, 0.5]])
    b.foot_pitch = np.array([u(10, 40), u(10, 40)])
    for side, s in enumerate(SIGN):
        thigh, back = (-s * 0.13, -0.10, 0.02), (-s * 0.04, -0.28, -b.shape.depth / b.scale - 0.04)
        under = b.at_pelvis(*thigh) if u() < 0.6 else b.at_chest(*back)
        send(a, side, under, (0.9, -0.9, -0.2), -s * a.chest_rotation[:, 0] * 0.5 + [0, 0, 0.5])
        around = a.at_chest(-s * u(-0.04, 0.1), u(-0.06, 0.04), -a.shape.depth / a.scale - 0.05)
        send(b, side, around, (1.0, u(-0.3, 0.3), 0.0))


def kneel(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """b kneels on one knee before a and takes a's hands, waist or leg."""
    u = rng.uniform
    gap = u(0.34, 0.5)
    facing, feet, crouch, pitch = u(-10, 10), stance(rng, 0.11, u(0, 0.2)), u(0.0, 0.08), u(0, 10)
    spine, head = (u(4, 26), u(-5, 5), u(-8, 8)), (u(10, 35), u(-5, 5), u(-15, 15))
    a.stand((0, 0), facing, feet, crouch, pitch, spine=spine, head=head)
    facing = 180 + u(-15, 15)
    pelvis, pitch = [u(-0.06, 0.06), 0.52 * b.scale, gap + 0.1], u(-4, 12)
    spine, head = (u(-5, 12), u(-5, 5), u(-8, 8)), (u(-40, -15), u(-5, 5), u(-12, 12))
    b.place(pelvis, facing, pitch=pitch, spine=spine, head=head)
    ankle = b.shape.length("ankle_height")
    b.ankles = np.stack([b.at_pelvis(0.12, 0.0, 0.40), b.at_pelvis(-0.10, 0.0, -0.36)])
    b.ankles[:, 1] = ankle, ankle + 0.05
    b.knee_poles = np.array([[0.1, 0.3, 1.0], [-0.1, -1.0, 0.5]])
    b.foot_pitch = np.array([0.0, 50.0])
    b.grounded = np.array([True, False])
    hold = rng.choice(3)
    for side, s in enumerate(SIGN):
        if hold == 0:
            clasp = (a.at_chest(-s * -0.10, -0.35, 0.3) + b.at_chest(-s * 0.10, 0.02, 0.25)) / 2.0
            send(a, side, clasp + [0, 0.04, 0], (0.6, -0.8, -0.8))
            send(b, 1 - side, clasp, (0.6, -1.0, -0.3))
        else:
            grip = (-s * 0.16, u(-0.25, 0.05), -0.04) if hold == 1 else (0.09 - 0.05 * s, -0.5, -0.08 * s)
            send(b, side, a.at_pelvis(*grip), (0.9, -0.8, 0.0))
            if u() < 0.6:
                send(a, side, b.at_chest(-s * 0.14, 0.06, -0.02), (0.6, -0.3, -0.9))
            else:
                rest_arm(rng, a, side)

"""Interaction kinds in which a carries, lifts or drags b. See ``gestures`` for the conventions."""

from __future__ import annotations

import numpy as np

from opec_tf.data.synthetic.body import LEFT, RIGHT, SIGN, Posing
from opec_tf.data.synthetic.gestures import around, chest_gap, plant, rest_arm, send, stance


def piggyback(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """a carries b on the back."""
    u = rng.uniform
    lean = u(14, 30)
    feet, crouch, heels = stance(rng, 0.13, u(0.05, 0.4)), u(0.03, 0.12), (0, u(0, 0.06))
    spine, head = (u(0, 10), u(-5, 5), u(-6, 6)), (u(-28, -5), u(-14, 0), u(-20, 20))
    a.stand((0, 0), 0, feet, crouch, lean, lift=heels, spine=spine, head=head)
    back = chest_gap(a, b, 0.02)
    seat = a.at_pelvis(0.0, u(0.10, 0.18), -back / a.scale)
    facing, pitch = u(-6, 6), lean + u(-6, 2)
    spine, head = (u(2, 12), u(-4, 4), u(-5, 5)), (u(-25, 0), u(0, 18), u(-25, 25))
    b.place(seat, facing, pitch=pitch, spine=spine, head=head)
    # The rider's head looks past the carrier's.
    b.pelvis[0] += u(0.05, 0.08)
    b.place(b.pelvis, b.facing, pitch=lean + u(-6, 2), spine=b.spine, head=b.head)
    b.ankles = np.stack([a.at_pelvis(s * u(0.21, 0.28), u(-0.34, -0.2), u(0.06, 0.30)) for s in SIGN])
    b.knee_poles = np.array([[0.75, 0.1, 1.0], [-0.75, 0.1, 1.0]])
    b.foot_pitch = np.array([u(20, 45), u(20, 45)])
    crossing = u(0.0, 0.1)
    for side, s in enumerate(SIGN):
        knee = a.at_pelvis(s * 0.22, u(-0.02, 0.06), u(0.08, 0.2))
        send(a, side, knee, (0.7, -0.6, -1.0), -s * a.pelvis_rotation[:, 0] * 0.6 + a.pelvis_rotation[:, 2])
        wrist = a.at_chest(-s * crossing, u(-0.16, -0.06), a.shape.depth / a.scale + 0.06 + 0.03 * side)
        send(b, side, wrist, (0.9, -0.9, 0.2))


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


def fireman(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """a carries b over the left shoulder: b's trunk hangs down a's back, the legs in front."""
    u = rng.uniform
    feet, lean = stance(rng, 0.14, u(0, 0.4)), around(rng, 6, -4, 0, 4)
    a.stand((0, 0), 0, feet, u(0.03, 0.12), u(4, 14), spine=lean, head=around(rng, -8, -14, -15, 8))
    seat = a.at_chest(u(0.26, 0.29), u(0.15, 0.19), u(0.02, 0.1))
    bend, hang = u(100, 118), (u(25, 45), u(-6, 6), u(-8, 8))
    b.place(seat, 180 + u(-8, 12), pitch=bend, spine=hang, head=around(rng, u(-10, 15), 0, 0, 14))
    b.ankles = np.stack([a.at_chest(0.25 - s * 0.07, u(-0.72, -0.5), u(0.32, 0.5)) for s in SIGN])
    b.knee_poles = np.array([[0.1, 0.7, 0.5], [-0.1, 0.7, 0.5]])
    b.foot_pitch = np.array([u(20, 50), u(20, 50)])
    thighs = seat + a.chest_rotation @ [0.0, -0.3, 0.26]
    send(a, LEFT, thighs, (1.0, -0.6, -0.2), -a.chest_rotation[:, 0])
    for side, s in enumerate(SIGN):
        hanging = b.chest + b.chest_rotation @ [s * 0.2, 0.0, 0.0] + [u(-0.06, 0.06), -u(0.35, 0.5), u(-0.08, 0.08)]
        send(b, side, hanging, (0.5, 0.0, -1.0))
    if u() < 0.4:
        send(a, RIGHT, thighs + [-0.08, u(-0.05, 0.1), 0.06], (0.8, -0.9, -0.2))
    else:
        rest_arm(rng, a, RIGHT)


def shoulder_ride(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """b sits on a's shoulders, a holds b's shins."""
    u = rng.uniform
    feet, lean = stance(rng, 0.13, u(0, 0.3)), around(rng, 4, by=3)
    a.stand((0, 0), 0, feet, u(0.01, 0.08), u(2, 8), spine=lean, head=(u(-4, 12), u(-5, 5), u(-15, 15)))
    seat = a.at_chest(u(-0.01, 0.01), u(0.13, 0.16), -0.05) + [0, 0, -b.shape.depth - 0.02]
    b.place(seat, u(-5, 5), pitch=u(-4, 10), spine=around(rng, 4, 0, 0, 6), head=around(rng, 6, 0, 0, 16))
    drop = u(-0.32, -0.18)
    b.ankles = np.stack([a.at_chest(s * u(0.08, 0.14), drop, a.shape.depth / a.scale + 0.1) for s in SIGN])
    b.knee_poles = np.array([[0.5, 0.7, 0.8], [-0.5, 0.7, 0.8]])
    b.foot_pitch = np.array([u(20, 45), u(20, 45)])
    style = rng.choice(3)
    for side, s in enumerate(SIGN):
        send(a, side, b.ankles[side] + [s * 0.02, 0.08, 0.05], (0.7, -1.0, -0.3), [-s, 0.3, 0])
        if style == 0:  # holds on to a's head
            crown = a.chest + a.chest_rotation[:, 1] * 0.19 * a.scale + a.head_rotation @ [s * 0.08, 0.13, 0.07]
            send(b, side, crown, (0.9, -0.7, 0.1))
        elif style == 1:
            send(b, side, b.at_chest(s * 0.4, u(0.2, 0.45), 0.1), (1.0, -0.4, -0.2))
        else:
            rest_arm(rng, b, side)


def drag(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """a drags b away: b hangs back in a's arms, which go under b's armpits; only b's heels touch the ground."""
    u = rng.uniform
    feet, lean = stance(rng, 0.16, u(0.2, 0.5)), around(rng, u(8, 16))
    a.stand((0, 0), u(-5, 5), feet, u(0.14, 0.24), u(10, 20), spine=lean, head=around(rng, -4, -12, -10))
    slope = u(38, 52)
    trunk = 0.285 * b.shape.height
    chest = a.at_chest(u(0.06, 0.1), -0.38, 0) + [0, 0, a.shape.depth + b.shape.depth + 0.07]
    pelvis = chest + [0.0, -trunk * np.cos(np.radians(slope)), trunk * np.sin(np.radians(slope))]
    pelvis[1] = max(pelvis[1], 0.16)
    b.place(pelvis, u(-6, 6), pitch=-slope - 5, spine=around(rng, 8, 0, 0, 5), head=around(rng, 14, 0, 0, 18))
    plant(b, ((0.12, u(0.5, 0.7)), (-0.12, u(0.5, 0.75))))
    b.grounded[:] = False
    b.knee_poles = np.array([[0.3, 1.0, 0.5], [-0.3, 1.0, 0.5]])
    b.foot_pitch = np.full(2, u(-10, 20))
    front = b.shape.depth / b.scale + 0.06
    for side, s in enumerate(SIGN):
        send(
            a, side, b.at_chest(s * u(0.0, 0.06), u(-0.22, -0.12), front), (1.0, -0.3, 0.1), -s * b.chest_rotation[:, 0]
        )
    style = rng.choice(2)
    for side, s in enumerate(SIGN):
        hanging = b.at_chest(s * 0.36, -0.3, 0.1) + [0, -0.12, 0]
        hold = b.at_chest(s * 0.14, -0.12, front + 0.05)
        send(b, side, hanging if style else hold, (1.0, -0.5, -0.2))

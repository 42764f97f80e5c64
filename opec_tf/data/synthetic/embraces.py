"""Interaction kinds of friends: embraces, dances, carrying, standing together. See ``gestures`` for the conventions."""

from __future__ import annotations

import numpy as np

from opec_tf.data.synthetic.body import LEFT, RIGHT, SIGN, Posing
from opec_tf.data.synthetic.gestures import chest_gap, rest_arm, send, stance


def hug(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """Chest to chest, arms round each other."""
    u = rng.uniform
    gap, aside, lean = chest_gap(a, b, u(0.02, 0.07)), u(0.07, 0.12), u(3, 16)
    hips = gap + 0.30 * np.radians(2 * lean) + 0.02
    feet, crouch = stance(rng, 0.11, u(0, 0.2)), u(0, 0.05)
    spine, head = (lean / 2, u(0, 6), u(-8, 8)), (u(-12, 15), u(0, 16), u(-35, 10))
    a.stand((0, 0), 0, feet, crouch, lean / 2, spine=spine, head=head)
    facing, feet, crouch = 180 + u(-12, 12), stance(rng, 0.11, u(0, 0.2)), u(0, 0.05)
    spine, head = (lean / 2, u(0, 6), u(-8, 8)), (u(-12, 15), u(0, 16), u(-35, 10))
    b.stand((-aside, hips), facing, feet, crouch, lean / 2, spine=spine, head=head)
    behind = -b.shape.depth / b.scale - 0.05
    for side, s in enumerate(SIGN):  # a's arms go over b's shoulders or upper arms
        high = u(-0.12, -0.01)
        target = b.at_chest(-s * u(0.0, 0.10), high, behind)
        send(a, side, target, (1.0, u(-0.2, 0.5), 0.0), s * b.chest_rotation[:, 0] + [0, u(-0.5, 0.3), 0])
    behind = -a.shape.depth / a.scale - 0.05
    for side, s in enumerate(SIGN):  # b's arms go round a's waist
        target = a.at_chest(-s * u(0.04, 0.12), u(-0.36, -0.16), behind)
        send(b, side, target, (1.0, u(-0.9, -0.4), 0.0), s * a.chest_rotation[:, 0])


def waltz(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """A closed ballroom hold, mid-step."""
    u = rng.uniform
    gap, aside, stride = chest_gap(a, b, u(0.08, 0.30)), u(0.06, 0.16), u(0.1, 0.5)
    feet = stance(rng, 0.09, stride)
    crouch, pitch, heels, roll = u(0, 0.06), u(-2, 5), (0, u(0, 0.06)), u(-6, 6)
    spine, head = (u(-8, 4), u(-8, 8), u(-12, 12)), (u(-12, 6), u(-8, 8), u(0, 50))
    a.stand((0, 0), 0, feet, crouch, pitch, lift=heels, roll=roll, spine=spine, head=head)
    facing, crouch, pitch, heels, roll = 180 + u(-10, 10), u(0, 0.06), u(-2, 5), (0, u(0, 0.08)), u(-6, 6)
    spine, head = (u(-18, 0), u(-8, 8), u(-12, 12)), (u(-20, 4), u(-8, 14), u(0, 50))
    opposite = [(-x, -z) for x, z in feet]
    b.stand((-aside, gap + 0.03), facing, opposite, crouch, pitch, lift=heels, roll=roll, spine=spine, head=head)
    clasp = (a.at_chest(0.52, u(-0.12, 0.16), 0.18) + b.at_chest(-0.52, u(-0.12, 0.16), 0.18)) / 2.0
    send(a, LEFT, clasp, (0.3, -1.0, -0.5), [0, 1, 0])
    send(b, RIGHT, clasp + [0.0, 0.03, 0.04], (0.3, -1.0, -0.5), [0, 1, 0])
    back = b.at_chest(0.12, u(-0.3, -0.12), -b.shape.depth / b.scale - 0.05)
    send(a, RIGHT, back, (1.0, -0.1, 0.0), -b.chest_rotation[:, 0])
    send(b, LEFT, a.at_chest(-0.23, u(-0.02, 0.06), u(-0.04, 0.05)), (1.0, -0.3, 0.1))


def back_to_back(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """Standing back to back, arms folded, linked or at rest."""
    u = rng.uniform
    gap, lean = chest_gap(a, b, u(0.05, 0.09)), u(-6, 1)
    for posing, ground, facing in ((a, (0, 0), 0), (b, (u(-0.06, 0.06), -gap), 180)):
        turned, feet, crouch = facing + u(-6, 6), stance(rng, u(0.08, 0.16), u(0, 0.15)), u(0, 0.06)
        spine, head = (lean / 2, u(-5, 5), u(-8, 8)), (u(-15, 12), u(-8, 8), u(-45, 45))
        posing.stand(ground, turned, feet, crouch, lean / 2, spine=spine, head=head)
    style = rng.choice(3)
    for posing in (a, b):
        for side, s in enumerate(SIGN):
            if style == 0:  # arms folded
                level = -0.19 - 0.05 * side
                wrist = posing.at_chest(-s * 0.09, level, posing.shape.depth / posing.scale + 0.07 + 0.03 * side)
                send(posing, side, wrist, (0.8, -1.0, -0.1), -s * posing.chest_rotation[:, 0])
            elif style == 1:  # elbows linked: upper arms back, hands before the belly
                wrist = posing.at_chest(s * 0.20, -0.32, 0.12)
                send(posing, side, wrist, (0.6, -0.3, -1.0))
            else:
                rest_arm(rng, posing, side)


def embrace_from_behind(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """b stands close behind a; b's arms round a's waist or shoulders, a's arms on them, spread or at rest."""
    u = rng.uniform
    gap, lean = chest_gap(a, b, u(0.05, 0.1)), u(0, 7)
    feet, crouch, roll = stance(rng, 0.1, u(0, 0.2)), u(0, 0.08), u(-4, 4)
    spine, head = (u(-4, 6), u(-6, 6), u(-10, 10)), (u(-15, 12), u(-14, 6), u(-35, 35))
    a.stand((0, 0), 0, feet, crouch, lean / 2, roll=roll, spine=spine, head=head)
    ground, facing, feet, crouch = (u(0.05, 0.11), -gap - 0.02), u(-8, 8), stance(rng, 0.13, u(0, 0.25)), u(0, 0.05)
    spine, head = (lean / 2, u(-4, 8), u(-8, 8)), (u(0, 20), u(-4, 16), u(-30, 30))
    b.stand(ground, facing, feet, crouch, lean, spine=spine, head=head)
    low = u() < 0.6
    front = a.shape.depth / a.scale + 0.06
    for side, s in enumerate(SIGN):
        wrist = a.at_chest(s * u(-0.02, 0.06), u(-0.4, -0.28) if low else u(-0.14, -0.05), front + 0.02 * side)
        send(b, side, wrist, (1.0, -0.6 if low else -0.2, 0.2), -s * a.chest_rotation[:, 0])
    style = rng.choice(3, p=(0.45, 0.25, 0.3))
    for side, s in enumerate(SIGN):
        if style == 0:
            wrist = b.wrists[1 - side] + a.chest_rotation[:, 2] * 0.05 + u(-0.02, 0.02, 3)
            send(a, side, wrist, (0.9, -0.8, -0.3), -s * a.chest_rotation[:, 0])
        elif style == 1:
            send(a, side, a.at_chest(s * 0.7, u(-0.1, 0.25), u(-0.05, 0.15)), (0.1, -1.0, -0.4))
        else:
            rest_arm(rng, a, side)


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


def side_by_side(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """Shoulder to shoulder, an arm over the other's shoulders or round the waist. b stands on a's left."""
    u = rng.uniform
    gap = a.shape.length("shoulder_half") + b.shape.length("shoulder_half") + u(-0.01, 0.13)
    for posing, ground, s in ((a, (0, 0), 1.0), (b, (gap, u(-0.08, 0.08)), -1.0)):
        facing, feet, crouch, pitch = u(-4, 22) * s, stance(rng, u(0.08, 0.16), u(0, 0.3)), u(0, 0.06), u(-2, 5)
        roll = u(-2, 6) * s
        spine, head = (u(-3, 8), u(-2, 6) * s, u(-8, 8)), (u(-12, 18), u(-4, 14) * s, u(-25, 45) * s)
        posing.stand(ground, facing, feet, crouch, pitch, roll=roll, spine=spine, head=head)
    style = rng.choice(3, p=(0.5, 0.25, 0.25))
    for posing, other, side, over in ((a, b, LEFT, style != 1), (b, a, RIGHT, style == 1)):
        s = SIGN[side]
        if over:  # the far shoulder
            send(posing, side, other.at_chest(s * 0.20, 0.04, -0.03), (0.3, -0.3, -1.0), [0, -1, 0.2])
        else:  # the waist
            waist = other.at_chest(s * 0.17, -0.38, -0.04)
            send(posing, side, waist, (0.4, -0.5, -1.0), other.chest_rotation[:, 2])
    for posing, side in ((a, RIGHT), (b, LEFT)):
        rest_arm(rng, posing, side)


def handshake(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """Right hands meet; the left may hold the partner's arm or shoulder."""
    u = rng.uniform
    gap = u(0.52, 0.74)
    for posing, ground, facing in ((a, (0, 0), -8), (b, (u(-0.15, 0.05), gap), 172)):
        turned, feet, crouch, pitch = facing + u(-14, 14), stance(rng, 0.1, u(0, 0.35)), u(0, 0.06), u(0, 10)
        spine, head = (u(0, 12), u(-5, 5), u(-4, 14)), (u(-8, 18), u(-6, 6), u(-12, 12))
        posing.stand(ground, turned, feet, crouch, pitch, spine=spine, head=head)
    level = u(0.55, 0.68) if u() < 0.7 else u(0.85, 1.0)  # a handshake or a high five, of the chest's height
    meeting = (a.at_chest(-0.13, 0, 0.2) + b.at_chest(-0.13, 0, 0.2)) / 2.0
    meeting[1] = (a.chest[1] + b.chest[1]) / 2.0 * (1.2 if level > 0.8 else level + 0.2)
    for posing, other in ((a, b), (b, a)):
        forward = posing.pelvis_rotation[:, 2]
        up = [0, 0.9 if level > 0.8 else 0.0, 0]
        send(posing, RIGHT, meeting - forward * 0.07, (0.5, -1.0, -0.5), forward + up)
        if u() < 0.5:
            send(posing, LEFT, other.at_chest(-0.22, u(-0.2, 0.0), 0.02), (0.8, -0.8, -0.2))
        else:
            rest_arm(rng, posing, LEFT)

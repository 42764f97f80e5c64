"""Interaction kinds of friends: embraces. See ``gestures`` for the conventions."""

from __future__ import annotations

import numpy as np

from opec_tf.data.synthetic.body import LEFT, RIGHT, SIGN, Posing
from opec_tf.data.synthetic.gestures import around, chest_gap, rest_arm, send, stance


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


def side_hug(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """b, beside a, is turned towards a's flank and has both arms round a."""
    u = rng.uniform
    feet, lean = stance(rng, 0.1, u(0, 0.2)), around(rng, u(0, 6), 4)
    a.stand((0, 0), u(-8, 8), feet, u(0, 0.05), u(-2, 5), spine=lean, head=around(rng, 4, 10, u(0, 40)))
    gap = a.shape.length("shoulder_half") + b.shape.depth + u(0.05, 0.1)
    feet, lean = stance(rng, 0.1, u(0, 0.25)), around(rng, u(2, 10), by=5)
    b.stand((gap, u(-0.05, 0.05)), -90 + u(-15, 15), feet, u(0, 0.06), u(2, 8), spine=lean, head=around(rng, 8, 8))
    level, depth = u(-0.28, -0.06), a.shape.depth / a.scale + 0.06
    send(b, LEFT, a.at_chest(u(-0.12, 0.0), level, depth), (1.0, -0.5, 0.2), -a.chest_rotation[:, 0])
    send(b, RIGHT, a.at_chest(u(-0.12, 0.0), level - u(0, 0.1), -depth), (1.0, -0.5, 0.2), -a.chest_rotation[:, 0])
    send(a, LEFT, b.at_chest(u(-0.05, 0.1), u(-0.15, 0.03), -b.shape.depth / b.scale - 0.05), (0.6, -0.3, -0.8))
    if u() < 0.5:  # a hand on the arm that lies across the chest
        send(a, RIGHT, b.wrists[LEFT] + a.chest_rotation @ [0.05, 0.02, 0.06], (0.9, -0.8, -0.2))
    else:
        rest_arm(rng, a, RIGHT)


def console(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """a hides the face in both hands; b holds a by the back and the head."""
    u = rng.uniform
    feet, pitch = stance(rng, 0.1, u(0, 0.2)), u(4, 12)
    a.stand((0, 0), u(-10, 10), feet, u(0, 0.08), pitch, spine=around(rng, 16), head=around(rng, 30, 0, 0, 10))
    gap = chest_gap(a, b, u(0.16, 0.26))
    feet, lean = stance(rng, 0.12, u(0, 0.3)), around(rng, 6, by=4)
    b.stand(
        (-u(0.04, 0.12), gap + 0.1), 180 + u(-14, 14), feet, u(0, 0.06), u(0, 8), spine=lean, head=around(rng, 15, 8)
    )
    for side, s in enumerate(SIGN):
        face = a.chest + a.chest_rotation[:, 1] * 0.17 * a.scale + a.head_rotation @ [s * 0.05, 0.02, 0.13]
        send(a, side, face, (0.5, -1.0, 0.2), a.head_rotation[:, 1])
    behind = -a.shape.depth / a.scale - 0.05
    send(b, LEFT, a.at_chest(-u(0.0, 0.14), u(-0.3, -0.05), behind), (1.0, -0.4, 0.0), a.chest_rotation[:, 0])
    if u() < 0.5:
        crown = a.chest + a.chest_rotation[:, 1] * 0.2 * a.scale + a.head_rotation @ [0.1, 0.08, -0.06]
        send(b, RIGHT, crown, (1.0, -0.3, 0.0))
    else:
        send(b, RIGHT, a.at_chest(0.2, u(-0.05, 0.04), -0.02), (1.0, -0.6, -0.2))

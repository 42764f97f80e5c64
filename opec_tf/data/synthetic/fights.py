"""Interaction kinds of opponents: wrestling, boxing, pushing. See ``limbs`` for the conventions."""

import numpy as np

from opec_tf.data.synthetic.body import LEFT, RIGHT
from opec_tf.data.synthetic.limbs import SIGN, ready, rest_arm, send, stance


def wrestle(rng, a, b):
    """A clinch: both bent forward, knees bent, heads side by side, hands at neck, arms or legs."""
    u = rng.uniform
    deep = u(0.0, 1.0)
    pitch_a, pitch_b = u(28, 45) + 14 * deep, u(25, 48)
    reach = 0.31 * (np.sin(np.radians(pitch_a + 14)) * a.scale + np.sin(np.radians(pitch_b + 14)) * b.scale)
    apart = 1.45 * reach + u(0.18, 0.30)
    aside = u(0.10, 0.16)
    a.stand(
        (0, 0),
        0,
        stance(rng, u(0.18, 0.3), u(0.1, 0.5)),
        u(0.12, 0.26) + 0.12 * deep,
        pitch_a,
        spine=(u(5, 22), u(-6, 6), u(-10, 10)),
        head=(u(-40, -10), u(0, 15), u(-20, 10)),
    )
    b.stand(
        (-aside, apart),
        180 + u(-12, 12),
        stance(rng, u(0.18, 0.3), u(0.1, 0.5)),
        u(0.10, 0.26),
        pitch_b,
        spine=(u(5, 22), u(-6, 6), u(-10, 10)),
        head=(u(-40, -10), u(0, 15), u(-20, 10)),
    )
    ready(a, b)
    for first, second in ((a, b), (b, a)):
        for side, s in enumerate(SIGN):
            grips = (
                (second.at_chest(-s * 0.21, -0.10, 0.05), (1.0, -0.6, -0.2)),  # the partner's upper arm
                (second.at_chest(-s * 0.10, 0.07, -0.08), (1.0, -0.4, 0.0)),  # the neck
                (second.at_chest(-s * 0.17, -0.12, -0.14), (1.0, -0.2, 0.0)),  # the shoulder blade
                (second.at_pelvis(-s * 0.14, -0.15, 0.14), (0.8, -0.5, -0.3)),  # the thigh
            )
            weights = (0.3, 0.3, 0.25, 0.15) if first is b else (0.3, 0.25, 0.2, 0.25)
            send(first, side, *grips[rng.choice(4, p=weights)])


def boxing(rng, a, b):
    """Two boxers, one landing a punch, the other covering up or countering."""
    u = rng.uniform
    gap = u(0.48, 0.66)
    for posing, ground, facing in ((a, (0, 0), -12), (b, (u(-0.12, 0.12), gap), 168)):
        posing.stand(
            ground,
            facing + u(-12, 12),
            ((0.10, u(0.12, 0.28)), (-0.12, -u(0.12, 0.3))),
            u(0.04, 0.16),
            u(2, 14),
            lift=(0, u(0, 0.06)),
            roll=u(-8, 8),
            spine=(u(4, 20), u(-12, 12), u(-28, 20)),
            head=(u(5, 22), u(-8, 8), u(-15, 15)),
        )
    ready(a, b)
    for posing in (a, b):
        posing.gloves = True
        for side, s in enumerate(SIGN):
            guard = posing.at_chest(s * u(0.06, 0.13), u(0.0, 0.12), u(0.20, 0.28))
            send(posing, side, guard, (0.55, -1.0, -0.1), posing.head_rotation[:, 1])
    side = rng.choice(2)
    blow = b.at_chest(u(-0.08, 0.08), 0.20, 0.20) if u() < 0.65 else b.at_chest(u(-0.1, 0.1), -0.28, 0.24)
    send(a, side, blow, (u(0.5, 1.0), -0.6, 0.0), a.pelvis_rotation[:, 2])
    if u() < 0.4:
        send(b, rng.choice(2), a.at_chest(u(-0.1, 0.1), u(-0.25, 0.2), 0.24), (0.8, -0.7, 0.0), b.pelvis_rotation[:, 2])


def push(rng, a, b):
    """a pushes b, or both push, hands on chest, shoulders or arms."""
    u = rng.uniform
    gap = u(0.46, 0.62)
    a.stand(
        (0, 0),
        u(-10, 10),
        ((0.12, u(0.1, 0.35)), (-0.12, -u(0.2, 0.45))),
        u(0.04, 0.15),
        u(10, 26),
        lift=(0, u(0, 0.08)),
        spine=(u(0, 14), u(-6, 6), u(-14, 14)),
        head=(u(-18, 10), u(-8, 8), u(-12, 12)),
    )
    b.stand(
        (u(-0.1, 0.1), gap + 0.1),
        180 + u(-18, 18),
        stance(rng, 0.14, u(0.1, 0.5)),
        u(0.0, 0.14),
        u(-14, 12),
        spine=(u(-16, 8), u(-8, 8), u(-14, 14)),
        head=(u(-12, 18), u(-8, 8), u(-20, 20)),
    )
    ready(a, b)
    front = b.shape.depth / b.scale + 0.05
    for side, s in enumerate(SIGN):
        send(a, side, b.at_chest(-s * u(0.06, 0.16), u(-0.22, 0.0), front), (0.8, -0.9, -0.1), [0, 1, 0])
        style = rng.choice(3)
        if style == 0:
            send(
                b,
                side,
                a.at_chest(-s * u(0.10, 0.2), u(-0.2, 0.0), a.shape.depth / a.scale + 0.05),
                (0.9, -0.8, 0),
                [0, 1, 0],
            )
        elif style == 1:  # grips the pushing arm
            middle = (a.wrists[1 - side] + a.at_chest(-s * 0.185, 0.0, 0.0)) / 2.0
            send(b, side, middle + [0, u(-0.1, 0.03), 0], (0.9, -0.9, 0))
        else:
            rest_arm(rng, b, side)


def headlock(rng, a, b):
    """a holds b's head under the arm; b is bent over beside a and pulls at a's waist or arm."""
    u = rng.uniform
    a.stand(
        (0, 0),
        0,
        stance(rng, 0.2, u(0, 0.3)),
        u(0.04, 0.16),
        u(5, 20),
        roll=u(-4, 8),
        spine=(u(2, 16), u(0, 10), u(-5, 15)),
        head=(u(-8, 20), u(-5, 8), u(0, 40)),
    )
    bend = u(48, 62)
    # b faces across a's front from a's left and behind; the neck comes under a's left arm.
    facing = u(-25, 15)
    heading = np.radians(facing)
    trunk = 0.29 * b.shape.height * np.sin(np.radians(bend + 14)) + 0.06
    neck = np.array([0.30 * a.scale, 0.02])
    ground = neck - trunk * np.array([np.sin(heading), np.cos(heading)])
    height = a.chest[1] - 0.28 * a.scale - b.shape.length("lumbar") * np.cos(np.radians(bend - 10))
    straight = 0.5 * b.shape.height
    b.stand(
        tuple(ground),
        facing,
        stance(rng, 0.16, u(0.1, 0.4)),
        np.clip((straight - height) / straight, 0.05, 0.3),
        bend - 12,
        spine=(26.0, u(-5, 5), u(-12, 12)),
        head=(u(-15, 10), u(-8, 8), u(-10, 10)),
    )
    ready(a, b)
    throat = b.chest + 0.10 * b.scale * b.chest_rotation[:, 1] - 0.05 * b.chest_rotation[:, 2]
    front = a.chest_rotation[:, 2]
    send(a, LEFT, throat + [-0.10, -0.08, 0.10], (1.0, -0.2, -0.5), -a.chest_rotation[:, 0])
    if u() < 0.6:
        send(a, RIGHT, a.wrists[LEFT] + front * 0.06 + [-0.05, 0.0, 0.0], (0.8, -0.9, -0.2))
    else:
        rest_arm(rng, a, RIGHT)
    send(b, LEFT, a.at_pelvis(u(0.1, 0.2), u(-0.15, 0.1), -0.16) if u() < 0.5 else b.at_pelvis(0.16, -0.35, 0.25))
    send(b, RIGHT, a.at_pelvis(u(-0.1, 0.1), u(-0.05, 0.2), 0.20) if u() < 0.7 else a.wrists[LEFT] + front * 0.06)


def pin(rng, a, b):
    """b lies on the back; a kneels astride and holds b's arms or chest down, b pushes or shields."""
    u = rng.uniform
    b.place(
        [0.0, 0.11 * b.scale, 0.0],
        180 + u(-8, 8),
        pitch=-90 + u(0, 6),
        roll=u(-5, 5),
        spine=(u(2, 14), u(-8, 8), u(-10, 10)),
        head=(u(0, 25), u(-8, 8), u(-40, 40)),
    )
    # Lying with the head towards +z; a faces the same way, kneeling across the belly or hips.
    seat = u(0.05, 0.30)
    a.place(
        [u(-0.04, 0.04), u(0.34, 0.46) * a.scale, seat],
        u(-10, 10),
        pitch=u(12, 38),
        spine=(u(8, 28), u(-6, 6), u(-12, 12)),
        head=(u(-25, 15), u(-6, 6), u(-15, 15)),
    )
    ready(a, b)
    a.ankles = np.array([[s * u(0.22, 0.28), 0.07, seat - u(0.28, 0.4)] for s in SIGN])
    a.knee_poles = np.array([[0.5, -0.1, 1.0], [-0.5, -0.1, 1.0]])
    a.foot_pitch = np.array([u(55, 75), u(55, 75)])
    b.ankles = np.array([[-s * u(0.12, 0.3), 0.06, -u(0.42, 0.85) * b.scale] for s in SIGN])
    b.knee_poles = np.array([[0.25, 0.0, 1.0], [-0.25, 0.0, 1.0]])
    b.foot_pitch = np.array([u(5, 30), u(5, 30)])
    hold = rng.choice(3)
    for side, s in enumerate(SIGN):
        if hold == 0:  # b's wrists held to the ground beside the head
            spot = b.at_chest(-s * u(0.32, 0.45), u(0.1, 0.3), 0.0)
            spot[1] = 0.06
            send(b, 1 - side, spot, (1.0, -0.3, 0.2))
            send(a, side, spot + [0.0, 0.07, -0.06], (1.0, -0.3, -0.6), [0.0, -0.5, 1.0])
        else:
            target = b.at_chest(-s * u(0.05, 0.14), u(-0.1, 0.06), b.shape.depth / b.scale + 0.04)
            send(a, side, target, (1.0, -0.2, -0.6), [0.0, -1.0, 0.5])
            reply = a.at_chest(s * u(0.08, 0.18), u(-0.2, 0.0), a.shape.depth / a.scale + 0.05)
            send(b, 1 - side, reply if hold == 1 else a.wrists[side] + [0.0, 0.08, -0.1], (1.0, -0.8, 0.1))

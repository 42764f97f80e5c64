"""Interaction kinds of care and help. See ``gestures`` for the conventions."""

from __future__ import annotations

import numpy as np

from opec_tf.data.synthetic.body import LEFT, RIGHT, SIGN, Posing, rotation
from opec_tf.data.synthetic.gestures import around, on_knees, rest_arm, send, sit, stance


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


def help_up(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """a pulls up b, who sits on the ground, by one hand or both."""
    u = rng.uniform
    feet, lean = stance(rng, 0.16, u(0.1, 0.4)), around(rng, u(12, 26))
    a.stand((0, 0), u(-8, 8), feet, u(0.06, 0.2), u(18, 32), spine=lean, head=around(rng, -6, 0, 0, 12))
    seat, facing = [u(-0.12, 0.12), u(0.12, 0.26), u(0.78, 0.95)], 180 + u(-15, 15)
    feet = ((0.12, u(0.36, 0.5)), (-0.12, u(0.3, 0.5)))
    sit(b, seat, facing, feet, u(-22, -4), around(rng, 8), around(rng, -16, 0, 0, 12))
    both = u() < 0.5
    for side in (LEFT, RIGHT):
        clasp = (a.at_chest(SIGN[side] * 0.14, -0.45, 0.25) + b.at_chest(-SIGN[side] * 0.14, 0.0, 0.4)) / 2.0
        send(a, side, clasp, (0.6, -0.6, -0.8))
        send(b, 1 - side, clasp - [0, 0.03, 0], (0.6, -1.0, -0.2))
    if not both:
        prop = b.pelvis + rotation(yaw=facing) @ [0.24, 0.0, -0.26]
        prop[1] = 0.06
        send(b, LEFT, prop, (0.6, 0.0, -1.0))
        rest_arm(rng, a, RIGHT)


def bandage(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """b sits on a stool; a kneels before b and tends to b's arm, knee or foot."""
    u = rng.uniform
    seat = [0.0, u(0.5, 0.56), u(0.62, 0.72)]
    feet = ((0.13, u(0.32, 0.46)), (-0.13, u(0.3, 0.44)))
    sit(b, seat, 180 + u(-15, 15), feet, u(-8, 6), around(rng, 14), around(rng, 16, 0, 0, 10))
    b.seat = True
    on_knees(
        a, (u(-0.04, 0.12), 0.0), u(-12, 12), u() < 0.5, u(4, 16), around(rng, u(8, 24)), around(rng, 10, 0, 0, 10)
    )
    hurt = rng.choice(3)
    knee = b.pelvis + rotation(yaw=b.facing) @ [-0.12, 0.06, 0.42]
    spots = (b.at_chest(-0.16, -0.22, 0.34), knee, b.ankles[RIGHT] + [0.0, 0.1, 0.0])
    spot = spots[hurt]
    for side, s in enumerate(SIGN):
        send(a, side, spot + [s * 0.08, 0.03 * s, -0.04], (0.8, -0.9, -0.3), [-s, 0, 0.5])
    if hurt == 0:
        send(b, RIGHT, spot + [0, 0.0, -0.06], (0.8, -0.8, -0.4))
    else:
        send(b, RIGHT, knee + [-0.02, 0.06, 0.06], (0.8, -0.5, -0.6))
    if u() < 0.5:
        send(b, LEFT, a.at_chest(-0.16, 0.06, 0.0), (0.8, -0.8, -0.2))
    else:
        send(b, LEFT, b.pelvis + rotation(yaw=b.facing) @ [0.16, 0.12, 0.26], (0.9, -0.4, -0.6))


def comb(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """b sits cross-legged on the ground; a kneels behind and does b's hair."""
    u = rng.uniform
    sit(b, [0.0, 0.12, 0.0], u(-8, 8), ((-0.1, 0.3), (0.1, 0.34)), u(-6, 4), around(rng, 10), around(rng, 4, 0, 0, 14))
    b.knee_poles = np.array([[1.0, 0.3, 0.3], [-1.0, 0.3, 0.3]])
    b.grounded[:] = False
    gap = u(0.3, 0.4)
    on_knees(a, (u(-0.1, 0.1), -gap), u(-10, 10), u() < 0.35, u(2, 10), around(rng, 12), around(rng, 22, 0, 0, 8))
    for side, s in enumerate(SIGN):
        head = b.chest + b.chest_rotation[:, 1] * 0.2 * b.scale
        spot = head + b.head_rotation @ np.array([s * u(0.05, 0.12), u(0.0, 0.16), -u(0.06, 0.14)])
        send(a, side, spot, (1.0, -0.5, -0.2), b.chest_rotation[:, 2] * 0.5)
        lap = b.pelvis + rotation(yaw=b.facing) @ [s * u(0.08, 0.3), u(0.06, 0.14), u(0.2, 0.34)]
        send(b, side, lap, (0.9, -0.4, -0.5))


def lean_on(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """b, on a's left, hops on one leg with an arm round a's neck; a holds b's waist and wrist."""
    u = rng.uniform
    gap = a.shape.length("shoulder_half") + b.shape.length("shoulder_half") + u(-0.04, 0.03)
    feet, lean = stance(rng, 0.11, u(0.1, 0.4)), around(rng, 6, -4)
    a.stand((0, 0), u(-4, 12), feet, u(0.03, 0.1), u(4, 12), (0, u(0, 0.05)), u(-4, 2), lean, around(rng, 6, 0, 15, 10))
    lifted = ((0.1, -u(0.25, 0.42)), (-0.1, 0.04))
    height, roll = u(0.12, 0.4), u(-14, -4)
    lean, look = around(rng, 10, -4), around(rng, 12, -8, 0, 10)
    b.stand((gap, u(-0.06, 0.06)), u(-12, 4), lifted, u(0.05, 0.14), u(6, 16), (height, 0.0), roll, lean, look)
    hand = a.at_chest(-0.12, -0.08, 0.2)
    send(b, RIGHT, hand, (0.3, 0.2, -1.0), [-0.3, -1, 0])
    send(a, RIGHT, hand + [-0.02, -0.03, 0.03], (0.8, -0.9, -0.2))
    send(a, LEFT, b.at_chest(0.16, -0.38, -0.02), (0.4, -0.5, -1.0), b.chest_rotation[:, 2])
    rest_arm(rng, b, LEFT)


def massage(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """b sits on a stool, elbows on the knees or upright; a stands behind and kneads the shoulders."""
    u = rng.uniform
    bent = u() < 0.5
    pitch, lean = (u(8, 20), around(rng, 26)) if bent else (u(-4, 4), around(rng, 4))
    feet = ((0.14, u(0.36, 0.46)), (-0.14, u(0.36, 0.46)))
    sit(b, [0.0, u(0.48, 0.56), 0.0], u(-10, 10), feet, pitch, lean, around(rng, 16, 0, 0, 12))
    b.seat = True
    feet, bow = stance(rng, 0.14, u(0.1, 0.35)), around(rng, 10)
    gap = u(0.32, 0.42)
    a.stand((u(-0.08, 0.08), -gap), u(-8, 8), feet, u(0.04, 0.14), u(10, 24), spine=bow, head=around(rng, 14))
    for side, s in enumerate(SIGN):
        send(a, side, b.at_chest(s * u(0.08, 0.16), u(0.0, 0.07), -0.08), (0.9, -0.7, -0.3), b.chest_rotation[:, 2])
        knee = b.pelvis + rotation(yaw=b.facing) @ [s * 0.13, 0.1, u(0.2, 0.42)]
        send(b, side, knee, (1.0, -0.6, -0.1) if bent else (0.8, -0.4, -0.8))


def tie_shoe(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """b squats before a and ties a's shoe; a rests a hand on b's back or shoulder."""
    u = rng.uniform
    feet = ((0.1, u(0.1, 0.26)), (-0.1, -u(0.0, 0.15)))
    a.stand((0, 0), u(-8, 8), feet, u(0.0, 0.08), u(4, 14), spine=around(rng, u(6, 22)), head=around(rng, 22, 0, 0, 12))
    away = u(0.6, 0.74)
    if u() < 0.5:
        squat, lean = ((0.16, 0.12), (-0.16, 0.0)), around(rng, u(20, 34))
        b.stand(
            (u(0.0, 0.16), away),
            180 + u(-20, 20),
            squat,
            u(0.9, 1.0),
            u(18, 30),
            (0.0, 0.06),
            0.0,
            lean,
            around(rng, 6),
        )
        b.knee_poles = np.array([[0.5, 0.4, 1.0], [-0.5, 0.4, 1.0]])
    else:
        lean = around(rng, u(20, 34))
        on_knees(b, (u(0.0, 0.16), away), 180 + u(-20, 20), True, u(18, 34), lean, around(rng, 6))
    for side, s in enumerate(SIGN):
        send(b, side, a.ankles[LEFT] + [-s * 0.07, 0.05, 0.09], (0.9, 0.0, -0.6), [0, -0.5, -1])
    send(a, RIGHT, b.at_chest(u(-0.1, 0.16), u(-0.1, 0.04), -b.shape.depth / b.scale - 0.03), (0.6, -0.5, -0.8))
    rest_arm(rng, a, LEFT)

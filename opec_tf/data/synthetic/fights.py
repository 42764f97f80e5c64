"""Interaction kinds of opponents: wrestling, boxing, pushing, kicking. See ``gestures`` for the conventions."""

from __future__ import annotations

import numpy as np

from opec_tf.data.synthetic.body import LEFT, RIGHT, SIGN, Posing
from opec_tf.data.synthetic.gestures import around, chest_gap, rest_arm, send, stance


def wrestle(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """A clinch: both bent forward, knees bent, heads side by side, hands at neck, arms or legs."""
    u = rng.uniform
    deep = u(0.0, 1.0)
    pitch_a, pitch_b = u(28, 45) + 14 * deep, u(25, 48)
    reach = 0.31 * (np.sin(np.radians(pitch_a + 14)) * a.scale + np.sin(np.radians(pitch_b + 14)) * b.scale)
    apart = 1.45 * reach + u(0.18, 0.30)
    aside = u(0.10, 0.16)
    feet, crouch = stance(rng, u(0.18, 0.3), u(0.1, 0.5)), u(0.12, 0.26) + 0.12 * deep
    spine, head = (u(5, 22), u(-6, 6), u(-10, 10)), (u(-40, -10), u(0, 15), u(-20, 10))
    a.stand((0, 0), 0, feet, crouch, pitch_a, spine=spine, head=head)
    facing, feet, crouch = 180 + u(-12, 12), stance(rng, u(0.18, 0.3), u(0.1, 0.5)), u(0.10, 0.26)
    spine, head = (u(5, 22), u(-6, 6), u(-10, 10)), (u(-40, -10), u(0, 15), u(-20, 10))
    b.stand((-aside, apart), facing, feet, crouch, pitch_b, spine=spine, head=head)
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


def boxing(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """Two boxers, one landing a punch, the other covering up or countering."""
    u = rng.uniform
    gap = u(0.48, 0.66)
    for posing, ground, facing in ((a, (0, 0), -12), (b, (u(-0.12, 0.12), gap), 168)):
        turned, feet, crouch = facing + u(-12, 12), ((0.10, u(0.12, 0.28)), (-0.12, -u(0.12, 0.3))), u(0.04, 0.16)
        pitch, heels, roll = u(2, 14), (0, u(0, 0.06)), u(-8, 8)
        spine, head = (u(4, 20), u(-12, 12), u(-28, 20)), (u(5, 22), u(-8, 8), u(-15, 15))
        posing.stand(ground, turned, feet, crouch, pitch, lift=heels, roll=roll, spine=spine, head=head)
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


def push(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """a pushes b, or both push, hands on chest, shoulders or arms."""
    u = rng.uniform
    gap = u(0.46, 0.62)
    facing, feet, crouch, pitch = u(-10, 10), ((0.12, u(0.1, 0.35)), (-0.12, -u(0.2, 0.45))), u(0.04, 0.15), u(10, 26)
    heels = (0, u(0, 0.08))
    spine, head = (u(0, 14), u(-6, 6), u(-14, 14)), (u(-18, 10), u(-8, 8), u(-12, 12))
    a.stand((0, 0), facing, feet, crouch, pitch, lift=heels, spine=spine, head=head)
    ground, facing, feet = (u(-0.1, 0.1), gap + 0.1), 180 + u(-18, 18), stance(rng, 0.14, u(0.1, 0.5))
    crouch, pitch = u(0.0, 0.14), u(-14, 12)
    spine, head = (u(-16, 8), u(-8, 8), u(-14, 14)), (u(-12, 18), u(-8, 8), u(-20, 20))
    b.stand(ground, facing, feet, crouch, pitch, spine=spine, head=head)
    front = b.shape.depth / b.scale + 0.05
    for side, s in enumerate(SIGN):
        send(a, side, b.at_chest(-s * u(0.06, 0.16), u(-0.22, 0.0), front), (0.8, -0.9, -0.1), [0, 1, 0])
        style = rng.choice(3)
        if style == 0:
            chest = a.at_chest(-s * u(0.10, 0.2), u(-0.2, 0.0), a.shape.depth / a.scale + 0.05)
            send(b, side, chest, (0.9, -0.8, 0), [0, 1, 0])
        elif style == 1:  # grips the pushing arm
            middle = (a.wrists[1 - side] + a.at_chest(-s * 0.185, 0.0, 0.0)) / 2.0
            send(b, side, middle + [0, u(-0.1, 0.03), 0], (0.9, -0.9, 0))
        else:
            rest_arm(rng, b, side)


def headlock(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """a holds b's head under the arm; b is bent over beside a and pulls at a's waist or arm."""
    u = rng.uniform
    feet, crouch, pitch, roll = stance(rng, 0.2, u(0, 0.3)), u(0.04, 0.16), u(5, 20), u(-4, 8)
    spine, head = (u(2, 16), u(0, 10), u(-5, 15)), (u(-8, 20), u(-5, 8), u(0, 40))
    a.stand((0, 0), 0, feet, crouch, pitch, roll=roll, spine=spine, head=head)
    bend = u(48, 62)
    # b faces across a's front from a's left and behind; the neck comes under a's left arm.
    facing = u(-25, 15)
    heading = np.radians(facing)
    trunk = 0.29 * b.shape.height * np.sin(np.radians(bend + 14)) + 0.06
    neck = np.array([0.30 * a.scale, 0.02])
    ground = neck - trunk * np.array([np.sin(heading), np.cos(heading)])
    height = a.chest[1] - 0.28 * a.scale - b.shape.length("lumbar") * np.cos(np.radians(bend - 10))
    straight = 0.5 * b.shape.height
    feet = stance(rng, 0.16, u(0.1, 0.4))
    spine, head = (26.0, u(-5, 5), u(-12, 12)), (u(-15, 10), u(-8, 8), u(-10, 10))
    crouch = np.clip((straight - height) / straight, 0.05, 0.3)
    b.stand(tuple(ground), facing, feet, crouch, bend - 12, spine=spine, head=head)
    throat = b.chest + 0.10 * b.scale * b.chest_rotation[:, 1] - 0.05 * b.chest_rotation[:, 2]
    front = a.chest_rotation[:, 2]
    send(a, LEFT, throat + [-0.10, -0.08, 0.10], (1.0, -0.2, -0.5), -a.chest_rotation[:, 0])
    if u() < 0.6:
        send(a, RIGHT, a.wrists[LEFT] + front * 0.06 + [-0.05, 0.0, 0.0], (0.8, -0.9, -0.2))
    else:
        rest_arm(rng, a, RIGHT)
    send(b, LEFT, a.at_pelvis(u(0.1, 0.2), u(-0.15, 0.1), -0.16) if u() < 0.5 else b.at_pelvis(0.16, -0.35, 0.25))
    send(b, RIGHT, a.at_pelvis(u(-0.1, 0.1), u(-0.05, 0.2), 0.20) if u() < 0.7 else a.wrists[LEFT] + front * 0.06)


def pin(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """b lies on the back; a kneels astride and holds b's arms or chest down, b pushes or shields."""
    u = rng.uniform
    facing, pitch, roll = 180 + u(-8, 8), -90 + u(0, 6), u(-5, 5)
    spine, head = (u(2, 14), u(-8, 8), u(-10, 10)), (u(0, 25), u(-8, 8), u(-40, 40))
    b.place([0.0, 0.11 * b.scale, 0.0], facing, pitch=pitch, roll=roll, spine=spine, head=head)
    # Lying with the head towards +z; a faces the same way, kneeling across the belly or hips.
    seat = u(0.05, 0.30)
    pelvis, facing, pitch = [u(-0.04, 0.04), u(0.38, 0.46) * a.scale, seat], u(-10, 10), u(12, 38)
    spine, head = (u(8, 28), u(-6, 6), u(-12, 12)), (u(-25, 15), u(-6, 6), u(-15, 15))
    a.place(pelvis, facing, pitch=pitch, spine=spine, head=head)
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


def choke(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """b, behind a, has a forearm round a's neck and bends a backwards; a pulls at the arm."""
    u = rng.uniform
    back = u(2, 12)
    feet, lean = stance(rng, 0.13, u(0.1, 0.4)), around(rng, -back, 0, 0, 5)
    a.stand((0, 0), u(-8, 8), feet, u(0.06, 0.22), -back, spine=lean, head=around(rng, -15, -6, 0, 10))
    gap = chest_gap(a, b, u(0.05, 0.09)) + 0.28 * np.radians(back)
    feet, twist = stance(rng, 0.16, u(0.2, 0.5)), around(rng, 2, 0, 8, 5)
    b.stand(
        (u(0.05, 0.12), -gap - 0.04), u(-10, 10), feet, u(0.02, 0.12), -back / 2, spine=twist, head=around(rng, 6, 8)
    )
    throat = a.at_chest(0.05, 0.09, 0.14)
    send(b, RIGHT, throat, (1.0, -0.5, 0.4), a.chest_rotation[:, 0])
    grip = b.wrists[RIGHT] + a.chest_rotation @ [0.1, 0.03, 0.0] if u() < 0.6 else a.at_chest(0.1, 0.2, -0.12)
    send(b, LEFT, grip, (1.0, -0.5, 0.2))
    for side, s in enumerate(SIGN):
        if side == RIGHT or u() < 0.6:
            send(a, side, throat + a.chest_rotation @ [-0.06 - s * 0.05, -0.03, 0.06], (0.9, -0.9, 0.1), [0, 1, 0])
        else:
            rest_arm(rng, a, side)


def kick(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """a kicks b, who bends over and catches the foot or shields."""
    u = rng.uniform
    gap, level = u(0.66, 0.84), u(0.55, 0.95)
    feet = ((0.08, 0.0), (-0.06, gap - u(0.12, 0.2)))
    lean, back = around(rng, 2, 0, 10, 8), u(4, 18)
    a.stand((0, 0), u(-8, 8), feet, u(0.02, 0.1), -back, (0.0, level), u(0, 8), lean, around(rng, 16))
    a.knee_poles[RIGHT] = (-0.3, 0.5, 1.0)
    feet, lean = stance(rng, 0.15, u(0.2, 0.6)), around(rng, u(10, 30))
    b.stand(
        (u(-0.12, 0.04), gap), 180 + u(-18, 18), feet, u(0.05, 0.2), u(5, 25), spine=lean, head=around(rng, 0, 0, 0, 15)
    )
    caught = u() < 0.5
    for side, s in enumerate(SIGN):
        if caught:
            send(b, side, a.ankles[RIGHT] + [-s * 0.05, 0.08 * s, -0.06], (0.8, -0.9, -0.2), [0, 0, -1])
        else:
            guard = b.at_chest(s * u(0.02, 0.14), u(-0.35, 0.05), b.shape.depth / b.scale + u(0.08, 0.2))
            send(b, side, guard, (0.8, -0.9, 0.0))
        wide = u(-0.25, 0.2)
        balance = a.at_chest(s * u(0.3, 0.5), wide, u(0.05, 0.25))
        send(a, side, balance, (0.6, -1.0, -0.3))


def arm_lock(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """a, behind b, twists b's right arm up b's back and pushes the neck down."""
    u = rng.uniform
    bend = u(25, 55)
    feet, lean = stance(rng, 0.15, u(0.2, 0.5)), around(rng, u(8, 20))
    b.stand((0, 0), u(-8, 8), feet, u(0.08, 0.2), bend, spine=lean, head=around(rng, -20, 0, 0, 14))
    feet, lean = stance(rng, 0.15, u(0.2, 0.5)), around(rng, u(6, 16))
    a.stand(
        (-u(0.02, 0.18), -u(0.28, 0.36)), u(-10, 20), feet, u(0.02, 0.12), u(10, 24), spine=lean, head=around(rng, 8)
    )
    locked = b.at_chest(u(-0.05, 0.08), u(-0.26, -0.14), -b.shape.depth / b.scale - 0.06)
    send(b, RIGHT, locked, (1.0, -0.5, -0.7), b.chest_rotation[:, 1])
    send(a, RIGHT, locked + b.chest_rotation @ [-0.05, -0.04, -0.05], (0.8, -0.8, -0.3))
    press = b.at_chest(0.04, 0.09, -0.1) if u() < 0.5 else b.at_chest(0.16, 0.02, -0.09)
    send(a, LEFT, press, (0.8, -0.6, -0.3))
    if u() < 0.5:
        send(b, LEFT, b.at_chest(0.3, -0.3, 0.4), (0.6, -0.6, -0.6))
    else:
        rest_arm(rng, b, LEFT)

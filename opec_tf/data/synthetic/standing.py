"""Interaction kinds of people who stand together. See ``gestures`` for the conventions."""

from __future__ import annotations

import numpy as np

from opec_tf.data.synthetic.body import LEFT, RIGHT, SIGN, Posing, rotation
from opec_tf.data.synthetic.gestures import around, chest_gap, on_knees, rest_arm, send, stance


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


def queue(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """b stands close behind a, both look the same way; b peers past a or waits."""
    u = rng.uniform
    gap = chest_gap(a, b, u(0.08, 0.3))
    for posing, ground in ((a, (0, 0)), (b, (u(-0.2, 0.2), -gap))):
        feet, lean = stance(rng, u(0.08, 0.15), u(0, 0.25)), around(rng, 2, u(-8, 8), u(-10, 10))
        look = around(rng, 4, 0, u(-45, 45), 10)
        posing.stand(ground, u(-12, 12), feet, u(0, 0.05), u(-3, 4), roll=u(-4, 4), spine=lean, head=look)
        style = rng.choice(3)
        for side, s in enumerate(SIGN):
            front = posing.shape.depth / posing.scale + 0.07
            if style == 0:  # arms folded
                wrist = posing.at_chest(-s * 0.09, -0.19 - 0.05 * side, front + 0.03 * side)
                send(posing, side, wrist, (0.8, -1.0, -0.1), -s * posing.chest_rotation[:, 0])
            elif style == 1:  # hands behind the back
                send(posing, side, posing.at_chest(s * 0.05, -0.46, -front - 0.02), (1.0, -0.3, -0.6))
            else:
                rest_arm(rng, posing, side)


def selfie(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """Heads together; a, on b's right, holds a camera out at arm's length."""
    u = rng.uniform
    gap = a.shape.length("shoulder_half") + b.shape.length("shoulder_half") + u(-0.14, -0.02)
    behind = u(-0.16, -0.08)
    for posing, ground, s in ((a, (0, 0), 1.0), (b, (gap, behind), -1.0)):
        feet, lean = stance(rng, 0.11, u(0, 0.3)), around(rng, 4, 6 * s, -10 * s, 4)
        look = around(rng, -6, 10 * s, 10 * s, 6)
        posing.stand(ground, u(-15, 5) * s, feet, u(0, 0.12), u(-2, 10), roll=u(0, 5) * s, spine=lean, head=look)
    lens = (a.at_chest(u(-0.25, 0.1), u(0.1, 0.35), 0.6) + a.at_chest(-0.1, 0.2, 0.6)) / 2.0
    send(a, RIGHT, lens, (0.6, -1.0, 0.0), [0, 1, 0])
    over = u() < 0.6
    send(a, LEFT, b.at_chest(0.16, 0.04, -0.08) if over else b.at_chest(0.14, -0.36, -0.08), (0.4, -0.3, -1.0))
    send(b, RIGHT, a.at_chest(-0.1, 0.0, -0.12) if u() < 0.5 else a.at_chest(-0.12, -0.36, -0.08), (0.4, -0.4, -1.0))
    if u() < 0.5:  # a sign with the hand beside the face
        send(b, LEFT, b.at_chest(u(0.12, 0.3), u(0.05, 0.2), 0.24), (0.8, -1.0, -0.1), [0, 1, 0])
    else:
        rest_arm(rng, b, LEFT)


def whisper(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """b, turned to a's left ear, speaks into it behind a hand."""
    u = rng.uniform
    feet, lean = stance(rng, 0.1, u(0, 0.2)), around(rng, 2, 4)
    a.stand((0, 0), u(-8, 8), feet, u(0, 0.08), u(-2, 4), spine=lean, head=around(rng, 4, 6, -5, 8))
    feet, lean = stance(rng, 0.1, u(0, 0.3)), around(rng, u(8, 16), 0, 0, 5)
    ground, facing = (u(0.36, 0.42), u(-0.12, 0.1)), -90 + u(-20, 30)
    b.stand(ground, facing, feet, u(0, 0.04), u(2, 8), (0, u(0, 0.05)), u(-3, 3), lean, around(rng, 6))
    face = b.chest + b.chest_rotation[:, 1] * 0.19 * b.scale + b.head_rotation @ [0.09, -0.02, 0.11]
    hand = rng.choice(2)
    send(b, hand, face * [1, 1, 1] - b.head_rotation[:, 0] * 0.18 * hand, (0.9, -1.0, 0.0), [0, 1, 0])
    send(b, 1 - hand, a.at_chest(u(-0.05, 0.2), u(-0.06, 0.03), -0.12 if hand == 0 else 0.14), (0.8, -0.8, -0.2))
    style = rng.choice(3)
    for side, s in enumerate(SIGN):
        front = a.shape.depth / a.scale + 0.07
        if style == 0:
            wrist = a.at_chest(-s * 0.09, -0.19 - 0.05 * side, front + 0.03 * side)
            send(a, side, wrist, (0.8, -1.0, -0.1), -s * a.chest_rotation[:, 0])
        elif style == 1 and side == RIGHT:  # a hand before the mouth, in surprise
            send(a, side, a.at_chest(-0.03, 0.17, 0.17), (0.8, -1.0, 0.0), [0, 1, 0])
        else:
            rest_arm(rng, a, side)


def portrait(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """A photograph: b crouches or kneels before a, who stands behind with a hand or two on b's shoulders."""
    u = rng.uniform
    feet, lean = stance(rng, 0.13, u(0, 0.2)), around(rng, u(4, 20))
    a.stand((0, 0), u(-10, 10), feet, u(0, 0.12), u(4, 16), spine=lean, head=around(rng, -6, 0, 0, 16))
    away, aside = u(0.32, 0.46), u(-0.2, 0.2)
    if u() < 0.5:
        on_knees(b, (aside, away), u(-15, 15), u() < 0.5, u(0, 6), around(rng, 2), around(rng, -4, 0, 0, 16))
    else:
        squat = ((0.15, u(0.0, 0.1)), (-0.15, u(0.0, 0.1)))
        b.stand(
            (aside, away), u(-15, 15), squat, u(0.8, 0.95), u(8, 20), (0.03, 0.05), 0.0, around(rng, 8), around(rng, -8)
        )
        b.knee_poles = np.array([[0.5, 0.4, 1.0], [-0.5, 0.4, 1.0]])
    style = rng.choice(2)
    for side, s in enumerate(SIGN):
        if side == LEFT or u() < 0.6:
            send(a, side, b.at_chest(s * 0.17, 0.05, -0.04), (0.7, -0.5, -0.8), [0, -1, 0.5])
        else:
            rest_arm(rng, a, side)
        knee = b.pelvis + rotation(yaw=b.facing) @ [s * 0.15, -0.05, 0.38]
        victory = b.at_chest(s * 0.26, u(0.0, 0.3), 0.22)
        send(b, side, victory if style and side == RIGHT else knee, (0.8, -0.8, -0.3))


def coat(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """b, behind, helps a into a coat: a's arms reach down and back to b's hands."""
    u = rng.uniform
    feet, lean = stance(rng, 0.1, u(0, 0.25)), around(rng, u(2, 10))
    a.stand((0, 0), u(-10, 10), feet, u(0, 0.05), u(-2, 6), spine=lean, head=around(rng, 4, 0, u(-40, 40), 8))
    feet, lean = stance(rng, 0.13, u(0, 0.3)), around(rng, u(4, 12))
    gap = chest_gap(a, b, u(0.14, 0.26))
    b.stand((u(-0.06, 0.1), -gap), u(-10, 10), feet, u(0, 0.06), u(2, 12), spine=lean, head=around(rng, 14, 8))
    high = u() < 0.5
    for side, s in enumerate(SIGN):
        if high:  # the coat is on, b straightens the shoulders
            send(b, side, a.at_chest(s * u(0.14, 0.2), u(0.0, 0.06), -0.06), (0.9, -0.8, -0.2))
            send(a, side, a.at_chest(s * u(0.04, 0.1), u(-0.25, -0.1), 0.2), (0.9, -0.8, -0.1))
        else:
            hand = a.at_chest(s * u(0.28, 0.36), u(-0.46, -0.36), -u(0.1, 0.2))
            send(a, side, hand, (0.6, -0.3, -1.0))
            send(b, side, hand + [s * 0.03, 0.06, -0.04], (0.8, -0.8, -0.3))


def argue(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """Face to face at arm's length, with pointing, raised or akimbo arms."""
    u = rng.uniform
    gap = u(0.46, 0.64)
    for posing, ground, facing in ((a, (0, 0), 0), (b, (u(-0.14, 0.14), gap), 180)):
        feet, lean = stance(rng, 0.12, u(0, 0.35)), around(rng, u(0, 14), 0, 0, 10)
        heading, look = facing + u(-15, 15), around(rng, u(-8, 4), 0, 0, 10)
        posing.stand(ground, heading, feet, u(0, 0.05), u(-2, 12), spine=lean, head=look)
    for posing, other in ((a, b), (b, a)):
        for side, s in enumerate(SIGN):
            gestures = (
                (other.at_chest(0.0, u(-0.1, 0.1), 0.22), (0.6, -1.0, -0.2)),  # a finger at the partner's chest
                (posing.at_chest(s * u(0.3, 0.45), u(-0.1, 0.15), 0.2), (0.5, -1.0, -0.1)),  # palms up
                (posing.at_chest(s * 0.22, u(0.2, 0.4), 0.22), (0.9, -0.8, 0.0)),  # thrown up
                (posing.at_chest(s * 0.19, -0.42, 0.03), (1.0, -0.1, -0.6)),  # akimbo
            )
            send(posing, side, *gestures[rng.choice(4, p=(0.25, 0.3, 0.2, 0.25))])

"""Interaction kinds of dancers. See ``gestures`` for the conventions."""

from __future__ import annotations

import numpy as np

from opec_tf.data.synthetic.body import LEFT, RIGHT, SIGN, Posing
from opec_tf.data.synthetic.gestures import around, chest_gap, rest_arm, send, stance


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


def twirl(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """b turns under a's raised left arm."""
    u = rng.uniform
    feet, heels = stance(rng, 0.1, u(0.1, 0.35)), (0.0, u(0, 0.06))
    a.stand((0, 0), u(-10, 15), feet, u(0, 0.06), u(-4, 6), lift=heels, spine=around(rng), head=around(rng, -8, 0, 15))
    feet, heels, lean = stance(rng, 0.07, u(0.1, 0.35)), (u(0, 0.07), u(0.02, 0.08)), around(rng, 0, 0, u(-15, 15))
    b.stand(
        (u(0.05, 0.25), u(0.36, 0.5)), u(0, 360), feet, u(0, 0.06), u(-4, 4), lift=heels, spine=lean, head=around(rng)
    )
    clasp = (a.at_chest(0.25, 0.45, 0.2) + b.at_chest(0, 0.5, 0)) / 2.0
    send(a, LEFT, clasp, (1.0, -0.3, 0.2), [0, 1, 0])
    send(b, RIGHT, clasp + [0.0, -0.03, 0.03], (1.0, -0.2, 0.4), [0, 1, 0])
    side = u(-0.1, 0.16), u(-0.45, -0.3)
    if u() < 0.5:  # a leads by the waist
        send(a, RIGHT, b.at_chest(side[0], side[1], 0.0) - [0, 0, b.shape.depth + 0.04], (0.9, -0.8, -0.2))
    else:
        rest_arm(rng, a, RIGHT)
    if u() < 0.4:
        send(b, LEFT, b.at_chest(0.6, u(-0.2, 0.1), 0.05), (0.2, -1.0, -0.4))
    else:
        rest_arm(rng, b, LEFT)


def tandem(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """b dances before a, both look the same way; left hands are stretched out together, right hands held at b's hip."""
    u = rng.uniform
    gap, stride = chest_gap(a, b, u(0.06, 0.16)), u(0.1, 0.5)
    feet, turn = stance(rng, 0.09, stride), u(-12, 12)
    a.stand((0, 0), u(-6, 6), feet, u(0, 0.08), u(0, 6), spine=around(rng, 2, 0, turn), head=around(rng, 0, 4, 15))
    lean = around(rng, -3, 0, turn)
    b.stand((u(0.1, 0.2), gap), u(-6, 6), feet, u(0.02, 0.1), u(-4, 4), spine=lean, head=around(rng, -4, -4, 30, 12))
    clasp = (a.at_chest(0.6, u(-0.05, 0.1), 0.3) + b.at_chest(0.58, u(-0.05, 0.1), 0.1)) / 2.0
    send(a, LEFT, clasp, (0.3, -1.0, -0.4))
    send(b, LEFT, clasp + [0.0, 0.04, 0.03], (0.3, -1.0, -0.4))
    low = u() < 0.6
    hold = b.at_pelvis(-0.2, 0.12, 0.08) if low else b.at_chest(-0.24, 0.05, 0.05)
    send(a, RIGHT, hold, (0.9, -0.7, -0.3))
    send(b, RIGHT, hold + b.chest_rotation @ [-0.02, 0.04, 0.05], (1.0, -0.3, -0.5))


def conga(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """A row: b behind a with the hands on a's shoulders or hips, both kicking a leg."""
    u = rng.uniform
    kick = rng.choice(2)
    for posing, ground in ((a, (0, 0)), (b, (u(-0.06, 0.06), -u(0.42, 0.56)))):
        lifted, aside = u(0.08, 0.35), u(0.12, 0.35)
        feet = [[0.1, 0.0], [-0.1, 0.0]]
        feet[kick][0] += SIGN[kick] * aside
        heels = [0.0, 0.0]
        heels[kick] = lifted
        roll, lean = -SIGN[kick] * u(0, 8), around(rng, 8, SIGN[kick] * 4)
        posing.stand(ground, u(-8, 8), feet, u(0.02, 0.1), u(0, 8), heels, roll, lean, around(rng, 0, 0, 0, 14))
    hips = u() < 0.4
    for side, s in enumerate(SIGN):
        grip = a.at_pelvis(s * 0.17, 0.12, -0.04) if hips else a.at_chest(s * 0.19, 0.05, -0.05)
        send(b, side, grip, (0.7, -1.0, -0.2), a.chest_rotation[:, 2])
        rest_arm(rng, a, side)


def can_can(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """Arms over each other's shoulders, b on a's left, each with a leg thrown up in front."""
    u = rng.uniform
    gap = a.shape.length("shoulder_half") + b.shape.length("shoulder_half") + u(0.0, 0.08)
    kick = rng.choice(2)
    for posing, ground in ((a, (0, 0)), (b, (gap, u(-0.05, 0.05)))):
        reach, height = u(0.35, 0.65), u(0.35, 0.95)
        feet, heels = [[0.08, 0.0], [-0.08, 0.0]], [0.0, 0.0]
        feet[kick], heels[kick] = [SIGN[kick] * 0.1, reach], height
        lean = around(rng, u(-6, 6), by=5)
        posing.stand(ground, u(-6, 6), feet, u(0, 0.05), u(-12, -2), heels, spine=lean, head=around(rng, by=14))
        posing.knee_poles = np.array([[0.2, 0.6, 1.0], [-0.2, 0.6, 1.0]])
    send(a, LEFT, b.at_chest(0.16, 0.05, -0.05), (0.3, -0.3, -1.0), [0, -1, 0.2])
    send(b, RIGHT, a.at_chest(-0.16, 0.03, -0.07), (0.3, -0.3, -1.0), [0, -1, 0.2])
    for posing, side in ((a, RIGHT), (b, LEFT)):
        rest_arm(rng, posing, side)

"""Interaction kinds of sports and play. See ``gestures`` for the conventions."""

from __future__ import annotations

import numpy as np

from opec_tf.data.synthetic.body import LEFT, RIGHT, SIGN, Posing, rotation
from opec_tf.data.synthetic.gestures import around, plant, rest_arm, send, stance


def leapfrog(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """b vaults over a, who is bent down, with the hands on a's back."""
    u = rng.uniform
    bend = u(52, 68)
    feet, lean = stance(rng, 0.16, u(0.1, 0.35)), around(rng, 32, by=8)
    a.stand((0, 0), 0, feet, u(0.05, 0.18), bend, spine=lean, head=around(rng, 25, 0, 0, 10))
    for side, s in enumerate(SIGN):
        knee = (a.pelvis + a.ankles[side]) / 2.0 + [s * 0.06, 0.0, 0.16]
        send(a, side, knee, (1.0, 0.0, -0.4))
    back = a.at_chest(0, -0.25, -a.shape.depth / a.scale)
    pelvis = back + [u(-0.04, 0.04), u(0.26, 0.44), -u(0.1, 0.3)]
    b.place(pelvis, u(-6, 6), pitch=u(25, 45), spine=around(rng, 12), head=around(rng, -22, 0, 0, 10))
    spread, drop = u(0.45, 0.62), u(0.25, 0.5)
    b.ankles = np.stack([pelvis + [s * spread, -drop, u(-0.15, 0.3)] for s in SIGN])
    b.knee_poles = np.array([[0.6, 0.4, 1.0], [-0.6, 0.4, 1.0]])
    b.foot_pitch = np.full(2, u(10, 50))
    for side, s in enumerate(SIGN):
        send(b, side, a.at_chest(s * u(0.06, 0.14), u(-0.16, -0.02), -a.shape.depth / a.scale - 0.04), (0.8, 0.0, -0.5))


def tackle(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """a dives at b's waist or thighs from any side and clasps them; b stumbles."""
    u = rng.uniform
    heading, feet = rng.choice([0, 90, 180, 270]) + u(-25, 25), stance(rng, 0.14, u(0.3, 0.7))
    lean, tilt = around(rng, u(0, 18), 0, 0, 12), u(-6, 16)
    b.stand((0, 0), heading, feet, u(0.05, 0.2), tilt, (0, u(0, 0.2)), u(-8, 8), lean, around(rng, 0, 0, 0, 16))
    dive = u(52, 72)
    reach = 0.285 * a.shape.height * np.sin(np.radians(dive + 8))
    far = b.shape.depth + 0.03 + reach + u(0.02, 0.1)
    feet, lean = ((0.12, u(-0.3, 0.1)), (-0.12, -u(0.3, 0.55))), around(rng, 8, 0, 0, 5)
    a.stand((-0.17, -far), u(-5, 5), feet, u(0.15, 0.35), dive, (0, u(0, 0.1)), 0.0, lean, around(rng, -22, 10, 0, 8))
    low = u(-0.3, 0.12)
    for side, s in enumerate(SIGN):
        clasp = b.pelvis + [s * u(0.1, 0.16), low, 0.04 + b.shape.depth * u(0.4, 1.0)]
        send(a, side, clasp, (1.0, -0.4, -0.2), [-s, 0, 0.3])
        style = rng.choice(3)
        if style == 0:  # pushes a's back or head away
            send(b, side, a.at_chest(-s * 0.1, -0.05, -a.shape.depth / a.scale - 0.04), (1.0, -0.4, -0.2))
        elif style == 1:
            send(b, side, b.at_chest(s * 0.4, u(-0.2, 0.3), 0.2), (0.5, -1.0, -0.3))
        else:
            rest_arm(rng, b, side)


def arm_wrestling(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """Both lie on the belly head to head, right hands locked, elbows on the ground."""
    u = rng.uniform
    clasp = np.array([u(-0.03, 0.03), u(0.32, 0.38), u(-0.02, 0.02)])
    for posing, facing in ((a, 0.0), (b, 180.0)):
        turned = facing + u(-10, 10)
        heading = rotation(yaw=turned)
        away = heading @ np.array([u(0.08, 0.14), 0.0, -u(0.66, 0.74)]) * posing.scale
        posing.place(
            away + [0, 0.14, 0], turned, pitch=u(74, 80), spine=(u(-30, -24), u(-4, 4), u(-6, 6)), head=around(rng, -26)
        )
        leg = 0.985 * (posing.shape.length("thigh") + posing.shape.length("shin")) / posing.scale
        plant(posing, [(s * u(0.12, 0.24), -leg) for s in SIGN], 0.03)
        posing.grounded[:] = False
        posing.foot_pitch = np.full(2, u(40, 70))
        send(posing, RIGHT, clasp, (1.0, -0.6, 0.0), [0, 1, 0])
        flat = posing.chest + heading @ [0.16, 0.0, u(0.16, 0.24)]
        flat[1] = 0.06
        send(posing, LEFT, flat, (1.0, 0.0, -0.3), heading[:, 2])


def tug(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """Both lean back and pull at each other's hands."""
    u = rng.uniform
    gap, both = u(0.62, 0.86), u() < 0.7
    for posing, ground, facing in ((a, (0, 0), 0), (b, (u(-0.08, 0.08), gap), 180)):
        slant = u(0.1, 0.26)
        feet = ((0.14, slant + u(-0.1, 0.06)), (-0.14, slant + u(-0.2, 0.06)))
        lean, back = around(rng, u(-4, 16)), u(4, 20)
        posing.stand(ground, facing + u(-8, 8), feet, u(0.1, 0.26), -back, spine=lean, head=around(rng, 8, 0, 0, 14))
    for side in (LEFT, RIGHT):
        clasp = (a.at_chest(SIGN[side] * 0.12, -0.2, 0.5) + b.at_chest(-SIGN[side] * 0.12, -0.2, 0.5)) / 2.0
        send(a, side, clasp, (0.7, -1.0, -0.2))
        send(b, 1 - side, clasp + [0.0, 0.02, 0.0], (0.7, -1.0, -0.2))
    if not both:
        rest_arm(rng, a, RIGHT)
        rest_arm(rng, b, LEFT)


def wheelbarrow(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """b walks on the hands, a holds b's ankles from behind."""
    u = rng.uniform
    feet, lean = stance(rng, 0.12, u(0.1, 0.4)), around(rng, u(2, 10))
    a.stand((0, 0), u(-6, 6), feet, u(0.02, 0.12), u(2, 10), spine=lean, head=around(rng, 14, 0, 0, 10))
    level = a.pelvis[1] - u(0.08, 0.3)
    b.place(
        [u(-0.04, 0.04), u(0.62, 0.72) * b.scale, u(1.0, 1.1)],
        u(-6, 6),
        pitch=u(92, 102),
        spine=around(rng, -2, by=5),
        head=around(rng, -25, 0, 0, 10),
    )
    for side, s in enumerate(SIGN):
        b.ankles[side] = [s * u(0.14, 0.2), level, u(0.16, 0.24)]
        send(a, side, b.ankles[side] + [s * 0.03, 0.03, 0.04], (0.7, -0.9, -0.6), [0, 0, 1])
        hand = b.chest + [s * u(0.16, 0.24), 0.0, u(-0.08, 0.16)]
        hand[1] = 0.06
        send(b, side, hand, (0.7, 0.0, -0.7), [0, 0, 1])
    b.foot_pitch = np.full(2, u(20, 60))


def block(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """A ball game: a reaches up, b leaps from behind or in front to the same spot."""
    u = rng.uniform
    heels, feet = (u(0, 0.07), u(0, 0.07)), stance(rng, 0.12, u(0.1, 0.4))
    a.stand(
        (0, 0), u(-10, 10), feet, u(0, 0.06), u(-8, 6), heels, spine=around(rng, -6), head=around(rng, -28, 0, 0, 10)
    )
    behind, jump = u() < 0.5, u(0.0, 0.35)
    gap = u(0.3, 0.44)
    feet, lean = stance(rng, 0.14, u(0.2, 0.5)), around(rng, -2, 0, 0, 8)
    ground, facing = (u(-0.2, 0.2), -gap if behind else gap), (0 if behind else 180) + u(-20, 20)
    b.stand(ground, facing, feet, u(0, 0.05), u(-4, 10), (jump + u(0, 0.15), jump), spine=lean, head=around(rng, -26))
    b.grounded[:] = jump < 0.05
    spot = a.at_chest(u(-0.08, 0.08), 0.52, 0.12)
    both = u() < 0.6
    for side, s in enumerate(SIGN):
        if both or side == RIGHT:
            send(a, side, spot + a.chest_rotation @ [s * 0.1, 0, 0], (1.0, -0.2, 0.5), [0, 1, 0])
        else:
            send(a, side, a.at_chest(0.3, -0.1, 0.3), (0.7, -0.9, -0.2))
    send(b, RIGHT, spot + [u(-0.08, 0.08), u(-0.05, 0.15), 0.0], (1.0, -0.2, 0.3), [0, 1, 0])
    send(b, LEFT, b.at_chest(u(0.25, 0.5), u(-0.3, 0.45), u(0.05, 0.3)), (0.8, -0.7, -0.2))


def catch(rng: np.random.Generator, a: Posing, b: Posing) -> None:
    """A chase: b, running behind a, gets hold of a's shoulder, arm or waist."""
    u = rng.uniform
    for posing, ground in ((a, (0, 0)), (b, (u(-0.15, 0.15), -u(0.46, 0.66)))):
        stride, foot = u(0.55, 0.85), rng.choice(2)
        feet, heels = [[0.08, 0.0], [-0.08, 0.0]], [0.0, 0.0]
        feet[foot][1], feet[1 - foot][1] = 0.45 * stride, -0.5 * stride
        heels[1 - foot] = u(0.12, 0.5)
        lean, twist = u(6, 18), SIGN[foot] * -12
        posing.stand(
            ground,
            u(-10, 10),
            feet,
            u(0.06, 0.16),
            lean,
            heels,
            spine=around(rng, 6, 0, twist),
            head=around(rng, -8),
        )
        for side, s in enumerate(SIGN):  # the arms swing against the legs
            front = side != foot
            swing = (0.2, -0.22, 0.3) if front else (0.3, -0.34, -0.17)
            send(posing, side, posing.at_chest(s * swing[0], *swing[1:]), (0.5, -0.6, -1.0))
    side = rng.choice(2)
    s = SIGN[side]
    grips = (a.at_chest(s * 0.18, 0.03, -0.08), a.at_chest(s * 0.2, -0.2, -0.05), a.at_pelvis(s * 0.14, 0.1, -0.1))
    send(b, side, grips[rng.choice(3)], (0.7, -0.9, -0.2), a.chest_rotation[:, 2])

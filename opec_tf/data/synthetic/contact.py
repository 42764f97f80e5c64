"""Interpenetration of two posed bodies, each simplified to a few capsules."""

import numpy as np

# Joints of crowdpose14 by index: what each limb capsule runs between, and its radius as a share of the body height.
_ARM_RADIUS, _LEG_RADIUS = 0.022, 0.036
_TOLERANCE = 0.05  # clothes and flesh give, and a grip presses; metres


def capsules(pose):
    """The body as capsules: start [C, 3], end [C, 3], radius [C]; trunk halves, head, arms, legs."""
    shape, joints = pose.posing.shape, pose.joints
    chest, pelvis = pose.posing.chest_rotation, pose.posing.pelvis_rotation
    half = 0.045 * shape.height
    top, bottom = pose.posing.chest - chest[:, 1] * 0.05 * shape.height, pose.posing.pelvis
    start = [top + chest[:, 0] * half, top - chest[:, 0] * half, pose.skull, *joints[[0, 1, 2, 3, 6, 7, 8, 9]]]
    end = [bottom + pelvis[:, 0] * half, bottom - pelvis[:, 0] * half,
           pose.skull * 0.4 + joints[12] * 0.6, *joints[[2, 3, 4, 5, 8, 9, 10, 11]]]  # fmt: skip
    girth = shape.girth * shape.height
    radius = [shape.depth, shape.depth, 0.05 * shape.height] + [_ARM_RADIUS * girth] * 4 + [_LEG_RADIUS * girth] * 4
    return np.array(start), np.array(end), np.array(radius)


def segment_distance(start_a, end_a, start_b, end_b):
    """Shortest distance between segments, broadcast over leading axes; [..., 3] each -> [...] (Ericson 2005, 5.1.9)."""
    first, second, between = end_a - start_a, end_b - start_b, start_a - start_b
    a, e = (first**2).sum(-1) + 1e-12, (second**2).sum(-1) + 1e-12
    b, c, f = (first * second).sum(-1), (first * between).sum(-1), (second * between).sum(-1)
    s = np.clip((b * f - c * e) / np.maximum(a * e - b * b, 1e-9), 0.0, 1.0)
    t = np.clip((b * s + f) / e, 0.0, 1.0)
    s = np.clip((b * t - c) / a, 0.0, 1.0)
    gap = between + s[..., None] * first - t[..., None] * second
    return np.sqrt((gap**2).sum(-1))


def excess(pose_a, pose_b):
    """Deepest interpenetration of two poses beyond what clothes and flesh give; metres, 0 = fine."""
    start_a, end_a, radius_a = capsules(pose_a)
    start_b, end_b, radius_b = capsules(pose_b)
    distance = segment_distance(start_a[:, None], end_a[:, None], start_b[None], end_b[None])
    return max(float((radius_a[:, None] + radius_b[None] - distance).max()) - _TOLERANCE, 0.0)

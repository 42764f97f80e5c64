"""Contact of two posed bodies, each simplified to a few capsules: how deep they cut into each other, and arms that go
round a body instead of through it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from opec_tf.data.synthetic import body
from opec_tf.data.synthetic.body import Pose, Posing
from opec_tf.data.synthetic.solids import cross

# Radii as shares of the body height.
_HEAD_RADIUS, _ARM_RADIUS, _LEG_RADIUS = 0.05, 0.022, 0.036
_TRUNK_HALF_GAP = 0.020  # between the axes of the two capsules of a trunk, halved
_TOLERANCE = 0.05  # clothes and flesh give, and a grip presses; metres
_DRAW_BACK = np.array([0.0, 0.2, 0.4])  # share of the way from wrist to shoulder
_SWIVELS = np.radians([0.0, -25.0, 25.0, -50.0, 50.0, -80.0, 80.0])


def capsules(pose: Pose) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The body as capsules: start [11, 3], end [11, 3], radius [11]; trunk halves, head, arms (4), legs (4)."""
    joints = pose.joints
    start, end, radius = _core(pose.posing, pose.skull, joints[12])
    girth = pose.posing.shape.girth * pose.posing.shape.height
    limbs = np.repeat([_ARM_RADIUS * girth, _LEG_RADIUS * girth], 4)
    start = np.concatenate([start, joints[[0, 1, 2, 3, 6, 7, 8, 9]]])
    return start, np.concatenate([end, joints[[2, 3, 4, 5, 8, 9, 10, 11]]]), np.concatenate([radius, limbs])


def _core(posing: Posing, skull: np.ndarray, head: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Capsules of trunk and head, as ``capsules``, [3]."""
    shape, chest, pelvis = posing.shape, posing.chest_rotation, posing.pelvis_rotation
    half = _TRUNK_HALF_GAP * shape.height
    top, bottom = posing.chest - chest[:, 1] * 0.05 * shape.height, posing.pelvis
    start = np.array([top + chest[:, 0] * half, top - chest[:, 0] * half, skull])
    end = np.array([bottom + pelvis[:, 0] * half, bottom - pelvis[:, 0] * half, 0.4 * skull + 0.6 * head])
    return start, end, np.array([shape.depth, shape.depth, _HEAD_RADIUS * shape.height])


def segment_distance(start_a: np.ndarray, end_a: np.ndarray, start_b: np.ndarray, end_b: np.ndarray) -> np.ndarray:
    """Shortest distance between segments, broadcast over leading axes; [..., 3] each -> [...] (Ericson 2005, 5.1.9)."""
    first, second, between = end_a - start_a, end_b - start_b, start_a - start_b
    a, e = (first**2).sum(-1) + 1e-12, (second**2).sum(-1) + 1e-12
    b, c, f = (first * second).sum(-1), (first * between).sum(-1), (second * between).sum(-1)
    s = np.clip((b * f - c * e) / np.maximum(a * e - b * b, 1e-9), 0.0, 1.0)
    t = np.clip((b * s + f) / e, 0.0, 1.0)
    s = np.clip((b * t - c) / a, 0.0, 1.0)
    gap = between + s[..., None] * first - t[..., None] * second
    return np.sqrt((gap**2).sum(-1))


def excess(pose_a: Pose, pose_b: Pose) -> float:
    """Deepest interpenetration of two poses beyond what clothes and flesh give; metres, 0 = fine."""
    start_a, end_a, radius_a = capsules(pose_a)
    start_b, end_b, radius_b = capsules(pose_b)
    distance = segment_distance(start_a[:, None], end_a[:, None], start_b[None], end_b[None])
    return max(float((radius_a[:, None] + radius_b[None] - distance).max()) - _TOLERANCE, 0.0)


def clear_arms(poses: Sequence[Pose]) -> None:
    """Moves the arms of two poses out of trunks and heads; changes wrists and elbow poles of their ``Posing``s.

    Candidates: the wrist where it is or drawn back towards the shoulder, pushed to the surface of any trunk it lies
    in; and for each the elbow swivelled about the line from shoulder to wrist. The one wins whose upper arm and
    forearm cut least into anybody.
    """
    start, end, radius = (
        np.concatenate(parts) for parts in zip(*(_core(p.posing, p.skull, p.joints[12]) for p in poses))
    )
    thick = np.tile(np.repeat([_ARM_RADIUS * pose.posing.shape.height for pose in poses], 2), len(_DRAW_BACK))
    shoulders, elbows, wrists = (np.concatenate([pose.joints[i : i + 2] for pose in poses]) for i in (0, 2, 4))
    drawn = wrists + _DRAW_BACK[:, None, None] * (shoulders - wrists)
    wrists = _push_out(drawn.reshape(-1, 3), thick, start, end, radius)
    shoulders, elbows = np.tile(shoulders, (len(_DRAW_BACK), 1)), np.tile(elbows, (len(_DRAW_BACK), 1))
    lengths = np.tile(
        np.repeat([[p.posing.shape.length("upper_arm"), p.posing.shape.length("forearm")] for p in poses], 2, axis=0),
        (len(_DRAW_BACK), 1),
    )
    elbows, wrists = body.two_bone(shoulders, wrists, lengths, elbows - shoulders, body.JOINT_LIMITS["elbow"])

    along, turned = _swivelled(elbows - shoulders, wrists - shoulders)
    candidates = (shoulders + along)[:, None] + turned  # [wrists * 4, swivels, 3]
    upper = segment_distance(shoulders[:, None, None], candidates[:, :, None], start, end)
    lower = segment_distance(candidates[:, :, None], wrists[:, None, None], start, end)
    depth = radius + thick[:, None, None] - np.stack([upper, lower])
    # An upper arm always touches its own trunk.
    own = np.tile(np.repeat(np.eye(2), 2, axis=0).repeat(3, axis=1), (len(_DRAW_BACK), 1))
    depth[0] -= own[:, None]
    cost = np.maximum(depth - 0.02, 0.0).max(axis=(0, 3)) + 0.01 * np.abs(_SWIVELS)
    cost = cost.reshape(len(_DRAW_BACK), 4, -1) + 0.15 * _DRAW_BACK[:, None, None]
    best = cost.transpose(1, 0, 2).reshape(4, -1).argmin(1)
    row, swivel = 4 * (best // len(_SWIVELS)) + np.arange(4), best % len(_SWIVELS)
    for i, pose in enumerate(poses):
        arms = slice(2 * i, 2 * i + 2)
        pose.posing.wrists = wrists[row][arms]
        pose.posing.elbow_poles = turned[row, swivel][arms] @ pose.posing.chest_rotation


def _swivelled(arm: np.ndarray, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Elbows swivelled about the line from shoulder to wrist ``reach`` [N, 3], where ``arm`` [N, 3] is the upper arm.

    Returns:
      The elbow's foot on that line, from the shoulder [N, 3], and the elbow from there [N, swivels, 3].
    """
    axis = reach / (np.sqrt((reach**2).sum(1, keepdims=True)) + 1e-9)
    along = (arm * axis).sum(1, keepdims=True) * axis
    bend, side = arm - along, cross(axis, arm - along)
    turned = np.cos(_SWIVELS)[None, :, None] * bend[:, None] + np.sin(_SWIVELS)[None, :, None] * side[:, None]
    return along, turned


def _push_out(
    points: np.ndarray, margin: np.ndarray, start: np.ndarray, end: np.ndarray, radius: np.ndarray
) -> np.ndarray:
    """Points [N, 3] moved out of capsules [C] to ``margin`` [N] above their surface, one capsule after the other."""
    points = points.copy()
    for first, last, thick in zip(start, end, radius):
        axis = last - first
        share = np.clip((points - first) @ axis / (axis @ axis), 0.0, 1.0)
        away = points - first - share[:, None] * axis
        distance = np.sqrt((away**2).sum(1)) + 1e-9
        points += away * (np.maximum(thick + margin - distance, 0.0) / distance)[:, None]
    return points

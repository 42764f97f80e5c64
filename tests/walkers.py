"""Stick people who walk, frame by frame: what a tracker is given, and whose it is. Shared by several tests."""

import numpy as np

from opec_tf.poses import skeletons

SKELETON = skeletons.BODY12
HEIGHT = 160.0
# A standing figure about the origin, y down, of height 1: left and right shoulder, elbow, wrist, hip, knee, ankle.
_STANDING = np.array(
    [
        *([0.1, -0.3], [-0.1, -0.3], [0.14, -0.12], [-0.14, -0.12], [0.15, 0.05], [-0.15, 0.05]),
        *([0.07, 0.05], [-0.07, 0.05], [0.08, 0.27], [-0.08, 0.27], [0.09, 0.5], [-0.09, 0.5]),
    ]
)
_SWINGING = np.array([0, 0, 0.06, -0.06, 0.14, -0.14, 0, 0, -0.05, 0.05, -0.16, 0.16])  # along the way, by height


def pose(place, phase, direction=1):
    """Somebody in mid-stride at ``place`` (x, y), walking to the right (direction 1) or left: [12, 2], pixels."""
    figure = _STANDING * [direction * 0.4, 1.0] + (_SWINGING * np.sin(phase))[:, None] * [direction, 0.0]
    return np.asarray(place) + HEIGHT * figure


def box(points):
    """(x, y, w, h) about joints [12, 2], with room for a head."""
    low, high = points.min(axis=0) - [12, 36], points.max(axis=0) + [12, 8]
    return np.concatenate([low, high - low])


def crossing(frames=60, step=6.0):
    """Two people who walk towards each other, through each other, and on: [frames, 2, 12, 2], pixels."""
    middle = np.array([320.0, 200.0])
    way = step * (np.arange(frames) - frames / 2)
    return np.array(
        [
            [pose(middle + [way[t], 4], 0.3 * t), pose(middle + [-0.8 * way[t], -4], 0.27 * t + 1.0, -1)]
            for t in range(frames)
        ]
    )

"""Where a picture's skeletons start from: a standing template, or a model's poses."""

from __future__ import annotations

import functools
import os
import threading

import numpy as np

from opec_tf.inference import pose_model
from opec_tf.poses import skeletons
from opec_tf.poses.picture_poses import Poses
from opec_tf.poses.skeletons import Skeleton

# A person who stands facing the camera, so that the person's left is to the right: (x, y) from the middle of the head's
# top in heights of the body. Of joints with a left and a right the left one.
_STANDING = {
    "head": (0.0, 0.0),
    "left_eye": (0.02, 0.05),
    "left_ear": (0.045, 0.06),
    "nose": (0.0, 0.07),
    "neck": (0.0, 0.15),
    "thorax": (0.0, 0.18),
    "left_shoulder": (0.115, 0.19),
    "left_elbow": (0.155, 0.35),
    "left_wrist": (0.17, 0.50),
    "pelvis": (0.0, 0.52),
    "left_hip": (0.07, 0.53),
    "left_knee": (0.075, 0.75),
    "left_ankle": (0.08, 0.96),
}


def standing(skeleton: Skeleton) -> np.ndarray:
    """The standing template, float64 [K, 2], (x, y) from the middle of the head's top in heights of the body."""
    return np.array([_standing_joint(joint) for joint in skeleton.joints])


def _standing_joint(joint: str) -> tuple[float, float]:
    side, _, part = joint.partition("_")
    x, y = _STANDING[f"left_{part}" if side == "right" else joint]
    return (-x if side == "right" else x), y


class Suggester:
    """The poses of the package's model in a picture, found when they are first asked for.

    Args:
      skeleton: the joint set of what is annotated.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._skeleton, self._lock = skeleton, threading.Lock()
        self._model = pose_model.load()
        self._found: functools._lru_cache_wrapper[list] = functools.lru_cache(maxsize=256)(self._predict)

    def people(self, path: os.PathLike[str] | str) -> list[list[list[float]]]:
        """People of a picture, the surest first, as the annotators' files have their joints.

        Raises:
          UserError: the picture cannot be read.
        """
        with self._lock:  # one picture after the other: a second one would take the cores from the first
            return self._found(os.fspath(path))

    def _predict(self, path: str) -> list[list[list[float]]]:
        poses = self._model.predict(path)
        order = np.argsort(-poses.scores, kind="stable")
        return [as_joints(poses, person, self._skeleton) for person in order.tolist()]


def as_joints(poses: Poses, person: int, skeleton: Skeleton) -> list[list[float]]:
    """One person's joints as [x, y, v] of a skeleton; those that the model does not have are the template's."""
    source = skeleton.mapping_from(poses.skeleton)
    known = source >= 0
    found, template = poses.keypoints[person][source[known]], standing(skeleton)
    joints = _fitted(template, template[known], found)
    joints[known] = found
    labels = np.full(skeleton.num_joints, skeletons.VISIBLE)
    if poses.visibility is not None:
        of_class = np.array([skeletons.VISIBLE, skeletons.OCCLUDED, skeletons.UNLABELLED])
        labels[known] = of_class[poses.visibility[person][source[known]].argmax(axis=-1)]
    return [[round(x, 2), round(y, 2), int(v)] for (x, y), v in zip(joints.tolist(), labels.tolist())]


def _fitted(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Points moved and scaled as takes ``start`` nearest to ``end``, both [M, 2]."""
    middle, target = start.mean(axis=0), end.mean(axis=0)
    spread = np.square(start - middle).sum()
    scale = ((start - middle) * (end - target)).sum() / spread if spread else 1.0
    return (points - middle) * scale + target

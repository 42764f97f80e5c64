"""Joint sets: names, bones, flip pairs and OKS sigmas, and the mappings among them by joint name.

A joint is known by its name everywhere. Two data sets that label the same body part use the same name here, whatever
their files call it (MPII's "upper neck" and CrowdPose's "neck" are both ``neck``; both "head top" and "head" are
``head``), so the mapping between two skeletons is a look-up of names and nothing else.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from opec_tf.common.names import plain

# Visibility of a joint, the v of (x, y, v) in every annotation: whether it is labelled, and if so whether it is seen.
UNLABELLED, OCCLUDED, VISIBLE = 0, 1, 2
# What is known or predicted of every joint, the unlabelled ones too: an index into this, or UNKNOWN.
VISIBILITY_CLASSES = ("visible", "occluded", "outside")
UNKNOWN = -1
# What lies in front of a joint: nothing, the own body, another person, a thing. An index into this, or UNKNOWN.
HIDERS = ("nobody", "self", "partner", "thing")

# CrowdPose labels the visibility of these as 1 always, so it says nothing about occlusion.
_WITHOUT_VISIBILITY = ("head", "neck")

# OKS sigmas. Body and face joints: COCO (pycocotools, Params.setKpParams). head and neck: CrowdPose's tools. MPII
# publishes none (its metric is PCKh), so pelvis takes the hips' and thorax the neck's.
_SIGMAS = {
    "nose": 0.026,
    "left_eye": 0.025,
    "right_eye": 0.025,
    "left_ear": 0.035,
    "right_ear": 0.035,
    "left_shoulder": 0.079,
    "right_shoulder": 0.079,
    "left_elbow": 0.072,
    "right_elbow": 0.072,
    "left_wrist": 0.062,
    "right_wrist": 0.062,
    "left_hip": 0.107,
    "right_hip": 0.107,
    "left_knee": 0.087,
    "right_knee": 0.087,
    "left_ankle": 0.089,
    "right_ankle": 0.089,
    "head": 0.079,
    "neck": 0.079,
    "thorax": 0.079,
    "pelvis": 0.107,
}

_LIMBS = (
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
    ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"),
    ("right_hip", "right_knee"),
    ("right_knee", "right_ankle"),
)
_TORSO = (
    ("left_shoulder", "right_shoulder"),
    ("left_hip", "right_hip"),
    ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"),
)
_BODY = (
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)


# What files call a joint that has another name here, as ``plain`` has both.
_ALIASES = {"tophead": "head", "headtop": "head", "upperneck": "neck"}


def joint_name(name: str) -> str:
    """What a file's joint is called here; a name that nothing here has stays as it is."""
    return _JOINT_NAMES.get(plain(name), name)


_JOINT_NAMES = {**{plain(joint): joint for joint in _SIGMAS}, **_ALIASES}


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """A joint set.

    Attributes:
      name: identifier used by flags and files.
      joints: the K joint names; their order is the order of every [..., K, ...] array.
      bones: pairs of joint names joined by an edge of the body graph (self-loops are not listed).
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[str, str], ...]

    @property
    def num_joints(self) -> int:
        return len(self.joints)

    @functools.cached_property
    def edges(self) -> np.ndarray:
        """Bones as pairs of joint indices, int32 [E, 2]."""
        index = {joint: i for i, joint in enumerate(self.joints)}
        return np.array([[index[a], index[b]] for a, b in self.bones], np.int32)

    @functools.cached_property
    def adjacency(self) -> np.ndarray:
        """Matrix A of the paper's graph formulation (section 3.2): float32 [K, K], symmetric, a_ii = 1."""
        matrix = np.eye(self.num_joints, dtype=np.float32)
        first, second = self.edges.T
        matrix[first, second] = matrix[second, first] = 1.0
        return matrix

    @functools.cached_property
    def couple_adjacency(self) -> np.ndarray:
        """The paper's CoupleGraph, float32 [2K, 2K]: each person's bones, and an edge between corresponding joints."""
        between = np.eye(self.num_joints, dtype=np.float32)
        return np.block([[self.adjacency, between], [between, self.adjacency]])

    @functools.cached_property
    def flip_order(self) -> np.ndarray:
        """int32 [K]: ``pose[..., flip_order, :]`` swaps left and right joints, as a mirrored image needs."""
        mirror = {"left": "right", "right": "left"}
        index = {joint: i for i, joint in enumerate(self.joints)}
        names = []
        for joint in self.joints:
            side, _, part = joint.partition("_")
            names.append(f"{mirror[side]}_{part}" if side in mirror else joint)
        return np.array([index[name] for name in names], np.int32)

    @functools.cached_property
    def sigmas(self) -> np.ndarray:
        """OKS sigmas, float32 [K]; a joint's OKS falls to exp(-1/2) at distance 2 sigma sqrt(area)."""
        return np.array([_SIGMAS[joint] for joint in self.joints], np.float32)

    @functools.cached_property
    def has_visibility(self) -> np.ndarray:
        """Joints whose label says whether they are seen, bool [K]: all but head and neck."""
        return np.array([joint not in _WITHOUT_VISIBILITY for joint in self.joints])

    def mapping_from(self, source: Skeleton) -> np.ndarray:
        """For each joint of this skeleton its index in ``source``, or -1 where that has no such joint; int32 [K]."""
        index = {joint: i for i, joint in enumerate(source.joints)}
        return np.array([index.get(joint, -1) for joint in self.joints], np.int32)


# The 12 joints that CrowdPose, OCPose and the paper's numbers share; they are COCO's joints 5 to 16.
BODY12 = Skeleton("body12", _BODY, _TORSO + _LIMBS)

CROWDPOSE14 = Skeleton(
    "crowdpose14",
    _BODY + ("head", "neck"),
    (("head", "neck"), ("neck", "left_shoulder"), ("neck", "right_shoulder")) + _TORSO[1:] + _LIMBS,
)

COCO17 = Skeleton(
    "coco17",
    ("nose", "left_eye", "right_eye", "left_ear", "right_ear") + _BODY,
    (
        ("nose", "left_eye"),
        ("nose", "right_eye"),
        ("left_eye", "right_eye"),
        ("left_eye", "left_ear"),
        ("right_eye", "right_ear"),
        ("left_ear", "left_shoulder"),
        ("right_ear", "right_shoulder"),
    )
    + _TORSO
    + _LIMBS,
)

MPII16 = Skeleton(
    "mpii16",
    (
        "right_ankle",
        "right_knee",
        "right_hip",
        "left_hip",
        "left_knee",
        "left_ankle",
        "pelvis",
        "thorax",
        "neck",
        "head",
        "right_wrist",
        "right_elbow",
        "right_shoulder",
        "left_shoulder",
        "left_elbow",
        "left_wrist",
    ),
    (
        ("pelvis", "left_hip"),
        ("pelvis", "right_hip"),
        ("pelvis", "thorax"),
        ("thorax", "neck"),
        ("neck", "head"),
        ("thorax", "left_shoulder"),
        ("thorax", "right_shoulder"),
    )
    + _LIMBS,
)

SKELETONS = {skeleton.name: skeleton for skeleton in (BODY12, CROWDPOSE14, COCO17, MPII16)}


def with_num_joints(count: int) -> Skeleton | None:
    """The skeleton that has ``count`` joints, or None; how a file of unnamed joints is understood."""
    return next((skeleton for skeleton in SKELETONS.values() if skeleton.num_joints == count), None)

"""A human body: joint limits and the pose of its 3D skeleton.

World frame: metres, y up, the ground is y = 0. A body-fixed frame (pelvis, chest, head) has x to the person's own
left, y up along the body and z forward, so a rotation matrix's columns are the person's left, up and forward. Sides are
indexed 0 = left, 1 = right everywhere. Angles are in degrees.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from opec_tf.data.synthetic.body_shape import BodyShape
from opec_tf.poses import skeletons

LEFT, RIGHT = 0, 1
SIGN = np.array([1.0, -1.0])  # x of the left and of the right side in a body frame

Angles = tuple[float, float, float]  # pitch, roll and twist, degrees

# (low, high) of each angle, degrees, after Kapandji's and the AAOS tables, kept a little inside what is possible.
# pitch: forward; roll: to the person's left; twist: to the left. head angles are relative to the chest.
JOINT_LIMITS = {
    "spine_pitch": (-30.0, 65.0),
    "spine_roll": (-30.0, 30.0),
    "spine_twist": (-40.0, 40.0),
    "head_pitch": (-45.0, 45.0),
    "head_roll": (-35.0, 35.0),
    "head_twist": (-65.0, 65.0),
    "elbow": (4.0, 145.0),
    "knee": (3.0, 140.0),
}


def rotation(pitch: float = 0.0, roll: float = 0.0, yaw: float = 0.0) -> np.ndarray:
    """Rotation matrix [3, 3]: first roll to the left, then pitch forward, then yaw to the left; degrees."""
    (cp, cr, cy), (sp, sr, sy) = np.cos(np.radians([pitch, roll, yaw])), np.sin(np.radians([pitch, roll, yaw]))
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    lean = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    tilt = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return turn @ lean @ tilt


def two_bone(
    root: np.ndarray, target: np.ndarray, lengths: np.ndarray, pole: np.ndarray, limits: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Inverse kinematics of N two-bone chains whose middle joint bends towards ``pole`` only.

    Args:
      root: [N, 3] shoulder or hip.
      target: [N, 3] wanted wrist or ankle; what is out of reach, or nearer than the middle joint can fold, is
        approached along the same direction.
      lengths: [N, 2] of the two bones.
      pole: [N, 3] direction in which the elbow or knee points away from the line root - end.
      limits: (low, high) flexion of the middle joint, degrees; 0 is straight.

    Returns:
      middle [N, 3], end [N, 3].
    """
    first, second = lengths.T
    low, high = np.cos(np.radians(limits))
    squares, product = first**2 + second**2, 2.0 * first * second
    offset = target - root
    distance = np.sqrt((offset**2).sum(1)) + 1e-9
    direction = offset / distance[:, None]
    distance = np.clip(distance, np.sqrt(squares + product * high), np.sqrt(squares + product * low))
    along = (first**2 - second**2 + distance**2) / (2.0 * distance)
    aside = np.sqrt(np.maximum(first**2 - along**2, 0.0))
    bend = pole - (pole * direction).sum(1, keepdims=True) * direction
    bend /= np.sqrt((bend**2).sum(1, keepdims=True)) + 1e-9
    middle = root + along[:, None] * direction + aside[:, None] * bend
    return middle, root + distance[:, None] * direction


def _within_limits(part: str, angles: Angles) -> Angles:
    pitch, roll, twist = (
        float(np.clip(angle, *JOINT_LIMITS[f"{part}_{name}"]))
        for angle, name in zip(angles, ("pitch", "roll", "twist"))
    )
    return pitch, roll, twist


class Posing:
    """A body being posed: first the trunk is placed, then the limbs are told what to reach, then ``solve`` bends them.

    Attributes set by ``place`` (rotations [3, 3], points [3], world frame): pelvis_rotation, chest_rotation,
    head_rotation, pelvis (midpoint of the hips), chest (midpoint of the shoulders).
    Attributes the interaction sets: wrists, ankles [2, 3] targets, world; elbow_poles, knee_poles [2, 3] in the chest's
    and the pelvis's frame; hand_hints [2, 3] direction the fingers point to, world, NaN = along the forearm;
    foot_pitch [2] heel-up angle, degrees; foot_yaw [2] outward turn of the feet, degrees; grounded [2] the foot
    stands on the ground; gloves: boxing gloves; seat: sits on a stool or bench.
    """

    def __init__(self, shape: BodyShape) -> None:
        self.shape = shape
        self.scale = shape.height / 1.75
        self.elbow_poles = np.array([[0.7, -0.7, -0.6], [-0.7, -0.7, -0.6]])
        self.knee_poles = np.array([[0.15, 0.0, 1.0], [-0.15, 0.0, 1.0]])
        self.wrists, self.ankles = np.zeros((2, 3)), np.zeros((2, 3))
        self.hand_hints = np.full((2, 3), np.nan)
        self.foot_pitch = np.zeros(2)
        self.foot_yaw = np.array([8.0, 8.0])
        self.grounded = np.zeros(2, bool)
        self.gloves = False
        self.seat = False

    def place(
        self,
        pelvis: np.ndarray | Sequence[float],
        facing: float,
        pitch: float = 0.0,
        roll: float = 0.0,
        spine: Angles = (0.0, 0.0, 0.0),
        head: Angles = (0.0, 0.0, 0.0),
    ) -> Posing:
        """Sets the trunk: ``pelvis`` [3] world; facing, pitch, roll of the pelvis; spine and head (pitch, roll, twist).

        Spine and head angles are clipped to ``JOINT_LIMITS``.
        """
        shape = self.shape
        self.facing = facing
        self.pelvis = np.asarray(pelvis, float)
        self.pelvis_rotation = rotation(pitch, roll, facing)
        self.spine, self.head = _within_limits("spine", spine), _within_limits("head", head)
        self.chest_rotation = self.pelvis_rotation @ rotation(*self.spine)
        self.head_rotation = self.chest_rotation @ rotation(*self.head)
        self.waist = self.pelvis + self.pelvis_rotation[:, 1] * shape.length("lumbar")
        self.chest = self.waist + self.chest_rotation[:, 1] * shape.length("thorax")
        return self

    def stand(
        self,
        ground: Sequence[float],
        facing: float,
        stance: Sequence[Sequence[float]] = ((0.1, 0.0), (-0.1, 0.0)),
        crouch: float = 0.0,
        pitch: float = 0.0,
        lift: Sequence[float] = (0.0, 0.0),
        roll: float = 0.0,
        spine: Angles = (0.0, 0.0, 0.0),
        head: Angles = (0.0, 0.0, 0.0),
    ) -> Posing:
        """Places the trunk above feet that stand on the ground.

        Args:
          ground: (x, z) in world below the pelvis.
          facing: degrees; 0 faces +z, 90 faces +x.
          stance: (x, z) of the left and the right ankle in the frame of ``facing``, metres of a 1.75 m person.
          crouch: 0 standing straight .. 1 knees fully bent.
          pitch: forward lean of the pelvis, degrees.
          lift: height of each ankle above standing flat (a raised heel or a lifted foot), metres.
          roll, spine, head: as in ``place``.
        """
        shape, turn = self.shape, rotation(yaw=facing)
        feet = np.asarray(stance, float) * self.scale
        local = np.stack([feet[:, 0], shape.length("ankle_height") + np.asarray(lift, float), feet[:, 1]], 1)
        self.ankles = local @ turn.T + [ground[0], 0.0, ground[1]]
        leg = shape.length("thigh") + shape.length("shin")
        hips_local = SIGN[:, None] * shape.length("hip_half") * rotation(pitch, roll, facing)[:, 0]
        reach = self.ankles - (hips_local + [ground[0], 0.0, ground[1]])
        level = np.sqrt(np.maximum((0.995 * leg) ** 2 - (reach[:, [0, 2]] ** 2).sum(1), 0.02)) + reach[:, 1]
        # The lower foot carries: a lifted one may hang free of its leg's full length.
        height = min(level[np.asarray(lift) <= min(lift) + 0.12]) - crouch * 0.62 * leg
        self.foot_pitch = np.degrees(np.arcsin(np.clip(np.asarray(lift) / (0.75 * shape.length("foot")), 0.0, 0.85)))
        self.grounded = np.array(lift) < 0.2
        return self.place([ground[0], max(height, 0.12), ground[1]], facing, pitch, roll, spine, head)

    def at_chest(self, x: float, y: float, z: float) -> np.ndarray:
        """World position of (x, y, z) metres of a 1.75 m person in the chest's frame, from between the shoulders."""
        return self.chest + self.chest_rotation @ (np.array([x, y, z]) * self.scale)

    def at_pelvis(self, x: float, y: float, z: float) -> np.ndarray:
        """As ``at_chest``, in the pelvis's frame from between the hips."""
        return self.pelvis + self.pelvis_rotation @ (np.array([x, y, z]) * self.scale)

    def mirror(self) -> None:
        """Mirrors the posing in the plane x = 0 of the world: left and right limbs change places."""
        flip = np.array([-1.0, 1.0, 1.0])
        for name in ("pelvis", "waist", "chest"):
            setattr(self, name, getattr(self, name) * flip)
        for name in ("pelvis_rotation", "chest_rotation", "head_rotation"):
            setattr(self, name, getattr(self, name) * np.outer(flip, flip))
        for name in ("wrists", "ankles", "elbow_poles", "knee_poles", "hand_hints"):
            setattr(self, name, getattr(self, name)[::-1] * flip)
        for name in ("foot_pitch", "foot_yaw", "grounded"):
            setattr(self, name, getattr(self, name)[::-1])
        self.facing = -self.facing

    def solve(self) -> Pose:
        """Bends arms and legs to their targets."""
        shape, sides = self.shape, SIGN[:, None]
        shoulders = self.chest + sides * shape.length("shoulder_half") * self.chest_rotation[:, 0]
        hips = self.pelvis + sides * shape.length("hip_half") * self.pelvis_rotation[:, 0]
        arm = np.tile([shape.length("upper_arm"), shape.length("forearm")], (2, 1))
        leg = np.tile([shape.length("thigh"), shape.length("shin")], (2, 1))
        elbows, wrists = two_bone(
            shoulders, self.wrists, arm, self.elbow_poles @ self.chest_rotation.T, JOINT_LIMITS["elbow"]
        )
        knees, ankles = two_bone(hips, self.ankles, leg, self.knee_poles @ self.pelvis_rotation.T, JOINT_LIMITS["knee"])
        neck = self.chest + self.chest_rotation @ np.array([0.0, 0.012, -0.005]) * shape.height
        skull = neck + self.chest_rotation[:, 1] * shape.length("neck")
        head = skull + self.head_rotation[:, 1] * shape.length("head")
        joints = np.stack([shoulders, elbows, wrists, hips, knees, ankles]).reshape(12, 3)
        return Pose(self, np.concatenate([joints, head[None], neck[None]]), skull)


@dataclasses.dataclass(frozen=True)
class Pose:
    """A solved pose.

    Attributes:
      posing: the ``Posing`` it came from (shape, rotations of pelvis, chest and head).
      joints: [14, 3] world positions, order of crowdpose14; head is the top of the skull.
      skull: [3] base of the skull, world.
    """

    posing: Posing
    joints: np.ndarray
    skull: np.ndarray

    def joint(self, name: str) -> np.ndarray:
        return self.joints[skeletons.CROWDPOSE14.joints.index(name)]

    def flexion(self) -> np.ndarray:
        """Flexion of left elbow, right elbow, left knee, right knee; degrees, 0 = straight; [4]."""
        first = self.joints[[2, 3, 8, 9]] - self.joints[[0, 1, 6, 7]]
        second = self.joints[[4, 5, 10, 11]] - self.joints[[2, 3, 8, 9]]
        cosine = (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
        return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))

    def strain(self) -> float:
        """How far upper arms and thighs leave their range, 0 = within; a unitless sum for ranking candidates.

        In the chest's and pelvis's frames: an upper arm cannot point far backwards or far across the chest, a thigh not
        far backwards, across or up behind.
        """
        arms = (self.joints[[2, 3]] - self.joints[[0, 1]]) / self.posing.shape.length("upper_arm")
        legs = (self.joints[[8, 9]] - self.joints[[6, 7]]) / self.posing.shape.length("thigh")
        arms, legs = arms @ self.posing.chest_rotation, legs @ self.posing.pelvis_rotation
        across = np.concatenate([arms[:, 0], legs[:, 0]]) * np.tile(SIGN, 2)
        back = np.concatenate([arms[:, 2], legs[:, 2]])
        excess = np.maximum(-across - [0.6, 0.6, 0.45, 0.45], 0.0) + np.maximum(-back - [0.8, 0.8, 0.5, 0.5], 0.0)
        return float(excess.sum())

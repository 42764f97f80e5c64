"""The solids of arms and legs, with hands and feet, in sleeves and trousers of any length."""

from __future__ import annotations

import numpy as np

from opec_tf.data.synthetic.body import SIGN, rotation
from opec_tf.data.synthetic.person import END_ROUND, START_ROUND, Person
from opec_tf.data.synthetic.solids import cross


def add_arm(person: Person, side: int) -> None:
    """Adds upper arm, forearm and hand."""
    g, outfit, shape, skin = person.girth, person.outfit, person.posing.shape, person.skin
    shoulder, elbow, wrist = person.pose.joints[[side, 2 + side, 4 + side]]
    front = person.posing.chest_rotation[:, 2]
    lean = 1.0 - 0.1 * shape.femininity
    upper, lower = np.clip([outfit.sleeve, outfit.sleeve - 1.0], 0.0, 1.0)
    wide = outfit.loose if outfit.sleeve > 0 else 1.0
    radii = (0.0305 * g * lean * wide, 0.0225 * g * lean * (wide if upper == 1 else 1.0))
    cover, split = person.top if upper > 0 else skin, upper * shape.length("upper_arm") if upper < 1 else np.inf
    joints = (side, 2 + side)
    person.cone(shoulder, elbow, radii, front, cover, split=split, beyond=skin, joints=joints, caps=START_ROUND)
    wide = wide if lower > 0 else 1.0
    cover, split = (person.top, lower * shape.length("forearm")) if lower > 0 else (skin, np.inf)
    radii, joints = (0.0235 * g * lean * wide, 0.0150 * g * wide), (2 + side, 4 + side)
    person.cone(elbow, wrist, radii, front, cover, split=split, beyond=skin, deep=1.1, joints=joints)
    _add_hand(person, side, wrist, (wrist - elbow) / shape.length("forearm"))


def _add_hand(person: Person, side: int, wrist: np.ndarray, forearm: np.ndarray) -> None:
    """Adds a hand or boxing glove at the end of a forearm of the given direction."""
    h, chest, skin, joints = person.height, person.posing.chest_rotation, person.skin, (4 + side,)
    wanted = person.posing.hand_hints[side]
    axis = forearm if np.isnan(wanted[0]) else forearm + 0.9 * wanted / (np.linalg.norm(wanted) + 1e-9)
    axis = axis / np.linalg.norm(axis)
    if person.posing.gloves:
        fist = wrist + axis * 0.058 * h
        person.cone(wrist, fist, (0.024 * h, 0.037 * h), chest[:, 2], person.gloves, joints=joints)
        return
    thumb = chest[:, 2] + 0.3 * chest[:, 1]
    thumb = thumb - (thumb @ axis) * axis
    thumb /= np.linalg.norm(thumb) + 1e-9
    frame = np.stack([thumb, axis, cross(thumb, axis)], 1)
    palm, fingers = wrist + axis * 0.034 * h, wrist + axis * 0.072 * h
    person.ellipsoid(frame, palm, (0.0235 * h, 0.031 * h, 0.0125 * h), skin, joints=joints)
    person.ellipsoid(frame, fingers, (0.0205 * h, 0.032 * h, 0.0095 * h), skin)
    root, tip = wrist + (axis * 0.022 + thumb * 0.012) * h, wrist + (axis * 0.056 + thumb * 0.033) * h
    person.cone(root, tip, (0.009 * h, 0.0075 * h), frame[:, 2], skin, caps=END_ROUND)


def add_leg(person: Person, side: int) -> None:
    """Adds thigh, shin, foot and calf."""
    g, h, outfit, shape = person.girth, person.height, person.outfit, person.posing.shape
    hip, knee, ankle = person.pose.joints[[6 + side, 8 + side, 10 + side]]
    front, skin, bottom = person.posing.pelvis_rotation[:, 2], person.skin, person.bottom
    # Under a skirt the top of the thigh has the skirt's cloth, for where the thigh pushes it up.
    upper, lower = (0.35, 0.0) if outfit.skirt else np.clip([outfit.leg, outfit.leg - 1.0], 0.0, 1.0)
    cuff = outfit.loose if lower > 0 else 1.0
    radii = (0.0505 * g * (1 + 0.05 * shape.femininity), 0.033 * g * cuff)
    cover, split = bottom if upper > 0 else skin, upper * shape.length("thigh") if upper < 1 else np.inf
    joints = (6 + side, 8 + side)
    person.cone(hip, knee, radii, front, cover, split=split, beyond=skin, joints=joints)
    radii = (0.0315 * g * cuff, (0.0255 if lower > 0 else 0.0205) * g * cuff)
    cover, split = (bottom, lower * shape.length("shin")) if lower > 0 else (skin, np.inf)
    joints = (8 + side, 10 + side)
    person.cone(knee, ankle, radii, front, cover, split=split, beyond=skin, joints=joints, caps=END_ROUND)
    shin = (ankle - knee) / shape.length("shin")
    forward, up = _foot_directions(person, side, shin)
    calf, size = knee + shin * 0.075 * h - forward * 0.011 * g, (0.0305 * g * cuff, 0.07 * h, 0.0315 * g * cuff)
    person.solids.ellipsoid(calf, shin, forward, size, cover, owner=person.owner, joints=joints)
    _add_foot(person, side, ankle, forward, up)


def _add_foot(person: Person, side: int, ankle: np.ndarray, forward: np.ndarray, up: np.ndarray) -> None:
    h, joints = person.height, (10 + side,)
    heel, toes = ankle - up * 0.021 * h - forward * 0.022 * h, ankle - up * 0.028 * h + forward * 0.095 * h
    person.cone(heel, toes, (0.0235 * h, 0.0165 * h), up, person.shoes, wide=1.25, joints=joints)
    instep = ankle - up * 0.014 * h + forward * 0.045 * h
    person.cone(ankle + up * 0.008 * h, instep, (0.0235 * h, 0.019 * h), up, person.shoes, joints=joints)


def _foot_directions(person: Person, side: int, shin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(forward, up) of a foot: flat on the ground or heel up where it stands, else at an angle to the shin."""
    posing = person.posing
    pitch = posing.foot_pitch[side]
    if posing.grounded[side]:
        frame = rotation(pitch=pitch, yaw=posing.facing + SIGN[side] * posing.foot_yaw[side])
        return frame[:, 2], frame[:, 1]
    forward = posing.pelvis_rotation[:, 2]
    # A thigh or shin that points forward carries its foot upwards: the body's up stands in.
    forward = forward - 0.8 * (forward @ shin) * posing.pelvis_rotation[:, 1]
    forward = forward - (forward @ shin) * shin
    forward /= np.linalg.norm(forward) + 1e-9
    turned = np.cos(np.radians(pitch)) * forward + np.sin(np.radians(pitch)) * shin
    return turned, np.sin(np.radians(pitch)) * forward - np.cos(np.radians(pitch)) * shin

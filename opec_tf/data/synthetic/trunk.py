"""The solids of a trunk, from the hips to the neck, and of a skirt."""

from __future__ import annotations

import numpy as np

from opec_tf.data.synthetic.body import SIGN
from opec_tf.data.synthetic.person import END_ROUND, NECK, OPEN, Person


def add_trunk(person: Person) -> None:
    """Adds hips, belly, chest, shoulders and neck."""
    _add_hips(person)
    top = _add_belly_and_chest(person)
    for side in range(2):
        _add_shoulder(person, side, top)
    _add_neck(person)


def _add_hips(person: Person) -> None:
    posing, g = person.posing, person.girth
    pelvis, female = posing.pelvis_rotation, posing.shape.femininity
    aside = pelvis[:, 0] * 0.036 * g
    center = posing.pelvis + pelvis[:, 1] * 0.014 * person.height
    radius = 0.060 * g * (1 + 0.04 * female)
    person.cone(center + aside, center - aside, (radius, radius), pelvis[:, 2], person.bottom)
    for s in () if person.outfit.skirt else SIGN:  # the buttocks
        center = posing.pelvis + pelvis @ np.array([s * 0.038, -0.012, -0.026]) * g
        person.ellipsoid(pelvis, center, (0.045 * g, 0.052 * g, 0.044 * g), person.bottom)


def _add_belly_and_chest(person: Person) -> np.ndarray:
    """Returns the chest's upper end [3]."""
    posing, g, h = person.posing, person.girth, person.height
    chest, female = posing.chest_rotation, posing.shape.femininity
    loose = 1.0 + 0.5 * (person.outfit.loose - 1.0)
    belly = posing.pelvis + posing.pelvis_rotation[:, 1] * 0.045 * h
    ribs = posing.waist + chest[:, 1] * 0.045 * h
    top = posing.chest - chest[:, 1] * 0.042 * h
    front, cloth, joints = chest[:, 2], person.top, (0, 1, NECK)
    radii = (0.059 * g * loose, 0.060 * g * loose)
    person.cone(belly, ribs, radii, front, cloth, wide=1.27 - 0.13 * female, caps=END_ROUND)
    radii = (0.059 * g * loose, 0.064 * g * loose)
    person.cone(ribs, top, radii, front, cloth, wide=1.36 - 0.09 * female, joints=joints, caps=END_ROUND)
    return top


def _add_shoulder(person: Person, side: int, chest_top: np.ndarray) -> None:
    """Adds a shoulder and, of a woman, the breast below it."""
    g, h, s, chest = person.girth, person.height, SIGN[side], person.posing.chest_rotation
    start = person.pose.joint("neck") - chest[:, 1] * 0.012 * h + chest[:, 0] * s * 0.02 * h
    shoulder, radii = person.pose.joints[side], (0.034 * g, 0.033 * g)
    person.cone(start, shoulder, radii, chest[:, 2], person.top, joints=(side, NECK), caps=END_ROUND)
    if female := person.posing.shape.femininity:
        bust = chest_top + chest @ np.array([s * 0.040, -0.004, 0.040]) * g
        person.ellipsoid(chest, bust, (0.038 * g, 0.036 * g, (0.026 + 0.016 * female) * g), person.top)


def _add_neck(person: Person) -> None:
    g, h, chest = person.girth, person.height, person.posing.chest_rotation
    start = person.pose.joint("neck") - chest[:, 1] * 0.01 * h
    end = person.pose.skull + person.posing.head_rotation[:, 1] * 0.03 * h
    person.cone(start, end, (0.034 * g, 0.030 * g), chest[:, 2], person.skin, joints=(NECK,), caps=OPEN)


def add_skirt(person: Person) -> None:
    """Adds two open cones, from the waist over the hips and on towards the knees."""
    posing, g, length = person.posing, person.girth, person.outfit.skirt
    knees = person.pose.joints[[8, 9]]
    spread = np.linalg.norm(knees[0] - knees[1]) / 2.0
    down = knees.mean(0) - posing.pelvis
    waist = posing.pelvis + posing.pelvis_rotation[:, 1] * 0.065 * person.height
    hips = posing.pelvis - posing.pelvis_rotation[:, 1] * 0.01 * person.height
    hem = posing.pelvis + down * length * 1.7
    width = max(0.095 * g, min(float(spread) * length + 0.07 * g, 0.14 * g))
    for start, end, radii in ((waist, hips, (0.063 * g, 0.081 * g)), (hips, hem, (0.081 * g, width))):
        person.cone(start, end, radii, posing.pelvis_rotation[:, 2], person.bottom, wide=1.32, caps=OPEN)

"""The solids of a head: skull, jaw, nose, ears and hair."""

from __future__ import annotations

import numpy as np

from opec_tf.data.synthetic.body import SIGN
from opec_tf.data.synthetic.clothing import Face
from opec_tf.data.synthetic.person import HEAD, Person

_TOP = (HEAD,)


def add_head(person: Person, faces: list[Face]) -> None:
    """Adds a head, and what is painted on its skull and jaw to ``faces``."""
    h, frame, outfit, skin = person.height, person.posing.head_rotation, person.outfit, person.skin
    number = len(faces)
    faces += [Face(outfit, h, jaw=False), Face(outfit, h, jaw=True)]
    hairy = outfit.hairstyle != "bald"
    center, radii, hairline = _at(person, 0, 0.081, 0.002), (0.043 * h, 0.053 * h, 0.054 * h), 0.034 * h
    split = hairline if hairy else np.inf
    person.ellipsoid(frame, center, radii, skin, face=number, joints=_TOP, split=split, beyond=person.hair)
    center, radii = _at(person, 0, 0.046, 0.014), (0.036 * h, 0.046 * h, 0.040 * h)
    person.ellipsoid(frame, center, radii, skin, face=number + 1, joints=_TOP)
    bridge, tip = _at(person, 0, 0.072, 0.053), _at(person, 0, 0.056, 0.062)
    person.cone(bridge, tip, (0.006 * h, 0.009 * h), frame[:, 0], skin)
    for s in SIGN:
        person.ellipsoid(frame, _at(person, s * 0.043, 0.066, 0.0), (0.007 * h, 0.016 * h, 0.011 * h), skin)
    if hairy:
        _add_hair(person)


def _at(person: Person, x: float, y: float, z: float) -> np.ndarray:
    """World position of (x, y, z), shares of the height in the head's frame, from the base of the skull."""
    return person.pose.skull + person.posing.head_rotation @ (np.array([x, y, z]) * person.height)


def _add_hair(person: Person) -> None:
    h, frame, hair, style = person.height, person.posing.head_rotation, person.hair, person.outfit.hairstyle
    caps = (((0, 0.091, -0.009), (0.0475, 0.051, 0.054)), ((0, 0.058, -0.022), (0.043, 0.046, 0.037)))
    for center, (across, along, deep) in caps:
        person.ellipsoid(frame, _at(person, *center), (across * h, along * h, deep * h), hair, joints=_TOP)

    def lock(start: np.ndarray, end: np.ndarray, radii: tuple[float, float], wide: float = 1.0) -> None:
        person.cone(start, end, (radii[0] * h, radii[1] * h), frame[:, 2], hair, joints=_TOP, wide=wide)

    if style == "long":
        for s in SIGN:
            lock(_at(person, s * 0.030, 0.085, -0.018), _at(person, s * 0.034, -0.015, -0.030), (0.024, 0.022))
        lock(_at(person, 0, 0.07, -0.035), _at(person, 0, -0.03, -0.045), (0.036, 0.026), wide=1.4)
    elif style == "tail":
        lock(_at(person, 0, 0.092, -0.062), _at(person, 0, 0.0, -0.082), (0.022, 0.012))
    elif style == "bun":
        person.ellipsoid(frame, _at(person, 0, 0.125, -0.045), (0.026 * h, 0.026 * h, 0.026 * h), hair, joints=_TOP)

"""From a posed skeleton and an outfit to the solids of a person."""

from __future__ import annotations

from opec_tf.data.synthetic import arms_and_legs, head, trunk
from opec_tf.data.synthetic.body import LEFT, RIGHT, Pose
from opec_tf.data.synthetic.clothing import Face, Outfit
from opec_tf.data.synthetic.person import Person
from opec_tf.data.synthetic.solids import Solids


def add_person(solids: Solids, faces: list[Face], pose: Pose, outfit: Outfit, owner: int) -> None:
    """Adds a person's solids to ``solids`` and the painted parts of the head to ``faces``."""
    person = Person.dressed(solids, pose, outfit, owner)
    trunk.add_trunk(person)
    head.add_head(person, faces)
    for side in (LEFT, RIGHT):
        arms_and_legs.add_arm(person, side)
        arms_and_legs.add_leg(person, side)
    if outfit.skirt:
        trunk.add_skirt(person)

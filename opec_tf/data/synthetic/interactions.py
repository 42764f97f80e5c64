"""What two people do together: the interaction kinds, and pairs of poses drawn from them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from opec_tf.data.synthetic import (
    acrobatics,
    care,
    carrying,
    contact,
    dances,
    embraces,
    fights,
    play,
    sitting,
    standing,
)
from opec_tf.data.synthetic.body import Pose, Posing
from opec_tf.data.synthetic.body_shape import BodyShape

# Places the trunks of two bodies and tells their limbs what to reach; see ``gestures``.
Kind = Callable[[np.random.Generator, Posing, Posing], None]

FAMILIES: dict[str, tuple[Kind, ...]] = {
    "embraces": (
        embraces.hug,
        embraces.embrace_from_behind,
        embraces.side_by_side,
        embraces.back_to_back,
        embraces.side_hug,
        embraces.console,
    ),
    "dances": (dances.waltz, dances.dip, dances.twirl, dances.tandem, dances.conga, dances.can_can),
    "fights": (
        fights.wrestle,
        fights.boxing,
        fights.push,
        fights.headlock,
        fights.pin,
        fights.choke,
        fights.kick,
        fights.arm_lock,
    ),
    "carrying": (
        carrying.piggyback,
        carrying.cradle,
        carrying.lift,
        carrying.fireman,
        carrying.shoulder_ride,
        carrying.drag,
    ),
    "play": (play.leapfrog, play.tackle, play.arm_wrestling, play.tug, play.wheelbarrow, play.block, play.catch),
    "care": (care.kneel, care.help_up, care.bandage, care.comb, care.lean_on, care.massage, care.tie_shoe),
    "standing": (
        standing.handshake,
        standing.queue,
        standing.selfie,
        standing.whisper,
        standing.portrait,
        standing.coat,
        standing.argue,
    ),
    "sitting": (sitting.lean_backs, sitting.on_lap, sitting.on_bench, sitting.between_legs, sitting.cross_legged),
    "acrobatics": (acrobatics.thigh_stand, acrobatics.airplane, acrobatics.handstand, acrobatics.counterbalance),
}
# Never in train, val or test: what a model makes of them tells how far it generalises. Whole families, and kinds of the
# others.
NEW_FAMILIES = ("sitting", "acrobatics")
_NEW = ("console", "dip", "arm_lock", "cradle", "lift", "leapfrog", "kneel", "coat")

FAMILY_OF = {kind.__name__: family for family, kinds in FAMILIES.items() for kind in kinds}
KINDS = {kind.__name__: kind for kinds in FAMILIES.values() for kind in kinds}
NEW_KINDS = tuple(name for name in KINDS if name in _NEW or FAMILY_OF[name] in NEW_FAMILIES)
SEEN_KINDS = tuple(name for name in KINDS if name not in NEW_KINDS)
# Bodies this far apart share little of their boxes from all sides; drawn less often, they leave the average overlap of
# boxes where OCPose has it.
_APART, _APART_WEIGHT = ("arm_wrestling", "wheelbarrow", "help_up", "shoulder_ride"), 0.4


def draw_kind(rng: np.random.Generator, new: bool = False) -> str:
    """The name of a random interaction kind, of ``SEEN_KINDS`` or ``NEW_KINDS``."""
    names = NEW_KINDS if new else SEEN_KINDS
    weights = np.array([_APART_WEIGHT if name in _APART else 1.0 for name in names])
    return names[rng.choice(len(names), p=weights / weights.sum())]


def pose_pair(
    rng: np.random.Generator, kind: str, shapes: tuple[BodyShape, BodyShape], attempts: int = 4
) -> tuple[Pose, Pose]:
    """Two solved ``Pose``s of an interaction kind; the best of a few candidates.

    Args:
      kind: a name of ``SEEN_KINDS`` or ``NEW_KINDS``.
      attempts: candidates drawn at most; the first good one is taken, else the least bad.
    """
    pose = KINDS[kind]
    best_cost = np.inf
    for _ in range(attempts):
        pair = Posing(shapes[0]), Posing(shapes[1])
        pose(rng, *pair)
        mirrored = rng.random() < 0.5
        for posing in pair:
            posing.wrists += rng.normal(0.0, 0.012, (2, 3))
            if mirrored:
                posing.mirror()
        contact.clear_arms([posing.solve() for posing in pair])
        poses = pair[0].solve(), pair[1].solve()
        cost = contact.excess(*poses) + sum(pose.strain() for pose in poses)
        if cost < best_cost:
            best, best_cost = poses, cost
        if cost <= 0.01:
            break
    return best

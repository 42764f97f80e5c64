"""What two people do together: the interaction kinds, and pairs of poses drawn from them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from opec_tf.data.synthetic import contact, embraces, fights, rarities
from opec_tf.data.synthetic.body import Pose, Posing
from opec_tf.data.synthetic.body_shape import BodyShape

# Places the trunks of two bodies and tells their limbs what to reach; see ``gestures``.
Kind = Callable[[np.random.Generator, Posing, Posing], None]


def _by_name(*kinds: Kind) -> dict[str, Kind]:
    return {kind.__name__: kind for kind in kinds}


KINDS = _by_name(
    embraces.hug,
    embraces.waltz,
    embraces.back_to_back,
    embraces.embrace_from_behind,
    embraces.piggyback,
    embraces.side_by_side,
    embraces.handshake,
    fights.wrestle,
    fights.boxing,
    fights.push,
    fights.headlock,
    fights.pin,
)
# Bodies that stand this close share one box from most sides; drawn less often, they leave the average overlap of
# boxes where OCPose has it.
_CLOSE, _CLOSE_WEIGHT = ("hug", "waltz", "side_by_side"), 0.6
# Never in train, val or test: what a model makes of them tells how far it generalises.
HELD_OUT_KINDS = _by_name(rarities.cradle, rarities.dip, rarities.lift, rarities.kneel)


def draw_kind(rng: np.random.Generator, held_out: bool = False) -> str:
    """The name of a random interaction kind."""
    names = tuple(HELD_OUT_KINDS if held_out else KINDS)
    weights = np.array([_CLOSE_WEIGHT if name in _CLOSE else 1.0 for name in names])
    return names[rng.choice(len(names), p=weights / weights.sum())]


def pose_pair(
    rng: np.random.Generator, kind: str, shapes: tuple[BodyShape, BodyShape], attempts: int = 4
) -> tuple[Pose, Pose]:
    """Two solved ``Pose``s of an interaction kind; the best of a few candidates.

    Args:
      kind: a name of ``KINDS`` or ``HELD_OUT_KINDS``.
      attempts: candidates drawn at most; the first good one is taken, else the least bad.
    """
    pose = {**KINDS, **HELD_OUT_KINDS}[kind]
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

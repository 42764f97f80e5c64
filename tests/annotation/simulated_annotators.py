"""Annotators whose mistakes are known: files of generated couples with noise, swaps, missing people, wrong joints."""

import dataclasses

import numpy as np

from opec_tf.annotation import records
from opec_tf.annotation.records import Annotation
from opec_tf.poses.skeletons import BODY12

SIZE = 400, 300  # width, height
HEIGHT = 200.0  # of a person, from shoulder to ankle
# A standing person about the origin, as shares of HEIGHT, in BODY12's order.
_STANDING = np.array(
    [
        *([0.1, -0.4], [-0.1, -0.4], [0.16, -0.2], [-0.16, -0.2], [0.2, -0.02], [-0.2, -0.02]),
        *([0.07, 0.0], [-0.07, 0.0], [0.09, 0.3], [-0.09, 0.3], [0.1, 0.6], [-0.1, 0.6]),
    ]
)
LEFT_WRIST, RIGHT_WRIST, LEFT_ANKLE = (
    BODY12.joints.index(name) for name in ("left_wrist", "right_wrist", "left_ankle")
)


def couple(rng):
    """Two people who overlap, float64 [2, 12, 3], all joints visible, within a picture of SIZE."""
    people = []
    for x in (175.0, 225.0):
        pose = _STANDING * HEIGHT + rng.normal(0, 0.015 * HEIGHT, _STANDING.shape) + [x, 125.0]
        people.append(np.append(np.clip(pose, 2, np.array(SIZE) - 3), np.full((12, 1), 2.0), axis=1))
    return np.array(people)


def noisy(people, rng, share=0.01):
    """The same, each joint moved by at most so much of the person's height along x and y."""
    moved = people.copy()
    moved[..., :2] += rng.uniform(-share * HEIGHT, share * HEIGHT, moved[..., :2].shape)
    return moved


def write(folder, picture, people, done=True, skeleton=BODY12):
    """Writes what annotators say of a picture: name -> [N, K, 3]."""
    for name, of_one in people.items():
        records.write(folder, Annotation(picture, name, *SIZE, skeleton, revision=1, done=done, people=of_one))


@dataclasses.dataclass
class Case:
    """A picture: its kind, what each annotator says, and what must come of it.

    ``expected`` is [N, 12, 3], or None where the picture must be queued with ``reason`` in the reason.
    """

    kind: str
    people: dict
    expected: object = None
    reason: str = ""


def _agreeing(rng):
    truth = couple(rng)
    return {name: noisy(truth, rng)[[i, 1 - i]] for i, name in enumerate(("anna", "ben"))}


def _mean(people):
    """Of annotators whose people are in the order of the first, or the other way round for ben."""
    return (people["anna"] + people["ben"][::-1]) / 2


def make(kind, rng):
    """A case of a kind of KINDS; ben lists the two people the other way round."""
    people = _agreeing(rng)
    anna, ben = people["anna"], people["ben"]
    if kind == "noise":
        return Case(kind, people, _mean(people))
    if kind == "hidden":
        anna[0, LEFT_WRIST, 2] = 1
        expected = _mean(people)
        expected[0, LEFT_WRIST, 2] = 1
        return Case(kind, people, expected)
    if kind == "outside":
        anna[0, LEFT_ANKLE] = ben[1, LEFT_ANKLE] = 0
        return Case(kind, people, _mean(people))
    if kind == "swapped person":
        ben[0] = ben[0][BODY12.flip_order]
        return Case(kind, people, None, "anna and ben have left and right exchanged in the whole person at (")
    if kind == "swapped wrists":
        ben[0, [LEFT_WRIST, RIGHT_WRIST]] = ben[0, [RIGHT_WRIST, LEFT_WRIST]]
        return Case(kind, people, None, "anna and ben have left and right exchanged in the wrist at (")
    if kind == "missing person":
        people["ben"] = ben[:1]
        return Case(kind, people, None, "anna has a person at (")
    if kind == "wrong joint":
        ben[0, LEFT_WRIST, :2] = anna[1, LEFT_WRIST, :2] - [0, 0.31 * HEIGHT]
        return Case(kind, people, None, "left wrist at (")
    if kind == "labelled once":
        ben[0, LEFT_ANKLE] = 0
        return Case(kind, people, None, "is labelled by anna and not by ben")
    third = noisy(np.array([anna[0], anna[1]]), rng)
    people["carl"] = third
    if kind == "third agrees":
        ben[1, LEFT_WRIST, :2] -= [0, 0.4 * HEIGHT]
        expected = np.mean([anna, ben[::-1], third], axis=0)
        expected[0, LEFT_WRIST] = (anna[0, LEFT_WRIST] + third[0, LEFT_WRIST]) / 2
        return Case(kind, people, expected)
    if kind == "third swapped":
        people["carl"] = third[:, BODY12.flip_order]
        return Case(kind, people, _mean(people))
    if kind == "third lacks one":
        people["carl"] = third[1:]
        expected = _mean(people)
        expected[1] = np.mean([anna[1], ben[0], third[1]], axis=0)
        return Case(kind, people, expected)
    assert kind == "three differ"
    ben[1, LEFT_WRIST, :2] -= [0, 0.3 * HEIGHT]
    third[0, LEFT_WRIST, :2] += [0, 0.3 * HEIGHT]
    return Case(kind, people, None, "left wrist at (")


# How many pictures of each kind; with two annotators or, of the last four, three: 500 files.
KINDS = {
    "noise": 80,
    "hidden": 20,
    "outside": 15,
    "swapped person": 15,
    "swapped wrists": 15,
    "missing person": 15,
    "wrong joint": 15,
    "labelled once": 15,
    "third agrees": 12,
    "third swapped": 10,
    "third lacks one": 10,
    "three differ": 8,
}

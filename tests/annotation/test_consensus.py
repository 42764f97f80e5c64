"""What several annotators say of one picture, by hand."""

import numpy as np
import pytest

from opec_tf.annotation import agreement, consensus, matching, merging
from opec_tf.poses.skeletons import BODY12, CROWDPOSE14

WRIST = BODY12.joints.index("left_wrist")
# Shoulders at (100 +- 20, 100), hips at (100 +- 14, 180), ankles at (100 +- 20, 300): 200 pixels high.
PERSON = np.array(
    [
        *([120, 100, 2], [80, 100, 2], [132, 140, 2], [68, 140, 2], [140, 176, 2], [60, 176, 2]),
        *([114, 180, 2], [86, 180, 2], [118, 240, 2], [82, 240, 2], [120, 300, 2], [80, 300, 2]),
    ],
    float,
)


def _moved(joint, x=0.0, y=0.0, v=2, person=PERSON):
    other = person.copy()
    other[joint] = [other[joint, 0] + x, other[joint, 1] + y, v] if v else 0
    return other


def _agree(*people, most=0.15, **named):
    people = dict(zip("abcdefg", people), **named)
    return consensus.agree({name: np.asarray(of).reshape(-1, 12, 3) for name, of in people.items()}, BODY12, most)


def test_two_who_agree_give_the_mean():
    found = _agree([PERSON], [_moved(WRIST, 12, -8)])
    assert found.problems == [] and found.missed == found.added == found.outvoted == []
    np.testing.assert_allclose(found.people, [_moved(WRIST, 6, -4)])
    (pair,) = found.comparisons
    assert pair.annotators == ("a", "b")
    assert pair.deviations[WRIST] == pytest.approx(np.hypot(12, 8) / 200)
    # OKS: the area is 200 x 80, the wrist's sigma 0.062.
    area = 200 * max(80, 0.3 * 200)
    assert pair.similarities[WRIST] == pytest.approx(np.exp(-208 / (2 * (2 * 0.062) ** 2 * area)), rel=1e-6)
    assert pair.deviations[0] == 0 and pair.similarities[0] == 1


@pytest.mark.parametrize(("x", "problems"), [(30, 0), (31, 1)])
def test_the_limit_is_the_one_that_is_given(x, problems):
    found = _agree([PERSON], [_moved(WRIST, -x)])
    assert len(found.problems) == problems
    if problems:
        assert found.problems == ["left wrist at (124, 176) differs by 0.15 of the person's size"]


def test_hidden_if_one_of_those_who_agree_says_so():
    assert _agree([PERSON], [_moved(WRIST, v=1)]).people[0, WRIST, 2] == 1
    found = _agree([PERSON], [PERSON], [_moved(WRIST, v=1)])
    assert found.people[0, WRIST, 2] == 1 and found.hidden_by_some == 1
    # The one who says hidden has the joint elsewhere.
    found = _agree([PERSON], [PERSON], [_moved(WRIST, -60, v=1)])
    assert found.people[0, WRIST].tolist() == [140, 176, 2]
    assert found.hidden_by_some == 0 and found.outvoted == [("c", WRIST)]


def test_a_majority_decides_joint_by_joint():
    """Each of three is wrong in another joint, so that no two agree in all; yet of each joint two agree."""
    found = _agree([_moved(0, 0, -50)], [_moved(WRIST, -60)], [_moved(11, 0, v=0)])
    assert found.problems == []
    np.testing.assert_allclose(found.people, [PERSON])
    assert found.outvoted == [("a", 0), ("b", WRIST), ("c", 11)]


def test_no_majority_is_a_problem():
    found = _agree([PERSON], [PERSON], [_moved(WRIST, -60)], [_moved(WRIST, -60)])
    assert found.problems == ["left wrist at (110, 176) differs by 0.30 of the person's size"]
    found = _agree([PERSON], [_moved(WRIST, v=0)])
    assert found.problems == ["left wrist at (140, 176) is labelled by a and not by b"]
    assert _agree([PERSON], [_moved(WRIST, v=0)], [_moved(WRIST, v=0)]).people[0, WRIST].tolist() == [0, 0, 0]


def test_of_a_chain_the_closest_are_taken():
    """b is near to a and to c, which are 0.2 apart: the two that are closer."""
    found = _agree([PERSON], [_moved(WRIST, -16)], [_moved(WRIST, -40)])
    assert found.people[0, WRIST].tolist() == [132, 176, 2] and found.outvoted == [("c", WRIST)]


def test_people_are_found_whatever_their_order():
    other = PERSON + [60, 5, 0]
    found = _agree([PERSON, other], [other, PERSON], [other + [2, 0, 0], PERSON])
    assert found.problems == []
    np.testing.assert_allclose(sorted(found.people[:, 0, 0]), [120, 180 + 2 / 3])


def test_a_person_that_one_has_not():
    other = PERSON + [60, 5, 0]
    found = _agree([PERSON, other], [PERSON])
    assert found.problems == ["a has a person at (160, 194), b has none"] and found.missed == ["b"]
    found = _agree([PERSON, other], [PERSON], [PERSON])
    assert (found.problems, found.added, len(found.people)) == ([], ["a"], 1)
    found = _agree([PERSON, other], [PERSON], [PERSON, other])
    assert (found.problems, found.missed, len(found.people)) == ([], ["b"], 2)
    far = PERSON + [900, 0, 0]
    found = _agree([PERSON], [far])
    assert len(found.problems) == 2 and {problem.split(" has ")[0] for problem in found.problems} == {"a", "b"}


def test_a_person_without_joints_is_nobody():
    found = _agree([PERSON, np.zeros((12, 3))], [PERSON])
    assert found.problems == [] and found.people.shape == (1, 12, 3)


def test_nobody_by_all_is_no_problem():
    found = _agree([], [])
    assert found.problems == [] and found.people.shape == (0, 12, 3)


def test_left_and_right_exchanged():
    swapped = PERSON[BODY12.flip_order]
    found = _agree([PERSON], [swapped])
    assert found.problems == ["a and b have left and right exchanged in the whole person at (100, 189)"]
    assert found.comparisons[0].swapped.all()
    # Hips are 28 apart, less than --max_deviation: a mean would put both in the middle.
    hips = [6, 7]
    some = PERSON.copy()
    some[hips] = some[hips[::-1]]
    found = _agree([PERSON], [some])
    assert found.problems == ["a and b have left and right exchanged in the hip at (100, 189)"]
    found = _agree([PERSON], [swapped], [PERSON])
    assert found.problems == [] and found.outvoted == [("b", joint) for joint in range(12)]
    np.testing.assert_allclose(found.people, [PERSON])


def test_seen_from_the_side_nothing_is_exchanged():
    """Left and right coincide nearly, and who labels them differs by as much."""
    side = PERSON.copy()
    side[:, 0] = 100 + 0.05 * (side[:, 0] - 100)
    assert _agree([side], [side[BODY12.flip_order]]).problems == []


def test_one_joint_astray_does_not_make_the_person_large():
    stray = _moved(11, 0, 600)
    members = np.stack([PERSON, stray])
    assert matching.match({"a": members[:1], "b": members[1:]}, BODY12)[0].size == 200


def test_boxes_hold_the_head():
    low, high = (
        np.array([60, 60 - 16]),
        np.array([140, 300 + 16]),
    )  # half of 80 above the shoulders; 0.08 of 240 of room
    box = merging.person_boxes(PERSON[None], BODY12, np.array([[400, 500]]))[0]
    room = 0.08 * 240 + 0.5
    np.testing.assert_allclose(box, [60 - room + 0.5, 60 - room + 0.5, 80 + 2 * room, 240 + 2 * room])
    assert (box[:2] < low).all() and (box[:2] + box[2:] > high).all()
    # Cut off at the picture's edge; and with a head among the joints nothing is added.
    box = merging.person_boxes(PERSON[None], BODY12, np.array([[310, 130]]))[0]
    np.testing.assert_allclose(box[:2] + box[2:], [130, 310])
    with_head = np.append(PERSON, [[100, 70, 2], [100, 90, 2]], axis=0)
    box = merging.person_boxes(with_head[None], CROWDPOSE14, np.array([[400, 500]]))[0]
    assert box[1] == pytest.approx(70 - 0.08 * 230 - 0.5 + 0.5)


def test_figures_of_nothing_are_said_to_be_none():
    figures = agreement.describe([_agree([], [])], BODY12, 0.15)
    assert figures["joints"]["left_hip"]["agree"] is None and figures["annotators"] == {}
    assert "left_hip" in agreement.as_text(figures)

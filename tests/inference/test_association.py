"""Association on crowds whose owners are known."""

import numpy as np
import pytest

from opec_tf.inference import association
from opec_tf.poses import skeletons

SIGMAS = skeletons.BODY12.sigmas


def crowd(people, seed=0, confused=0.5):
    """Joints of people on a grid, and what their heatmaps say of them.

    Everybody sees the joints of the nearest neighbour too, in a share of the joints as the highest peak; the owner sees
    each joint most. Returns (joints [P, K, 2], candidates [P, K, 2, 3]).
    """
    random = np.random.default_rng(seed)
    joints = random.uniform(0, 70, [people, 12, 2]) + 60.0 * np.arange(people)[:, None, None] * [1, 0]
    others = joints[np.arange(people) ^ 1]
    # Of two neighbours one at most errs about a joint, as 0.7 + 0.5 > 0.6 + 0.3 needs.
    errs = random.uniform(size=[people // 2, 12]) < confused
    errs = np.stack([errs, ~errs & (random.uniform(size=errs.shape) < confused)], axis=1).reshape(people, 12)
    own = np.concatenate([joints, np.where(errs, 0.5, 0.7)[..., None]], axis=-1)
    other = np.concatenate([others + random.normal(0, 0.5, others.shape), np.where(errs, 0.6, 0.3)[..., None]], axis=-1)
    candidates = np.stack([own, other], axis=2)
    return joints, np.take_along_axis(candidates, np.argsort(-candidates[..., 2:], axis=2), axis=2)


@pytest.mark.parametrize("people", [2, 8])
def test_everybody_gets_the_own_joints_where_the_highest_peak_fails(people):
    joints, candidates = crowd(people)
    alone = np.all(candidates[:, :, 0, :2] == joints, axis=-1)
    assert 0.2 < alone.mean() < 0.7
    found = association.associate(candidates, np.ones(people), np.full(people, 4000.0), SIGMAS, radius=1.0)
    np.testing.assert_array_equal(found[..., :2], joints)


def test_the_best_sum_wins_not_the_best_score():
    """A: 0.9 here, 0.8 there. B: 0.8 here, 0.2 there. A's best is here, but 0.8 + 0.8 is more than 0.9 + 0.2."""
    here, there = [10.0, 10.0], [90.0, 10.0]
    candidates = np.array([[[[*here, 0.9], [*there, 0.8]]], [[[*here, 0.8], [*there, 0.2]]]])
    found = association.associate(candidates, [1.0, 1.0], [1e4, 1e4], SIGMAS[:1], 1.0)
    np.testing.assert_array_equal(found[:, 0], [[*there, 0.8], [*here, 0.8]])
    # A person who is hardly there does not push A away: 0.9 + 0.1 * 0.2 is more than 0.8 + 0.1 * 0.8.
    found = association.associate(candidates, [1.0, 0.1], [1e4, 1e4], SIGMAS[:1], 1.0)
    np.testing.assert_array_equal(found[:, 0], [[*here, 0.9], [*there, 0.2]])


def test_a_loser_without_another_candidate_keeps_its_peak_at_half_the_score():
    candidates = np.array([[[[10, 10, 0.9], [10, 10, 0.0]]], [[[11, 10, 0.6], [50, 10, 0.04]]]])
    found = association.associate(candidates, [1.0, 1.0], [1e4, 1e4], SIGMAS[:1], 1.0)
    np.testing.assert_array_equal(found[:, 0], [[10, 10, 0.9], [11, 10, 0.3]])


def test_what_is_one_joint_depends_on_the_smaller_person_and_the_joints_sigma():
    """At 9 pixels: a hip's sigma is 0.107, a wrist's 0.062; sqrt(area) is 100."""
    candidates = np.array([[[[10, 10, 0.9], [90, 10, 0.2]]], [[[19, 10, 0.8], [90, 10, 0.3]]]])
    wrist, hip = (SIGMAS[[skeletons.BODY12.joints.index(name)]] for name in ("left_wrist", "left_hip"))
    moved = [
        association.associate(candidates, [1.0, 1.0], areas, sigma, radius)[1, 0, 0] == 90.0
        for areas, sigma, radius in (
            ([1e4, 1e4], hip, 1.0),
            ([1e4, 1e4], wrist, 1.0),
            ([1e4, 4e3], hip, 1.0),
            ([1e4, 1e4], wrist, 2.0),
            ([1e4, 1e4], hip, 0.0),
        )
    ]
    assert moved == [True, False, False, True, False]


def test_a_person_never_competes_with_itself():
    """Both peaks of A lie near B's: one of them takes B's place, the other is a place of its own."""
    candidates = np.array([[[[10, 10, 0.6], [14, 10, 0.5]]], [[[12, 10, 0.7], [12, 10, 0.0]]]])
    found = association.associate(candidates, [1.0, 1.0], [1e4, 1e4], SIGMAS[:1], 1.0)
    np.testing.assert_array_equal(found[:, 0], [[14, 10, 0.5], [12, 10, 0.7]])


def test_images_are_apart_and_rows_may_come_in_any_order():
    joints, candidates = crowd(4)
    image_ids = np.array([7, 7, 3, 3])
    order = [2, 0, 3, 1]
    found = association.associate_images(
        candidates[order], np.ones(4), np.full(4, 4000.0), image_ids[order], SIGMAS, 1.0
    )
    np.testing.assert_array_equal(found[..., :2], joints[order])
    alone = association.associate_images(candidates, np.ones(4), np.full(4, 4000.0), np.arange(4), SIGMAS, 1.0)
    np.testing.assert_array_equal(alone, candidates[:, :, 0])
    assert association.associate_images(candidates[:0], np.ones(0), np.ones(0), np.ones(0), SIGMAS, 1.0).shape == (
        0,
        12,
        3,
    )

"""The tracker on generated people who cross, stop, leave and come back."""

import numpy as np
import pytest
import walkers

from opec_tf.inference import tracking
from opec_tf.inference.tracking import Tracker

SIGMAS = walkers.SKELETON.sigmas


def follow(people, rate=25.0, seed=0, noise=0.0, missed=()):
    """What ids a tracker gives people [frames, P, 12, 2], shown in any order with noise on joints and boxes.

    ``missed`` are pairs (frame, person) who are not shown. Returns int [frames, P], 0 of who was not shown.
    """
    rng, tracker = np.random.default_rng(seed), Tracker(SIGMAS, rate)
    ids = np.zeros(people.shape[:2], int)
    for t, frame in enumerate(people):
        seen = rng.permutation([p for p in range(len(frame)) if (t, p) not in missed]).astype(int)
        points = frame[seen] + rng.normal(0, noise, frame[seen].shape)
        boxes = np.array([walkers.box(pose) for pose in frame[seen]]).reshape(-1, 4) + rng.normal(
            0, noise, (len(seen), 4)
        )
        ids[t, seen] = tracker.update(boxes, points, t)
    return ids


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("step", [2.0, 6.0, 12.0])
def test_who_cross_keep_their_ids(seed, step):
    """Noise is 3 % of their height; while they lie on each other now the one, now the other is missed."""
    people = walkers.crossing(step=step)
    distance = np.abs(people[:, 0].mean(axis=1) - people[:, 1].mean(axis=1))[:, 0]
    (meeting,) = np.flatnonzero(distance == distance.min())
    missed = {(meeting - 4, 0), (meeting, 1), (meeting + 1, 1), (meeting + 2, 1), (meeting + 6, 0), (10, 0)}
    ids = follow(people, seed=seed, noise=0.03 * walkers.HEIGHT, missed=missed)
    assert distance.min() < 0.1 * walkers.HEIGHT
    for person in (0, 1):
        seen = ids[ids[:, person] > 0, person]
        assert (seen == seen[0]).all(), ids.tolist()
    assert sorted(ids[0]) == [1, 2]


def test_without_a_guess_who_crosses_would_be_taken_for_the_other(monkeypatch):
    """What the constant velocity is good for: two people of one pose glide through each other, 22 pixels a frame, and
    after it each stands nearer to where the other was."""
    way = 12.0 * (np.arange(40) - 19.5)
    people = np.array([[walkers.pose([320 + x, 200], 0), walkers.pose([320 - 0.8 * x, 200], 0)] for x in way])
    assert (follow(people) == follow(people)[0]).all()
    monkeypatch.setattr(tracking.Track, "shift", lambda self, frame: np.zeros(2))
    ids = follow(people)
    assert not (ids == ids[0]).all()


def test_who_is_missed_for_a_while_keeps_the_id_and_who_is_gone_for_longer_gets_a_new_one():
    """At 25 frames a second tracks are kept for 15 frames, at an unknown rate for 5."""
    people = np.array([[walkers.pose([100.0 + 4 * t, 200.0], 0.3 * t)] for t in range(60)])
    for rate, kept in ((25.0, 15), (None, 5), (5.0, 5), (50.0, 30)):
        ids = follow(people, rate, missed={(t, 0) for t in range(10, 10 + kept - 1)})
        assert set(ids[:, 0]) == {0, 1}, rate
        ids = follow(people, rate, missed={(t, 0) for t in range(10, 10 + kept)})
        assert list(dict.fromkeys(ids[:, 0])) == [1, 0, 2], rate


def test_ids_count_up_and_are_never_given_again():
    """One after the other is in the picture, each far from the one before, at times two."""
    tracker = Tracker(SIGMAS, 25.0)
    seen = []
    for frame, places in enumerate([[100], [100, 400], [], [900, 400], [], [1500, 100]]):
        people = np.reshape([walkers.pose([x, 200.0], 0.0) for x in places], [-1, 12, 2])
        boxes = np.reshape([walkers.box(pose) for pose in people], [-1, 4])
        seen.append(tracker.update(boxes, people, 20 * frame if frame > 3 else frame).tolist())
    assert seen == [[1], [1, 2], [], [3, 2], [], [4, 5]]


def test_affinity_by_hand():
    """A track at (0, 0) that goes 10 pixels a frame, two frames later; its box is 100 x 100."""
    points = np.zeros([12, 2])
    track = tracking.Track(1, np.array([0.0, 0, 100, 100]), points, np.array([10.0, 0.0]), frame=3)
    boxes = np.array([[20.0, 0, 100, 100], [70, 0, 100, 100], [500, 0, 100, 100]])
    found = tracking.affinities([track], boxes, np.tile(boxes[:, None, :2], [1, 12, 1]), 5, np.full(12, 0.08))
    oks = np.exp(-(50.0**2) / (2 * 0.16**2 * 100**2))
    np.testing.assert_allclose(found, [[1.0, 0.5 * (50 / 150 + oks), 0.0]], atol=1e-12)
    assert tracking.affinities([], boxes, np.zeros([3, 12, 2]), 5, SIGMAS).shape == (0, 3)
    assert tracking.affinities([track], np.zeros([0, 4]), np.zeros([0, 12, 2]), 5, SIGMAS).shape == (1, 0)


def test_the_highest_affinity_is_served_first_and_a_low_one_never():
    affinity = np.array([[0.8, 0.9, 0.0], [0.7, 0.85, 0.1]])
    # Greedy: track 0 takes pose 1, though 0.85 + 0.8 would be more than 0.9 + 0.7.
    assert tracking.match(affinity) == {1: 0, 0: 1}
    assert tracking.match(np.array([[0.1, 0.0]])) == {} and tracking.match(np.zeros([0, 2])) == {}


def test_the_velocity_is_the_bodys_and_half_of_a_new_one_counts():
    track = tracking.Track(1, np.zeros(4), np.zeros([12, 2]), None, frame=0)
    assert (track.shift(5) == 0).all()
    track = track.seen_again(np.zeros(4), np.full([12, 2], [8.0, 4.0]), frame=2)
    np.testing.assert_allclose(track.shift(4), [8.0, 4.0])
    track = track.seen_again(np.zeros(4), np.full([12, 2], [8.0, 4.0]), frame=3)
    np.testing.assert_allclose(track.shift(4), [2.0, 1.0])

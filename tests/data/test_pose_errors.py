"""Errors of the sizes and at the rates that they are asked for."""

import numpy as np
import pytest
import tensorflow as tf

from opec_tf.data import pose_errors
from opec_tf.poses.skeletons import BODY12, CROWDPOSE14

PEOPLE, AREA = 400, 2500.0


def synthesize(skeleton=BODY12, unlabelled=(), partner=True, seed=0, **rates):
    """Poses with errors, the joints and the partners' joints, of people whose joints are 1000 pixels apart."""
    joints = np.full([PEOPLE, skeleton.num_joints, 3], 2.0, np.float32)
    joints[..., 0], joints[..., 1] = 1000.0 * np.arange(skeleton.num_joints), 0.0
    joints[:, list(unlabelled), 2] = 0
    partners = joints + np.array([0, 5000, 0 if partner else -2], np.float32)
    poses = pose_errors.synthesize(
        tf.constant(joints),
        tf.constant(partners),
        tf.fill([PEOPLE], AREA),
        skeleton,
        [seed, 1],
        pose_errors.Rates(**rates),
    )
    return poses.numpy(), joints[..., :2], partners[..., :2]


def similarity(points, joints, skeleton=BODY12):
    distance = np.linalg.norm(points - joints, axis=-1)
    return np.exp(-(distance**2) / (2 * AREA * (2 * skeleton.sigmas) ** 2))


@pytest.mark.parametrize(("kind", "low", "high"), [(None, 0.85, 1.0), ("jitter", 0.5, 0.85), ("miss", 0.1, 0.5)])
def test_how_far_off_a_joint_lies(kind, low, high):
    poses, joints, _ = synthesize(**({kind: 1.0} if kind else {}))
    found = similarity(poses[..., :2], joints)
    assert low - 1e-4 <= found.min() < low + 0.02 and high - 0.02 < found.max() <= high + 1e-4
    # In all directions alike.
    assert np.abs(np.mean(poses[..., :2] - joints, axis=(0, 1))).max() < 1.0
    assert 0.1 <= poses[..., 2].min() < 0.12 and 0.98 < poses[..., 2].max() <= 1.0


def test_inversion_is_at_the_other_side_where_there_is_one():
    poses, joints, _ = synthesize(CROWDPOSE14, unlabelled=[0], inversion=1.0)
    other = joints[:, CROWDPOSE14.flip_order]
    close = similarity(poses[..., :2], other, CROWDPOSE14) > 0.5 - 1e-4
    assert close[:, 2:12].all() and not close[:, :2].any()
    # Joint 1's other side is not labelled, head and neck have none: these are good, and joint 0 is not given.
    assert (similarity(poses[..., :2], joints, CROWDPOSE14)[:, [1, 12, 13]] > 0.85 - 1e-4).all()
    np.testing.assert_array_equal(poses[:, 0], 0.0)


def test_swap_is_at_the_partners_joint_where_there_is_a_partner():
    poses, joints, partners = synthesize(swap=1.0)
    assert (similarity(poses[..., :2], partners) > 0.5 - 1e-4).all()
    poses, joints, _ = synthesize(swap=1.0, partner=False)
    assert (similarity(poses[..., :2], joints) > 0.85 - 1e-4).all()


def test_rates_and_seeds():
    rates = {"jitter": 0.2, "miss": 0.1, "inversion": 0.05, "swap": 0.15}
    poses, joints, partners = synthesize(**rates)
    own = similarity(poses[..., :2], joints)
    shares = [
        np.mean((own > 0.5) & (own < 0.85)),
        np.mean((own > 0.09) & (own < 0.5)),
        np.mean(similarity(poses[..., :2], joints[:, BODY12.flip_order]) > 0.49),
        np.mean(similarity(poses[..., :2], partners) > 0.49),
    ]
    np.testing.assert_allclose(shares, list(rates.values()), atol=0.02)
    np.testing.assert_array_equal(synthesize(**rates)[0], poses)
    assert np.abs(synthesize(seed=1, **rates)[0] - poses).max() > 100

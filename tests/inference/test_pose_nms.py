"""Duplicates by OKS, and parametric pose NMS against sums worked out by hand."""

import math

import numpy as np
import pytest

from opec_tf.config import InferenceConfig
from opec_tf.inference import pose_nms

SIGMAS = np.full(12, 0.08)
BOXES = np.tile([0.0, 0.0, 100.0, 100.0], [4, 1])
SCORES = np.array([0.9, 0.8, 0.7, 0.6])


def people(*shifts, score=0.5, joints=12):
    """Poses with all joints at (shift, 0); float64 [N, K, 3]."""
    keypoints = np.zeros([len(shifts), joints, 3])
    keypoints[..., 0], keypoints[..., 2] = np.array(shifts)[:, None], score
    return keypoints


def suppress(keypoints, candidates=(0, 1, 2, 3), rule="oks", threshold=0.9, image_ids=(1, 1, 1, 2)):
    return pose_nms.suppress_duplicates(
        keypoints,
        SCORES,
        BOXES,
        np.array(image_ids),
        np.array(candidates, int),
        sigmas=SIGMAS,
        config=InferenceConfig(pose_nms=rule, nms_oks=threshold),
    )


def test_oks_keeps_chains_and_other_images():
    """Three people in a row, each like the next: dropping the middle one saves the last. The fourth is elsewhere."""
    # OKS at distance d: exp(-d^2 / (2 area (2 sigma)^2)): 0.909 at 7, 0.682 at 14.
    keypoints = people(0.0, 7.0, 14.0, 0.0)
    kept, unchanged = suppress(keypoints)
    np.testing.assert_array_equal(kept, [0, 2, 3])
    np.testing.assert_array_equal(unchanged, keypoints)
    np.testing.assert_array_equal(suppress(keypoints, threshold=0.6)[0], [0, 3])
    np.testing.assert_array_equal(suppress(keypoints, [1, 2], threshold=0.92)[0], [1, 2])
    assert len(suppress(keypoints, [])[0]) == 0


def test_parametric_similarity_by_hand():
    """Box 100 x 50: the reach is 10 pixels. Within it scores count, beyond it places alone; gamma is for 17 joints."""
    keypoints = people(0.0, 8.0, 25.0, joints=17)
    keypoints[1, :, 2] = 0.8
    found = pose_nms.parametric_similarity(keypoints, np.tile([3.0, 4.0, 100.0, 50.0], [3, 1]))
    near = 17 * (math.tanh(0.5) * math.tanh(0.8) + 1.7 * math.exp(-0.8 / 2.65)) / 22.48
    far = 17 * 1.7 * math.exp(-2.5 / 2.65) / 22.48
    np.testing.assert_allclose(found[0], [17 * (math.tanh(0.5) ** 2 + 1.7) / 22.48, near, far], rtol=1e-6)
    # A box of twice the size: everybody is nearer.
    doubled = pose_nms.parametric_similarity(keypoints, np.tile([3.0, 4.0, 200.0, 50.0], [3, 1]))
    assert doubled[0, 2] == pytest.approx(17 * 1.7 * math.exp(-1.25 / 2.65) / 22.48)
    # The same poses in fewer joints are as alike.
    np.testing.assert_allclose(pose_nms.parametric_similarity(keypoints[:, :12], BOXES[:3]), found, rtol=1e-6)


def test_parametric_keeps_the_better_and_merges_what_is_near():
    """At the reach's half all joints agree; one joint of the weaker pose is far and does not count."""
    keypoints = people(0.0, 5.0, 60.0, 0.0)
    keypoints[1, :, 2] = 0.25
    keypoints[1, 3, 0] = 40.0
    kept, merged = suppress(keypoints, rule="parametric")
    np.testing.assert_array_equal(kept, [0, 2, 3])
    expected = people(0.0, 5.0, 60.0, 0.0)[[0, 2, 3]]
    expected[0, :, 0] = 5.0 * 0.25 / 0.75
    expected[0, :, 2] = (0.5**2 + 0.25**2) / 0.75
    expected[0, 3] = [0.0, 0.0, 0.5]
    np.testing.assert_allclose(merged[kept], expected, atol=1e-12)


def test_parametric_leaves_different_poses_of_one_box_alone():
    spread = np.random.default_rng(0).uniform(0, 100, [4, 12, 2])
    keypoints = np.concatenate([spread, np.full([4, 12, 1], 0.9)], axis=-1)
    kept, unchanged = suppress(keypoints, rule="parametric", image_ids=(1, 1, 1, 1))
    np.testing.assert_array_equal(kept, range(4))
    np.testing.assert_array_equal(unchanged, keypoints)


def test_joints_without_a_score_merge_to_numbers():
    kept, merged = suppress(people(0.0, 1.0, 60.0, 0.0, score=0.0), rule="parametric")
    np.testing.assert_allclose(merged[kept[0], :, 0], 0.5)
    assert np.isfinite(merged).all()

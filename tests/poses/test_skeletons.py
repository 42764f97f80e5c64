"""Joint sets against the published lists, and the mappings among them."""

import numpy as np
import pytest

from opec_tf.poses import skeletons
from opec_tf.poses.skeletons import BODY12, COCO17, CROWDPOSE14, MPII16

ALL = tuple(skeletons.SKELETONS.values())


def test_the_four_joint_sets_are_known_by_name():
    assert {name: skeleton.num_joints for name, skeleton in skeletons.SKELETONS.items()} == {
        "body12": 12,
        "crowdpose14": 14,
        "coco17": 17,
        "mpii16": 16,
    }


def test_body12_is_shared_by_coco_and_crowdpose():
    assert COCO17.joints[5:17] == BODY12.joints
    assert CROWDPOSE14.joints[:12] == BODY12.joints
    assert CROWDPOSE14.joints[12:] == ("head", "neck")


def test_joint_order_of_the_published_files():
    assert BODY12.joints[::2] == ("left_shoulder", "left_elbow", "left_wrist", "left_hip", "left_knee", "left_ankle")
    assert COCO17.joints[:5] == ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
    assert MPII16.joints[0] == "right_ankle" and MPII16.joints[9] == "head" and MPII16.joints[15] == "left_wrist"


@pytest.mark.parametrize("skeleton", ALL, ids=lambda s: s.name)
def test_mirroring_twice_changes_nothing_and_swaps_sides(skeleton):
    order = skeleton.flip_order
    np.testing.assert_array_equal(order[order], np.arange(skeleton.num_joints))
    for joint, other in zip(skeleton.joints, order):
        expected = joint.replace("left_", "R_").replace("right_", "left_").replace("R_", "right_")
        assert skeleton.joints[other] == expected


def test_flip_order_by_hand():
    np.testing.assert_array_equal(BODY12.flip_order, [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10])
    np.testing.assert_array_equal(CROWDPOSE14.flip_order, [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 12, 13])
    np.testing.assert_array_equal(COCO17.flip_order, [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15])
    np.testing.assert_array_equal(MPII16.flip_order, [5, 4, 3, 2, 1, 0, 6, 7, 8, 9, 15, 14, 13, 12, 11, 10])


@pytest.mark.parametrize("skeleton", ALL, ids=lambda s: s.name)
def test_the_body_graph_is_connected_symmetric_and_has_self_loops(skeleton):
    adjacency = skeleton.adjacency
    np.testing.assert_array_equal(adjacency, adjacency.T)
    np.testing.assert_array_equal(np.diag(adjacency), 1.0)
    assert adjacency.sum() == skeleton.num_joints + 2 * len(skeleton.bones)
    reachable = np.linalg.matrix_power(adjacency.astype(np.float64), skeleton.num_joints)
    assert (reachable > 0).all()
    # A mirrored body has the same bones.
    flip = skeleton.flip_order
    np.testing.assert_array_equal(adjacency[np.ix_(flip, flip)], adjacency)


def test_numbers_of_bones_and_neighbours_by_hand():
    assert [len(skeleton.bones) for skeleton in ALL] == [12, 14, 19, 15]
    # A left shoulder of body12 joins the right shoulder, the left elbow and the left hip.
    np.testing.assert_array_equal(np.flatnonzero(BODY12.adjacency[0]), [0, 1, 2, 6])
    # crowdpose14's shoulders hang on the neck, not on each other.
    np.testing.assert_array_equal(np.flatnonzero(CROWDPOSE14.adjacency[13]), [0, 1, 12, 13])
    assert CROWDPOSE14.adjacency[0, 1] == 0


def test_sigmas_are_those_of_the_published_tools():
    coco = [0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89]
    crowdpose = [0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89, 0.79, 0.79]
    np.testing.assert_allclose(COCO17.sigmas, np.array(coco) / 10, rtol=1e-6)
    np.testing.assert_allclose(CROWDPOSE14.sigmas, np.array(crowdpose) / 10, rtol=1e-6)
    np.testing.assert_array_equal(BODY12.sigmas, COCO17.sigmas[5:])


def test_mappings_go_by_name_and_mark_what_is_missing():
    np.testing.assert_array_equal(BODY12.mapping_from(COCO17), np.arange(5, 17))
    np.testing.assert_array_equal(CROWDPOSE14.mapping_from(COCO17), [*range(5, 17), -1, -1])
    np.testing.assert_array_equal(COCO17.mapping_from(BODY12), [-1] * 5 + [*range(12)])
    np.testing.assert_array_equal(CROWDPOSE14.mapping_from(MPII16), [13, 12, 14, 11, 15, 10, 3, 2, 4, 1, 5, 0, 9, 8])
    np.testing.assert_array_equal(MPII16.mapping_from(MPII16), np.arange(16))

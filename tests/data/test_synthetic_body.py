import numpy as np
import pytest

from opec_tf.data.synthetic import body, body_shape, contact, interactions
from opec_tf.poses import skeletons

KINDS = (*interactions.SEEN_KINDS, *interactions.NEW_KINDS)


def _pairs(kind, count=6):
    rng = np.random.default_rng([1, KINDS.index(kind)])
    return [
        interactions.pose_pair(rng, kind, (body_shape.sample_shape(rng), body_shape.sample_shape(rng)))
        for _ in range(count)
    ]


def test_rotation_leans_forward_to_the_left_and_turns_left():
    # Body axes: x left, y up, z forward.
    np.testing.assert_allclose(body.rotation(pitch=90) @ [0, 1, 0], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(body.rotation(roll=90) @ [0, 1, 0], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(body.rotation(yaw=90) @ [0, 0, 1], [1, 0, 0], atol=1e-12)
    matrix = body.rotation(20, -15, 130)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1.0)


def test_two_bone_reaches_what_it_can_and_bends_towards_the_pole():
    lengths = np.array([[0.3, 0.25]] * 3)
    root, pole = np.zeros((3, 3)), np.array([[0.0, 0.0, 1.0]] * 3)
    target = np.array([[0.4, 0.0, 0.0], [2.0, 0.0, 0.0], [0.01, 0.0, 0.0]])  # within reach, too far, too near
    middle, end = body.two_bone(root, target, lengths, pole, (4.0, 145.0))
    np.testing.assert_allclose(end[0], target[0], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(middle, axis=1), 0.3, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(end - middle, axis=1), 0.25, atol=1e-6)
    assert (middle[:, 2] > 0).all() and np.allclose(middle[:, 1], 0)
    first, second = middle / 0.3, (end - middle) / 0.25
    flexion = np.degrees(np.arccos((first * second).sum(1)))
    assert flexion[1] == pytest.approx(4.0, abs=1e-3) and flexion[2] == pytest.approx(145.0, abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_poses_keep_limits_lengths_and_the_ground(kind):
    joint = skeletons.CROWDPOSE14.joints.index
    bones = (
        ("upper_arm", "shoulder", "elbow"),
        ("forearm", "elbow", "wrist"),
        ("thigh", "hip", "knee"),
        ("shin", "knee", "ankle"),
    )
    for pair in _pairs(kind):
        for pose in pair:
            shape, posing = pose.posing.shape, pose.posing
            for side in ("left", "right"):
                for part, start, end in bones:
                    length = np.linalg.norm(pose.joint(f"{side}_{start}") - pose.joint(f"{side}_{end}"))
                    assert length == pytest.approx(shape.length(part), abs=1e-6)
            width = np.linalg.norm(pose.joints[joint("left_hip")] - pose.joints[joint("right_hip")])
            assert width == pytest.approx(2 * shape.length("hip_half"))
            skull = np.linalg.norm(pose.joint("head") - pose.skull)
            assert skull == pytest.approx(shape.length("head"))

            flexion, limits = pose.flexion(), body.JOINT_LIMITS
            assert (flexion[:2] >= limits["elbow"][0] - 0.01).all() and (flexion[:2] <= limits["elbow"][1] + 0.01).all()
            assert (flexion[2:] >= limits["knee"][0] - 0.01).all() and (flexion[2:] <= limits["knee"][1] + 0.01).all()
            for angles, part in ((posing.spine, "spine"), (posing.head, "head")):
                for angle, name in zip(angles, ("pitch", "roll", "twist")):
                    assert limits[f"{part}_{name}"][0] <= angle <= limits[f"{part}_{name}"][1]

            assert pose.joints[:, 1].min() > 0.0
            assert pose.strain() < 0.2
            if posing.grounded.any():
                foot = posing.grounded.argmax()
                assert pose.joints[10 + foot, 1] < shape.length("ankle_height") + 0.2
        assert contact.excess(*pair) < 0.12
        # Somebody is on the ground, on the toes at most.
        assert min(pose.joints[:, 1].min() for pose in pair) < 0.2


def test_kinds_are_many_and_some_families_and_some_kinds_of_the_others_are_new():
    assert len(KINDS) == len(set(KINDS)) == len(interactions.KINDS) >= 40
    seen, new = (
        {interactions.FAMILY_OF[kind] for kind in kinds} for kinds in (interactions.SEEN_KINDS, interactions.NEW_KINDS)
    )
    assert new - seen == set(interactions.NEW_FAMILIES) and len(seen & new) >= 4
    assert {"cradle", "dip", "lift", "kneel"} <= set(interactions.NEW_KINDS)


def test_no_two_kinds_are_the_same_in_joint_configuration():
    """The mean pose of each kind, in the frame of the first person's pelvis, lies off that of every other."""
    means = []
    for kind in KINDS:
        rng, poses = np.random.default_rng(3), []
        for _ in range(8):
            pair = body.Posing(body_shape.BodyShape(1.75)), body.Posing(body_shape.BodyShape(1.75))
            interactions.KINDS[kind](rng, *pair)
            turn = body.rotation(yaw=pair[0].facing)
            poses.append([(posing.solve().joints - pair[0].pelvis * [1, 0, 1]) @ turn for posing in pair])
        means.append(np.mean(poses, axis=0))
    means = np.array(means)
    apart = np.linalg.norm(means[:, None] - means[None], axis=-1).mean(axis=(2, 3))
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > 0.07


@pytest.mark.parametrize("kind", KINDS)
def test_knees_bend_forward(kind):
    for pair in _pairs(kind):
        for pose in pair:
            for side in (0, 1):
                hip, knee, ankle = pose.joints[[6 + side, 8 + side, 10 + side]]
                along = (ankle - hip) / np.linalg.norm(ankle - hip)
                bend = (knee - hip) - ((knee - hip) @ along) * along
                pole = pose.posing.pelvis_rotation @ pose.posing.knee_poles[side]
                # The knee leaves the line from hip to ankle on the side that the pelvis's front or the outside lies on.
                assert bend @ pole > 0
                assert pose.posing.knee_poles[side][2] > 0


def test_mirroring_swaps_left_and_right():
    rng = np.random.default_rng(5)
    for kind in KINDS:
        pair = body.Posing(body_shape.sample_shape(rng)), body.Posing(body_shape.sample_shape(rng))
        interactions.KINDS[kind](rng, *pair)
        before = [posing.solve().joints for posing in pair]
        for posing in pair:
            posing.mirror()
        after = [posing.solve().joints for posing in pair]
        for first, second in zip(before, after):
            expected = first[skeletons.CROWDPOSE14.flip_order] * [-1.0, 1.0, 1.0]
            np.testing.assert_allclose(second, expected, atol=1e-9)


def test_segment_distance():
    start, end = np.array([0.0, 0, 0]), np.array([1.0, 0, 0])
    assert contact.segment_distance(start, end, np.array([0.5, 1, -1]), np.array([0.5, 1, 1])) == pytest.approx(1.0)
    assert contact.segment_distance(start, end, np.array([2.0, 0, 0]), np.array([3.0, 0, 0])) == pytest.approx(1.0)
    assert contact.segment_distance(start, end, np.array([0.5, 2, 0]), np.array([0.5, -2, 0])) == pytest.approx(0.0)

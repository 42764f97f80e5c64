import math

import numpy as np
import pytest
import tensorflow as tf

from opec_tf.poses import gaussians, geometry
from opec_tf.training import losses


def joints_of(*rows):
    """float32 [1, K, 3] from rows (x, y, weight)."""
    return np.array([rows], np.float32)


def test_pose_loss_is_the_masked_l1_of_equation_3():
    joints = np.array([[[0.5, 0.0, 1], [0.0, 0.0, 0]], [[-1.0, 1.0, 1], [0.25, 0.25, 1]]], np.float32)
    poses = np.array([[[0.4, 0.2], [9.0, 9.0]], [[-1.0, 1.0], [0.0, 0.0]]], np.float32)
    # |dx| + |dy| of the three labelled joints: 0.3, 0 and 0.5.
    assert losses.PoseLoss()(joints, poses).numpy() == pytest.approx(0.8 / 3)


def test_pose_loss_weights_joints():
    joints, poses = joints_of((0, 0, 1), (0, 0, 0.5)), np.array([[[0.1, 0.2], [0.3, 0.3]]], np.float32)
    assert losses.PoseLoss()(joints, poses).numpy() == pytest.approx((0.3 + 0.5 * 0.6) / 1.5)


def test_pose_loss_gradient_is_the_sign_over_the_number_of_labels():
    joints = joints_of((0.5, 0.0, 1), (0.0, 0.0, 1), (np.nan, np.nan, 0))
    poses = tf.Variable([[[0.1, 0.2], [-0.3, 0.3], [0.5, 0.5]]])
    with tf.GradientTape() as tape:
        loss = losses.PoseLoss()(joints, poses)
    np.testing.assert_allclose(tape.gradient(loss, poses), [[[-0.5, 0.5], [-0.5, 0.5], [0, 0]]])


OKS_LOSS = losses.PoseLoss(oks_share=0.4, sigmas=[0.079, 0.072, 0.062], crop_size=(128, 96))


def test_pose_loss_with_oks():
    """A person's scale is s = 0.45 sqrt(128 x 96) = 49.88 pixels; OKS at d pixels is exp(-d^2 / 2 (2 sigma s)^2)."""
    joints = joints_of((0, 0, 1), (0, 0, 1), (0, 0, 1))
    # 3 pixels of 48 to the side, 4 of 64 down, and no error.
    poses = np.array([[[3 / 48, 0.0], [0.0, 4 / 64], [0.0, 0.0]]], np.float32)
    oks = [math.exp(-9 / (2 * (2 * 0.079 * 49.8831) ** 2)), math.exp(-16 / (2 * (2 * 0.072 * 49.8831) ** 2)), 1.0]
    expected = (0.6 * (3 / 48 + 4 / 64) + 0.4 * (3 - sum(oks))) / 3
    assert OKS_LOSS(joints, poses).numpy() == pytest.approx(expected, rel=1e-5)


def test_far_joints_are_pulled_by_l1_alone():
    joints, poses = joints_of((0, 0, 1), (0, 0, 1), (0, 0, 1)), tf.Variable([[[0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]]])
    with tf.GradientTape() as tape:
        loss = OKS_LOSS(joints, poses)
    np.testing.assert_allclose(tape.gradient(loss, poses), 0.6 * np.sign(poses) / 3, atol=1e-4)


@pytest.mark.parametrize(
    "loss, shape", [(losses.PoseLoss(), (2, 3, 2)), (OKS_LOSS, (2, 3, 2)), (losses.HeatmapLoss(), (2, 8, 6, 3))]
)
def test_nan_labels_without_weight_do_no_harm(loss, shape):
    joints = np.random.default_rng(0).uniform(-1, 1, (2, 3, 3)).astype(np.float32)
    joints[..., 2] = [[1, 0, 1], [0, 0, 1]]
    predictions = tf.Variable(np.random.default_rng(1).uniform(0, 1, shape).astype(np.float32))
    expected = loss(joints, predictions).numpy()
    joints[joints[..., 2] == 0, :2] = np.nan
    with tf.GradientTape() as tape:
        value = loss(joints, predictions)
    assert value.numpy() == expected and np.isfinite(expected)
    assert np.all(np.isfinite(tape.gradient(value, predictions)))


@pytest.mark.parametrize("loss, shape", [(losses.PoseLoss(), (2, 3, 2)), (losses.HeatmapLoss(), (2, 8, 6, 3))])
def test_a_batch_without_labels_costs_nothing(loss, shape):
    assert loss(np.full((2, 3, 3), [np.nan, np.nan, 0], np.float32), tf.ones(shape)).numpy() == 0.0


def test_gaussian_lies_at_the_exact_position():
    joints = tf.constant([[[0.3, -0.2], [-0.05, 0.7]]])
    heatmaps = gaussians.heatmaps(joints, (40, 30), sigma=2.0).numpy()
    cells = geometry.denormalize(joints, (40, 30)).numpy()
    for k in range(2):
        x, y = cells[0, k]
        for row, column in ((0, 0), (20, 15), (int(y), int(x))):
            expected = math.exp(-((row - y) ** 2 + (column - x) ** 2) / 8.0)
            assert heatmaps[0, row, column, k] == pytest.approx(expected, abs=1e-5)
    # The centre of mass of a Gaussian wholly inside the map is its centre, between the cells.
    share = heatmaps[0, :, :, 0] / heatmaps[0, :, :, 0].sum()
    assert (share * np.arange(30)).sum() == pytest.approx(cells[0, 0, 0], abs=1e-3)
    assert (share.T * np.arange(40)).sum() == pytest.approx(cells[0, 0, 1], abs=1e-3)


@pytest.mark.parametrize("size, sigma", [((32, 24), 1.0), ((32, 24), 2.0), ((80, 64), 2.0), ((96, 72), 3.0)])
def test_heatmap_loss_is_the_unexplained_share_of_the_target(size, sigma):
    """0 for the target, 1 for nothing, 1/4 for half of it: at every size and sigma."""
    joints = joints_of((0.1, -0.2, 1), (0.33, 0.05, 1), (0.0, 0.0, 0))
    targets = gaussians.heatmaps(joints[..., :2], size, sigma)
    loss = losses.HeatmapLoss(sigma=sigma)
    assert loss(joints, targets).numpy() == pytest.approx(0.0, abs=1e-6)
    assert loss(joints, 0.5 * targets).numpy() == pytest.approx(0.25, rel=2e-3)
    assert loss(joints, tf.zeros_like(targets)).numpy() == pytest.approx(1.0, rel=2e-3)


def test_a_joint_far_outside_asks_for_an_empty_heatmap():
    joints = joints_of((3.0, 0.0, 1))
    loss = losses.HeatmapLoss(sigma=2.0)
    assert loss(joints, tf.zeros((1, 32, 24, 1))).numpy() == pytest.approx(0.0, abs=1e-6)
    assert loss(joints, tf.ones((1, 32, 24, 1))).numpy() == pytest.approx(32 * 24 / (4 * math.pi), rel=1e-4)


def with_others(own, *others):
    """float32 [1, 1 + M, K, 3]."""
    return np.array([[own, *others]], np.float32)


def test_joint_candidates_are_the_target():
    """T + mu C: the own joint at height 1, two others' at mu; one of theirs is not labelled and asks for nothing."""
    own = [(0.1, -0.2, 1), (-0.5, 0.3, 1)]
    others = [(-0.6, 0.5, 1), (np.nan, np.nan, 0)], [(0.7, -0.7, 1), (0.4, 0.3, 1)]
    places = np.array([own, [(-0.6, 0.5, 1), (9, 9, 0)], others[1]])[..., :2].astype(np.float32)
    drawn = [gaussians.heatmaps(tf.constant(p[None]), (32, 24), 1.5) for p in places]
    loss = losses.HeatmapLoss(sigma=1.5, interference_weight=0.5)
    target = drawn[0] + 0.5 * (drawn[1] + drawn[2])
    assert loss(with_others(own, *others), target).numpy() == pytest.approx(0.0, abs=1e-6)
    # Without an answer to the others an error of 0.25 a candidate is left: two of joint 0 and one of joint 1.
    assert loss(with_others(own, *others), drawn[0]).numpy() == pytest.approx(0.25 * 3 / 2, rel=0.01)
    with tf.GradientTape() as tape:
        prediction = tf.Variable(drawn[0])
        value = loss(with_others(own, *others), prediction)
    assert np.isfinite(tape.gradient(value, prediction)).all()


def test_others_change_nothing_elsewhere():
    own, other = [(0.1, -0.2, 1), (-0.5, 0.3, 0)], [(0.3, 0.3, 1), (0.2, 0.3, 1)]
    maps = tf.random.uniform([1, 8, 6, 2], seed=0)
    plain, candidates = losses.HeatmapLoss(), losses.HeatmapLoss(interference_weight=0.5)
    expected = plain(joints_of(*own), maps).numpy()
    assert plain(with_others(own, other), maps).numpy() == expected
    assert candidates(joints_of(*own), maps).numpy() == expected
    # A joint that is not labelled of the person itself is not learnt, whoever else has one.
    assert candidates(with_others(own, [other[0], (0.9, 0.9, 1)]), maps).numpy() == (
        candidates(with_others(own, other), maps).numpy()
    )
    poses = np.zeros((1, 2, 2), np.float32)
    pose_loss = losses.PoseLoss()
    assert pose_loss(with_others(own, other), poses).numpy() == pose_loss(joints_of(*own), poses).numpy()


def test_mismatched_shapes_are_refused():
    with pytest.raises(ValueError):
        losses.PoseLoss()(np.zeros((2, 3, 3), np.float32), tf.zeros((2, 4, 2)))
    with pytest.raises(ValueError):
        losses.HeatmapLoss()(np.zeros((2, 3, 3), np.float32), tf.zeros((2, 8, 6, 4)))


@pytest.mark.parametrize(
    "loss", [losses.PoseLoss(), OKS_LOSS, losses.HeatmapLoss(sigma=1.5, interference_weight=0.5, name="base")]
)
def test_config_round_trip(loss):
    copy = tf.keras.losses.deserialize(tf.keras.losses.serialize(loss))
    assert type(copy) is type(loss) and copy.get_config() == loss.get_config()


def test_xla_agrees():
    generator = np.random.default_rng(0)
    joints = generator.uniform(0, 1, (2, 3, 3)).astype(np.float32)
    for loss, shape in ((losses.PoseLoss(), (2, 3, 2)), (OKS_LOSS, (2, 3, 2)), (losses.HeatmapLoss(), (2, 8, 6, 3))):
        predictions = generator.uniform(0, 1, shape).astype(np.float32)
        compiled = tf.function(loss, jit_compile=True)(joints, predictions)
        assert compiled.numpy() == pytest.approx(loss(joints, predictions).numpy(), rel=1e-5)


def test_visibility_loss_is_the_mean_cross_entropy_of_the_known_joints():
    joints = np.array([[[0, 0, 1, 0], [np.nan, np.nan, 0, 2]], [[0, 0, 1, -1], [0, 0, 1, 1]]], np.float32)
    probabilities = np.array([[[0.5, 0.25, 0.25], [0.2, 0.4, 0.4]], [[0.9, 0.05, 0.05], [0.1, 0.8, 0.1]]], np.float32)
    logits = tf.Variable(np.log(probabilities) + 3.0)
    with tf.GradientTape() as tape:
        loss = losses.VisibilityLoss()(joints, logits)
    assert loss.numpy() == pytest.approx(-(math.log(0.5) + math.log(0.4) + math.log(0.8)) / 3)
    wanted = np.array([[[1, 0, 0], [0, 0, 1]], [[0, 0, 0], [0, 1, 0]]])
    known = np.array([[1, 1], [0, 1]])[..., None]
    np.testing.assert_allclose(tape.gradient(loss, logits), known * (probabilities - wanted) / 3, atol=1e-6)
    assert losses.VisibilityLoss()(joints[1:, :1], logits[1:, :1]).numpy() == 0.0

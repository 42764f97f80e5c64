"""Random changes: what they may change, by how much, and that a seed fixes them."""

import numpy as np
import pytest
import tensorflow as tf

from opec_tf import config
from opec_tf.data import augment
from opec_tf.poses import geometry

SIZE = (32, 24)
BOXES = tf.tile([[40.0, 60.0, 30.0, 50.0]], [4000, 1])
SEED = [3, 14]
STILL = {"flip_probability": 0.0, "box_jitter": 0.0}


def random_crops(batch=8, seed=0):
    return tf.constant(np.random.default_rng(seed).uniform(0, 255, (batch, *SIZE, 3)), tf.float32)


def grey_crops():
    return tf.repeat(random_crops()[..., :1], 3, axis=-1)


def steps_and_turns(affines):
    linear = affines.numpy()[..., :2]
    return np.sqrt(np.abs(np.linalg.det(linear))), np.arctan2(linear[:, 1, 0], linear[:, 0, 0])


def test_box_jitter_has_the_stated_spread():
    moved = augment.jitter_boxes(BOXES, 0.05, SEED).numpy()
    center, extent = moved[:, :2] + moved[:, 2:] / 2, moved[:, 2:]
    shift = (center - [55.0, 85.0]) / [30.0, 50.0]
    growth = np.log(extent / [30.0, 50.0])
    for value in (shift, growth):
        np.testing.assert_allclose(value.std(axis=0), 0.05, rtol=0.06)
        np.testing.assert_allclose(value.mean(axis=0), 0.0, atol=0.004)


def test_cut_boxes_lose_one_side():
    boxes = np.tile([[10.0, 20.0, 100.0, 200.0]], (4000, 1)).astype(np.float32)
    cut = augment.cut_boxes(boxes, 1.0, [1, 2]).numpy()
    # How far left, top, right and bottom have moved inwards, shares of the sides.
    before, after = (np.concatenate([b[:, :2], b[:, :2] + b[:, 2:]], axis=1) for b in (boxes, cut))
    moved = (after - before) * [1, 1, -1, -1] / [100, 200, 100, 200]
    assert ((moved > 0.05).sum(axis=1) == 1).all() and moved.min() > -1e-5
    assert moved.max(axis=1).min() > 0.099 and moved.max() < 0.551
    np.testing.assert_allclose((moved > 0.05).mean(axis=0), [0.15, 0.15, 0.15, 0.55], atol=0.03)
    some = augment.cut_boxes(boxes, 0.3, [1, 2]).numpy()
    assert np.mean((some != boxes).any(axis=1)) == pytest.approx(0.3, abs=0.03)


def test_without_augmentation_affines_are_those_of_inference():
    data_config = config.DataConfig(**STILL)
    affines, mirrored = augment.random_affines(BOXES[:5], SIZE, data_config, SEED)
    np.testing.assert_allclose(affines, geometry.crop_affine(BOXES[:5], SIZE, data_config.box_margin))
    assert not mirrored.numpy().any()


def test_boxes_of_proposals_are_not_jittered():
    data_config = config.DataConfig(train_boxes="proposals.json", flip_probability=0.0, box_jitter=0.3)
    affines, _ = augment.random_affines(BOXES[:5], SIZE, data_config, SEED)
    np.testing.assert_allclose(affines, geometry.crop_affine(BOXES[:5], SIZE, data_config.box_margin))


def test_scale_and_rotation_fill_their_ranges():
    data_config = config.DataConfig(**STILL, scale_jitter=0.3, rotation_degrees=40.0)
    still = geometry.crop_affine(BOXES, SIZE, data_config.box_margin)
    affines, _ = augment.random_affines(BOXES, SIZE, data_config, SEED)
    step, turn = steps_and_turns(affines)
    growth = np.log(step / steps_and_turns(still)[0])
    assert -0.3 <= growth.min() < -0.29 and 0.29 < growth.max() <= 0.3
    assert -40.01 <= np.degrees(turn.min()) < -39 and 39 < np.degrees(turn.max()) <= 40.01
    center = [[(SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2]]
    np.testing.assert_allclose(
        geometry.apply_affine(affines, [center] * 4000), geometry.apply_affine(still, [center] * 4000), atol=1e-3
    )


def test_half_are_mirrored_and_mirroring_negates_x():
    data_config = config.DataConfig(box_jitter=0.0)
    affines, mirrored = augment.random_affines(BOXES, SIZE, data_config, SEED)
    assert abs(np.mean(mirrored) - 0.5) < 0.03
    points = np.random.default_rng(0).uniform(40, 110, (4000, 3, 2)).astype(np.float32)
    still = geometry.crop_affine(BOXES, SIZE, data_config.box_margin)
    expected = geometry.image_to_normalized(still, points, SIZE).numpy()
    expected[mirrored.numpy(), :, 0] *= -1
    np.testing.assert_allclose(geometry.image_to_normalized(affines, points, SIZE), expected, atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        lambda seed: augment.jitter_boxes(BOXES[:9], 0.1, seed),
        lambda seed: augment.random_affines(BOXES[:9], SIZE, config.DataConfig(), seed)[0],
        lambda seed: augment.jitter_colors(random_crops(), 1.0, seed),
    ],
    ids=["jitter_boxes", "random_affines", "jitter_colors"],
)
def test_seed_decides(change):
    np.testing.assert_array_equal(change([1, 2]), change([1, 2]))
    assert not np.array_equal(change([1, 2]), change([1, 3]))


def test_color_strength_zero_changes_nothing():
    np.testing.assert_allclose(augment.jitter_colors(random_crops(), 0.0, SEED), random_crops(), atol=1e-3)


def test_grey_stays_grey_and_changes_linearly():
    """Hue and saturation leave grey alone; brightness and contrast are one line per crop."""
    crops = grey_crops() / 4.0 + 60.0
    changed = augment.jitter_colors(crops, 0.5, SEED).numpy()
    np.testing.assert_allclose(changed, changed[..., :1].repeat(3, axis=-1), atol=1e-2)
    for before, after in zip(crops.numpy(), changed):
        slope, offset = np.polyfit(before[..., 0].ravel(), after[..., 0].ravel(), 1)
        np.testing.assert_allclose(after[..., 0], slope * before[..., 0] + offset, atol=1e-2)
        # Brightness scales the mean by 0.75 to 1.25, contrast leaves it.
        assert 0.75 <= after.mean() / before.mean() <= 1.25


def test_colors_stay_in_range_and_differ_between_crops():
    changed = augment.jitter_colors(tf.repeat(random_crops(1), 32, axis=0), 1.0, SEED).numpy()
    assert changed.min() >= 0.0 and changed.max() <= 255.0
    assert np.std(changed.mean(axis=(1, 2, 3))) > 10

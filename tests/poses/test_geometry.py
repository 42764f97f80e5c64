"""Coordinate conventions: identities worked out by hand, and round trips."""

import math

import numpy as np
import pytest
import tensorflow as tf

from opec_tf.poses import geometry

CROP = (320, 256)


def _random_crops(rng, count, extent, dtype):
    """Boxes inside a square picture ``extent`` wide, their augmented affines and 12 points within each box."""
    corners, sides = rng.uniform(0, 0.8 * extent, (count, 2)), rng.uniform(8, 0.5 * extent, (count, 2))
    boxes = np.concatenate([corners, sides], axis=-1).astype(dtype)
    affines = geometry.crop_affine(
        boxes,
        CROP,
        margin=1.25,
        scale=rng.uniform(0.7, 1.4, count),
        rotation=rng.uniform(-math.pi, math.pi, count),
        shift=rng.normal(0, 0.1, (count, 2)),
    )
    points = boxes[:, None, :2] + boxes[:, None, 2:] * rng.uniform(0, 1, (count, 12, 2)).astype(dtype)
    return affines, points


def test_normalised_coordinates_span_the_outer_edges():
    corners = np.array([[-0.5, -0.5], [255.5, 319.5], [127.5, 159.5]], np.float32)
    np.testing.assert_allclose(geometry.normalize(corners, CROP), [[-1, -1], [1, 1], [0, 0]], atol=1e-7)
    # The centre of the first of four cells is a quarter of a half-width inside the edge.
    np.testing.assert_allclose(geometry.normalize(np.zeros((1, 2), np.float32), (2, 4)), [[-0.75, -0.5]])


def test_cell_centers_are_the_normalised_pixel_grid():
    centers = geometry.cell_centers((2, 4))
    assert centers.shape == (2, 4, 2) and centers.dtype == np.float32
    np.testing.assert_allclose(centers[0, :, 0], [-0.75, -0.25, 0.25, 0.75])
    np.testing.assert_allclose(centers[:, 0, 1], [-0.5, 0.5])
    x, y = np.meshgrid(np.arange(4.0), np.arange(2.0))
    np.testing.assert_allclose(centers, geometry.normalize(np.stack([x, y], -1), (2, 4)))


@pytest.mark.parametrize("stride", [4, 8, 16])
def test_a_maps_cell_lies_at_the_centre_of_its_block_of_pixels(stride):
    size = (CROP[0] // stride, CROP[1] // stride)
    cell = np.array([[3.0, 5.0]], np.float32)
    block_center = stride * cell + (stride - 1) / 2
    np.testing.assert_allclose(geometry.normalize(cell, size), geometry.normalize(block_center, CROP), atol=1e-6)


def test_pixels_and_normalised_coordinates_round_trip():
    points = np.random.default_rng(0).uniform(-20, 340, (100, 2)).astype(np.float32)
    np.testing.assert_allclose(geometry.denormalize(geometry.normalize(points, CROP), CROP), points, atol=1e-4)


def test_mirroring_the_crop_negates_x():
    points = np.random.default_rng(0).uniform(0, 255, (100, 2)).astype(np.float32)
    mirrored = np.stack([CROP[1] - 1 - points[:, 0], points[:, 1]], axis=-1)
    expected = geometry.normalize(points, CROP).numpy() * [-1, 1]
    np.testing.assert_allclose(geometry.normalize(mirrored, CROP), expected, atol=1e-6)


def test_mirrored_affine_shows_the_mirrored_crop():
    affines, _ = _random_crops(np.random.default_rng(1), 20, 640, np.float64)
    points = np.random.default_rng(2).uniform(-1, 1, (20, 5, 2))
    mirrored = geometry.mirror_affine(affines, CROP)
    expected = geometry.normalized_to_image(affines, points * [-1, 1], CROP)
    np.testing.assert_allclose(geometry.normalized_to_image(mirrored, points, CROP), expected, atol=1e-9)


def test_a_box_that_is_the_crop_gives_the_identity():
    affine = geometry.crop_affine([0.0, 0.0, 256.0, 320.0], CROP)
    np.testing.assert_allclose(affine, [[1, 0, 0], [0, 1, 0]], atol=1e-5)


def test_crop_of_a_box_by_hand():
    # A 100 x 100 box is heightened to 100 x 125, the crop's aspect; with margin 1.28 the crop sees 128 x 160 pixels
    # around the centre (60 - 0.5, 80 - 0.5), half an image pixel for each of its own.
    affine = geometry.crop_affine([10, 30, 100, 100], CROP, margin=1.28)
    np.testing.assert_allclose(affine[:, :2], [[0.5, 0], [0, 0.5]], atol=1e-6)
    corners = geometry.normalized_to_image(affine, np.array([[-1, -1], [1, 1], [0, 0]], np.float32), CROP)
    np.testing.assert_allclose(corners, [[-4.5, -0.5], [123.5, 159.5], [59.5, 79.5]], atol=1e-4)


def test_wide_boxes_are_heightened_and_tall_ones_widened():
    boxes = np.array([[0, 0, 256, 10], [0, 0, 10, 320]], np.float32)
    affines = geometry.crop_affine(boxes, CROP).numpy()
    np.testing.assert_allclose(affines[:, 0, 0], [1, 1], atol=1e-6)
    centers = geometry.normalized_to_image(affines, np.zeros((2, 1, 2), np.float32), CROP)
    np.testing.assert_allclose(centers[:, 0], [[127.5, 4.5], [4.5, 159.5]], atol=1e-4)


def test_rotation_turns_the_window_clockwise_about_its_centre():
    affine = geometry.crop_affine([0.0, 0.0, 256.0, 320.0], CROP, rotation=math.pi / 2)
    # The crop's right edge then looks at what lies below the centre (y is down), its lower edge at what lies left.
    points = np.array([[0, 0], [1, 0], [0, 1]], np.float32)
    expected = [[127.5, 159.5], [127.5, 159.5 + 128], [127.5 - 160, 159.5]]
    np.testing.assert_allclose(geometry.normalized_to_image(affine, points, CROP), expected, atol=1e-4)


def test_scale_keeps_the_centre_and_shift_is_a_share_of_the_enlarged_box():
    affine = geometry.crop_affine([0.0, 0.0, 256.0, 320.0], CROP, margin=2.0, scale=0.5, shift=[0.25, -0.5])
    points = np.array([[0, 0], [1, 1]], np.float32)
    center = np.array([127.5 + 0.25 * 512, 159.5 - 0.5 * 640])
    np.testing.assert_allclose(
        geometry.normalized_to_image(affine, points, CROP), [center, center + [128, 160]], atol=1e-3
    )


def test_image_points_round_trip_within_a_ten_thousandth_of_a_pixel():
    """In float32 for pictures of COCO's size; one unit in the last place of 640 is 0.6e-4."""
    affines, points = _random_crops(np.random.default_rng(3), 1000, 640, np.float32)
    back = geometry.normalized_to_image(affines, geometry.image_to_normalized(affines, points, CROP), CROP)
    assert back.dtype == tf.float32
    np.testing.assert_allclose(back, points, rtol=0, atol=1e-4)


def test_large_pictures_round_trip_in_float64():
    affines, points = _random_crops(np.random.default_rng(4), 1000, 8000, np.float64)
    back = geometry.normalized_to_image(affines, geometry.image_to_normalized(affines, points, CROP), CROP)
    np.testing.assert_allclose(back, points, rtol=0, atol=1e-10)


def test_crop_points_round_trip_and_stay_normalised():
    affines, _ = _random_crops(np.random.default_rng(5), 200, 640, np.float64)
    normalised = np.random.default_rng(6).uniform(-1, 1, (200, 7, 2))
    image = geometry.normalized_to_image(affines, normalised, CROP)
    np.testing.assert_allclose(geometry.image_to_normalized(affines, image, CROP), normalised, atol=1e-10)


def test_graph_and_xla_agree_with_eager():
    affines, points = _random_crops(np.random.default_rng(7), 50, 640, np.float32)
    eager = geometry.image_to_normalized(affines, points, CROP)
    compiled = tf.function(lambda a, p: geometry.image_to_normalized(a, p, CROP), jit_compile=True)(affines, points)
    np.testing.assert_allclose(compiled, eager, atol=1e-5)


def test_apply_affine_by_hand():
    affine = np.array([[2, 0, 1], [0, 3, -1]], np.float32)
    np.testing.assert_array_equal(geometry.apply_affine(affine, [[0.0, 0.0], [1.0, 2.0]]), [[1, -1], [3, 5]])


def _random_pairs(rng, count, extent):
    """Normalised affines of the two crops of each pair, turned alike."""
    rotation = rng.uniform(-math.pi, math.pi, count)
    corners = rng.uniform(0, 0.8 * extent, (count, 2))
    crops = []
    for _ in range(2):
        shift = rng.uniform(0, 60, (count, 2))
        boxes = np.concatenate([corners + shift, rng.uniform(20, 200, (count, 2))], axis=-1).astype(np.float32)
        crops.append(geometry.crop_affine(boxes, CROP, margin=1.25, rotation=rotation))
    return crops


@pytest.mark.parametrize("mirrored", [False, True])
def test_crop_to_pair_and_back_is_exact(mirrored):
    """To 1e-4 of the picture's pixels, 4,000 from its corner, where one crop may be enlarged ten times the other."""
    rng = np.random.default_rng(0)
    crops = _random_pairs(rng, 200, 4000)
    if mirrored:
        crops = [geometry.mirror_affine(affine, CROP) for affine in crops]
    first, second = (geometry.normalized_affine(affine, CROP) for affine in crops)
    pair = geometry.pair_affine(first, second)
    points = rng.uniform(-1, 1, (200, 12, 2)).astype(np.float32)
    for crop in (first, second):
        there = geometry.apply_affine(geometry.change_of_frame(crop, pair), points)
        back = geometry.apply_affine(geometry.change_of_frame(pair, crop), there)
        # As vectors: a place at 4,000 has no fourth decimal in float32.
        error = tf.linalg.matvec(crop[:, None, :, :2], back - points)
        assert np.abs(error).max() < 1e-4
        # The windows lie in the frame, and the image pixels are those that the crop's own affine gives.
        assert np.abs(there).max() <= 1.0 + 1e-5
        image = geometry.apply_affine(pair, there)
        np.testing.assert_allclose(image, geometry.apply_affine(crop, points), atol=2e-3)


def test_a_pairs_frame_knows_no_first_and_mirrors_with_its_crops():
    rng = np.random.default_rng(1)
    crops = _random_pairs(rng, 100, 1000)
    points = rng.uniform(-1, 1, (100, 12, 2)).astype(np.float32)
    first, second = (geometry.normalized_affine(affine, CROP) for affine in crops)
    pair = geometry.pair_affine(first, second)
    np.testing.assert_allclose(geometry.pair_affine(second, first), pair, rtol=1e-5, atol=1e-3)
    plain = geometry.apply_affine(geometry.change_of_frame(first, pair), points)
    first, second = (geometry.normalized_affine(geometry.mirror_affine(affine, CROP), CROP) for affine in crops)
    mirror_image = geometry.apply_affine(
        geometry.change_of_frame(first, geometry.pair_affine(first, second)), points * [-1.0, 1.0]
    )
    np.testing.assert_allclose(mirror_image, plain * [-1.0, 1.0], atol=1e-5)


def test_a_pairs_frame_keeps_angles_and_turns_with_its_crops():
    """Two upright windows and the same turned about the origin: the places in the frame do not change."""
    boxes = np.array([[100, 40, 30, 80], [130, 60, 50, 60]], np.float32)
    upright = [geometry.normalized_affine(geometry.crop_affine(box, CROP), CROP) for box in boxes]
    cosine, sine = math.cos(0.7), math.sin(0.7)
    turn = np.array([[cosine, -sine], [sine, cosine]], np.float32)
    turned = [tf.constant(turn @ affine.numpy()) for affine in upright]
    points = np.random.default_rng(2).uniform(-1, 1, (12, 2)).astype(np.float32)
    found = [
        geometry.apply_affine(geometry.change_of_frame(second, geometry.pair_affine(first, second)), points)
        for first, second in (upright, turned)
    ]
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)
    linear = geometry.pair_affine(*upright).numpy()[:, :2]
    np.testing.assert_allclose(linear, linear[0, 0] * np.eye(2), atol=1e-5)

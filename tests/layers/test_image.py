"""Normalisation, pixel shuffle, DUC and squeeze-and-excitation: each against numbers worked out by hand."""

import numpy as np
import pytest
import tensorflow as tf

from opec_tf.layers.image import (
    DUC,
    IMAGENET_MEAN,
    IMAGENET_STD,
    ImageNormalization,
    PixelShuffle,
    PixelUnshuffle,
    SqueezeExcite,
)


def test_imagenet_mean_becomes_zero_and_one_deviation_becomes_one():
    image = np.array([[IMAGENET_MEAN, np.add(IMAGENET_MEAN, IMAGENET_STD)]], np.float32)[None]
    np.testing.assert_allclose(ImageNormalization()(image)[0, 0], [[0, 0, 0], [1, 1, 1]], atol=1e-5)


def test_bytes_are_normalised_too():
    white = ImageNormalization()(np.full((1, 2, 2, 3), 255, np.uint8))
    assert white.dtype == tf.float32
    # torchvision's (1 - mean) / std in its units of 1/255.
    expected = [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    np.testing.assert_allclose(white[0, 0, 0], expected, rtol=1e-4)


def test_pixel_shuffle_order():
    features = np.arange(8, dtype=np.float32).reshape(1, 1, 1, 8)
    expected = [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    np.testing.assert_array_equal(PixelShuffle()(features)[0], expected)
    np.testing.assert_array_equal(PixelUnshuffle()(PixelShuffle()(features)), features)


def test_duc_convolves_normalises_clips_and_shuffles():
    features = np.array([1.0, -2.0], np.float32).reshape(1, 1, 1, 2)
    duc = DUC(4)
    duc(features)
    kernel = np.zeros((3, 3, 2, 4), np.float32)
    kernel[1, 1] = [[1, 2, 3, 4], [0, 0, 1, 3]]  # the middle of the 3x3 kernel: channels 1, 2, 1, -2
    gamma, beta = np.full(4, 0.5), np.array([0, 1, 0, 0])
    mean, variance = np.array([0, 0, 0.5, 0]), np.full(4, 0.25 - 1e-5)  # with epsilon, a deviation of 1/2
    duc.set_weights([kernel, gamma, beta, mean, variance])
    np.testing.assert_allclose(duc(features)[0, :, :, 0], [[1.0, 3.0], [0.5, 0.0]], rtol=1e-4)


def test_squeeze_excite_gates_by_the_mean():
    features = np.array([[1.0, 4.0], [3.0, 0.0]], np.float32).reshape(1, 2, 1, 2)
    layer = SqueezeExcite()
    layer(features)
    # Means 2 and 2; hidden ReLU(2), ReLU(-2); gates sigmoid(2) and sigmoid(0).
    layer.set_weights([np.diag([1.0, -1.0]), np.zeros(2), np.diag([1.0, 1.0]), np.zeros(2)])
    gate = 1.0 / (1.0 + np.exp(-2.0))
    np.testing.assert_allclose(layer(features)[0, :, 0], [[gate, 2.0], [3.0 * gate, 0.0]], rtol=1e-5)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_squeeze_excite_averages_a_large_map_in_half_precision(precision):
    """The 5120 cells' sum is beyond float16, and bfloat16 counts no further than 256 ones."""
    features = np.full([1, 80, 64, 4], 16.0, np.float32)
    layer = SqueezeExcite(dtype=precision)
    layer(features)
    layer.set_weights([0.125 * np.eye(4), np.zeros(4), np.eye(4), np.zeros(4)])
    gated = tf.cast(layer(features), tf.float32)
    np.testing.assert_allclose(gated, 16.0 / (1.0 + np.exp(-2.0)) * np.ones_like(features), rtol=1e-2)

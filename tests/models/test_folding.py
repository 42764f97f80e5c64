import dataclasses

import numpy as np
import pytest
import serving_run
import tensorflow as tf
import tiny_run

from opec_tf.models import builders, folding, output_names
from opec_tf.poses import geometry

pytestmark = pytest.mark.slow


def norms(model):
    return sum(isinstance(layer, tf.keras.layers.BatchNormalization) for layer in model._flatten_layers())


@pytest.mark.parametrize(
    "settings", [{}, {"decoder": "duc", "squeeze_excite": True}, {"decoder": "duc421"}], ids=["deconv", "duc", "duc421"]
)
def test_folding_changes_no_answer_and_leaves_no_norm(settings):
    model = builders.build_opec_net(dataclasses.replace(tiny_run.MODEL, **settings))
    serving_run.randomize(model)
    before = model.get_weights()
    folded = folding.fold_batch_norm(model)
    crops = np.random.default_rng(1).uniform(0, 255, [2, 64, 64, 3]).astype(np.float32)
    for name, expected in model(crops, training=False).items():
        scale = np.abs(expected).max()
        np.testing.assert_allclose(folded(crops, training=False)[name], expected, atol=1e-4 * scale, err_msg=name)
    assert norms(model) > 10 and norms(folded) == 0
    for left, right in zip(before, model.get_weights()):
        np.testing.assert_array_equal(left, right)


def test_a_couple_graph_is_folded_too():
    model = builders.build_couple_net(tiny_run.MODEL)
    serving_run.randomize(model)
    folded = folding.fold_batch_norm(model)
    inputs = {
        "crops": np.random.default_rng(1).uniform(0, 255, [2, 64, 64, 3]).astype(np.float32),
        "crop_to_image": geometry.crop_affine(serving_run.BOXES, (64, 64), 1.25),
        "partner": np.array([1, 0], np.int32),
    }
    expected, found = model(inputs, training=False), folded(inputs, training=False)
    for name in output_names.COUPLE_OUTPUTS:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-4, err_msg=name)
    assert norms(folded) == 0


def test_by_hand():
    """1x1 convolution by 2, mean 1, variance 4, gamma 3, beta 0.5: y = 3 (2 x - 1) / 2 + 0.5 = 3 x - 1."""
    pixels = tf.keras.Input((1, 1, 1))
    conv = tf.keras.layers.Conv2D(1, 1, use_bias=False, kernel_initializer=tf.constant_initializer(2.0))
    norm = tf.keras.layers.BatchNormalization(epsilon=0.0)
    model = tf.keras.Model(pixels, norm(conv(pixels)))
    norm.set_weights([np.array([value], np.float32) for value in (3.0, 0.5, 1.0, 4.0)])
    kernel, bias = folding.fold_batch_norm(model).get_weights()
    assert kernel.item() == pytest.approx(3.0) and bias.item() == pytest.approx(-1.0)


def test_a_convolution_that_others_read_keeps_its_norm():
    pixels = tf.keras.Input((4, 4, 2))
    conv = tf.keras.layers.Conv2D(3, 3, padding="same")(pixels)
    model = tf.keras.Model(pixels, tf.keras.layers.Add()([conv, tf.keras.layers.BatchNormalization()(conv)]))
    serving_run.randomize(model)
    folded = folding.fold_batch_norm(model)
    values = np.random.default_rng(0).normal(size=[1, 4, 4, 2]).astype(np.float32)
    assert norms(folded) == 1
    np.testing.assert_allclose(folded(values), model(values), atol=1e-5)

import numpy as np
import tensorflow as tf

from opec_tf.layers.joints import VisibilityHead


def test_formula_and_no_gradient_for_the_features():
    features = tf.constant(0.01 * np.random.default_rng(0).normal(size=(2, 3, 5)), tf.float32)
    head = VisibilityHead(hidden=4)
    with tf.GradientTape() as tape:
        tape.watch(features)
        logits = head(features)
        total = tf.reduce_sum(logits**2)
    mean, deviation = tf.reduce_mean(features, -1, keepdims=True), tf.math.reduce_std(features, -1, keepdims=True)
    body = ((features - mean) / deviation).numpy().reshape(2, 15)
    first, first_bias, second, second_bias = head.get_weights()[2:]
    assert first.shape == (15, 4) and second.shape == (4, 9)
    expected = np.maximum(body @ first + first_bias, 0) @ second + second_bias
    np.testing.assert_allclose(logits, expected.reshape(2, 3, 3), atol=1e-3)
    gradients = tape.gradient(total, [features, *head.trainable_variables])
    assert gradients[0] is None and all(np.abs(gradient).max() > 0 for gradient in gradients[1:])


def test_other_layers_get_the_random_numbers_they_would_have_without_it():
    kernels = []
    for with_head in (False, True):
        tf.keras.utils.set_random_seed(4)
        if with_head:
            VisibilityHead()(tf.zeros([1, 2, 3]))
        dense = tf.keras.layers.Dense(3)
        dense.build((None, 2))
        kernels.append(dense.get_weights()[0])
    np.testing.assert_array_equal(*kernels)

"""The learning rate follows its formula; the optimizer is AdamW with a factor for chosen variables."""

import math

import numpy as np
import pytest
import tensorflow as tf

from opec_tf.config import TrainConfig
from opec_tf.training import optimizer


def _fit(adam, variables, steps=5):
    """Minimises a quadratic whose gradient differs from step to step."""
    for step in range(steps):
        with tf.GradientTape() as tape:
            loss = tf.add_n([tf.reduce_sum((variable - step) ** 2 * (step + 1.0)) for variable in variables])
        adam.apply_gradients(zip(tape.gradient(loss, variables), variables))


def _variables():
    return [tf.Variable([[0.5, -0.3], [0.2, 0.9]], name="kernel"), tf.Variable([0.4, -0.6], name="bias")]


def test_schedule_warms_up_linearly_then_follows_a_cosine_to_zero():
    schedule = optimizer.learning_rate_schedule(TrainConfig(learning_rate=0.1, warmup_steps=10), total_steps=110)
    assert float(schedule(0)) == 0.0
    assert float(schedule(5)) == pytest.approx(0.05)
    for step in (10, 35, 60, 109, 110):
        assert float(schedule(step)) == pytest.approx(0.05 * (1 + math.cos(math.pi * (step - 10) / 100)), abs=1e-7)


def test_schedule_without_warm_up_starts_at_the_full_rate():
    schedule = optimizer.learning_rate_schedule(TrainConfig(learning_rate=0.1), total_steps=100)
    assert [float(schedule(step)) for step in (0, 50, 100)] == pytest.approx([0.1, 0.05, 0.0], abs=1e-8)


def test_without_decay_and_factor_it_is_keras_adam():
    ours, keras = _variables(), _variables()
    _fit(optimizer.AdamWithFactors(learning_rate=0.01), ours)
    _fit(tf.keras.optimizers.Adam(0.01), keras)
    for mine, theirs in zip(ours, keras):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


def test_decay_is_keras_adamw_with_biases_excluded():
    ours, keras = _variables(), _variables()
    _fit(optimizer.AdamWithFactors(learning_rate=0.01, decay=0.1), ours)
    adamw = tf.keras.optimizers.AdamW(0.01, weight_decay=0.1)
    adamw.exclude_from_weight_decay(var_names=["bias"])
    _fit(adamw, keras)
    for mine, theirs in zip(ours, keras):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), atol=1e-6)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_a_factor_is_a_lower_rate_for_its_variables_alone(decay):
    ours, at_full_rate, at_low_rate = _variables(), _variables(), _variables()
    ours.append(tf.Variable(ours[0]))
    _fit(optimizer.AdamWithFactors(learning_rate=0.01, decay=decay, factors=[(ours[0], 0.1), (ours[1], 0.1)]), ours)
    _fit(optimizer.AdamWithFactors(learning_rate=0.01, decay=decay), at_full_rate)
    _fit(optimizer.AdamWithFactors(learning_rate=0.001, decay=decay), at_low_rate)
    np.testing.assert_allclose(ours[0].numpy(), at_low_rate[0].numpy(), atol=1e-6)
    np.testing.assert_allclose(ours[1].numpy(), at_low_rate[1].numpy(), atol=1e-6)
    np.testing.assert_allclose(ours[2].numpy(), at_full_rate[0].numpy(), atol=1e-6)


def test_gradients_are_clipped_to_their_global_norm():
    variables = _variables()
    adam = optimizer.make(TrainConfig(gradient_clip_norm=1.0), total_steps=10)
    adam.build(variables)
    gradients = [tf.constant([[3.0, 0.0], [0.0, 0.0]]), tf.constant([0.0, 4.0])]
    adam.apply_gradients(zip(gradients, variables))
    # Adam's first moments after one step are a tenth of the gradients, here of norm 5 before and 1 after clipping.
    moments = {tuple(v.shape): v.numpy() for v in adam.variables if v.name.startswith("m/") or "/m/" in v.name}
    np.testing.assert_allclose(moments[2, 2], [[0.06, 0.0], [0.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(moments[(2,)], [0.0, 0.08], atol=1e-6)


def test_gradients_apart_are_clipped_among_themselves():
    """They neither shorten the others nor are shortened with them, whatever their order."""
    alone, beside = _variables(), _variables()
    apart = tf.Variable([7.0, 8.0], name="apart")
    gradients = [tf.constant([[3.0, 0.0], [0.0, 4.0]]), tf.constant([0.0, 12.0])]
    for variables, more in ((alone, []), (beside, [(tf.constant([300.0, 400.0]), apart)])):
        adam = optimizer.make(TrainConfig(gradient_clip_norm=1.0), total_steps=10, clipped_apart=[v for _, v in more])
        adam.build([*(v for _, v in more), *variables])
        adam.apply_gradients([*more, *zip(gradients, variables)])
    for first, second in zip(alone, beside):
        np.testing.assert_array_equal(first.numpy(), second.numpy())
    moments = [v.numpy() for v in adam.variables if "m/" in v.name and "apart" in v.name]
    np.testing.assert_allclose(moments, [[0.06, 0.08]], atol=1e-6)


def test_loss_scaling_wraps_it_and_skips_overflown_steps():
    variable = tf.Variable([[1.0, 2.0]])
    adam = optimizer.AdamWithFactors(learning_rate=0.1, factors=[(variable, 0.5)])
    scaled = tf.keras.mixed_precision.LossScaleOptimizer(adam)
    scaled.apply_gradients([(tf.constant([[np.inf, 1.0]]), variable)])
    np.testing.assert_array_equal(variable.numpy(), [[1.0, 2.0]])
    scaled.apply_gradients([(tf.constant([[1.0, -1.0]]), variable)])
    # Two steps are counted, the first without an update: Adam's correction is of step 2, its moments of one.
    step = 0.5 * 0.1 * math.sqrt(1 - 0.999**2) / (1 - 0.9**2) * 0.1 / math.sqrt(0.001)
    np.testing.assert_allclose(variable.numpy(), [[1.0 - step, 2.0 + step]], rtol=1e-4)

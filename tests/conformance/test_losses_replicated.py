"""Two replicas must train exactly as one does, however unevenly the labels lie in their halves of the batch."""

import numpy as np
import pytest
import tensorflow as tf

from opec_tf.training import losses, strategy as strategies

pytestmark = pytest.mark.slow

JOINTS = 3


def labels():
    """Four people; the first replica's two have one labelled joint between them, the second's six."""
    generator = np.random.default_rng(5)
    joints = generator.uniform(-0.5, 0.5, (4, JOINTS, 3)).astype(np.float32)
    joints[..., 2] = [[1, 0, 0], [0, 0, 0], [1, 1, 1], [1, 1, 1]]
    joints[joints[..., 2] == 0, :2] = np.nan
    visibility = np.array([[0, -1, -1], [-1, -1, -1], [2, 1, 0], [-1, 0, 1]], np.float32)
    joints = np.concatenate([joints, visibility[..., None]], axis=-1)
    return generator.uniform(-1, 1, (4, 5)).astype(np.float32), joints


def fit_once(strategy, jit_compile=False):
    """One step of SGD on a small model with all losses; (weights afterwards, logged losses, evaluated losses)."""
    features, joints = labels()
    dataset = tf.data.Dataset.from_tensor_slices((features, joints)).batch(4, drop_remainder=True)
    with strategy.scope():
        tf.keras.utils.set_random_seed(7)
        inputs = tf.keras.Input((5,))
        pose = tf.keras.layers.Reshape((JOINTS, 2), name="pose")(tf.keras.layers.Dense(JOINTS * 2)(inputs))
        heatmaps = tf.keras.layers.Reshape((8, 6, JOINTS), name="heatmaps")(tf.keras.layers.Dense(144)(inputs))
        visibility = tf.keras.layers.Reshape((JOINTS, 3), name="visibility")(tf.keras.layers.Dense(JOINTS * 3)(inputs))
        unused = tf.keras.layers.Reshape((JOINTS,), name="score")(tf.keras.layers.Dense(JOINTS)(inputs))
        outputs = {"pose": pose, "heatmaps": heatmaps, "visibility": visibility, "score": unused}
        model = tf.keras.Model(inputs, outputs)
        model.compile(
            tf.keras.optimizers.SGD(1.0),
            loss={
                "pose": losses.PoseLoss(),
                "heatmaps": losses.HeatmapLoss(sigma=1.0),
                "visibility": losses.VisibilityLoss(),
            },
            loss_weights={"pose": 0.3, "heatmaps": 1.0, "visibility": 0.5},
            jit_compile=jit_compile,
        )
    evaluated = model.evaluate(dataset, verbose=0, return_dict=True)
    logged = {name: values[0] for name, values in model.fit(dataset, verbose=0).history.items()}
    return model.get_weights(), logged, evaluated


def test_two_replicas_take_the_step_that_one_takes():
    weights, logged, evaluated = fit_once(tf.distribute.get_strategy())
    weights_of_two, logged_of_two, evaluated_of_two = fit_once(strategies.make("mirrored"))
    for expected, actual in zip(weights, weights_of_two):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
    assert set(logged) == {"loss", "pose_loss", "heatmaps_loss", "visibility_loss"}
    assert logged_of_two == pytest.approx(logged, rel=1e-5)
    assert evaluated_of_two == pytest.approx(evaluated, rel=1e-5)
    assert logged == pytest.approx(evaluated, rel=1e-5)
    weighted = 0.3 * logged["pose_loss"] + logged["heatmaps_loss"] + 0.5 * logged["visibility_loss"]
    assert logged["loss"] == pytest.approx(weighted, rel=1e-5)


def test_logged_values_are_the_losses():
    features, joints = labels()
    inputs = tf.keras.Input((5,))
    model = tf.keras.Model(inputs, tf.keras.layers.Reshape((JOINTS, 2))(tf.keras.layers.Dense(JOINTS * 2)(inputs)))
    model.compile(loss=losses.PoseLoss())
    errors = np.abs(model(features) - joints[..., :2]).sum(axis=-1)
    assert model.evaluate(features, joints, verbose=0) == pytest.approx(np.nanmean(errors), rel=1e-5)


def test_xla_takes_the_same_step():
    weights, logged, _ = fit_once(tf.distribute.get_strategy())
    compiled_weights, compiled_logged, _ = fit_once(tf.distribute.get_strategy(), jit_compile=True)
    for expected, actual in zip(weights, compiled_weights):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    assert compiled_logged == pytest.approx(logged, rel=1e-4)

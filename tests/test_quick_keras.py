"""What the tests leave out of Keras changes no network."""

import numpy as np
import pytest
import tensorflow as tf
import tiny_run
from keras.src.engine import functional

from opec_tf.models import builders


def _built():
    tf.keras.utils.set_random_seed(0)
    return builders.build_couple_net(tiny_run.MODEL)


def _described(tensors):
    return {name: (tensor.shape.as_list(), tensor.dtype) for name, tensor in tensors.items()}


@pytest.mark.slowest
def test_a_network_of_networks_is_the_one_that_keras_builds(monkeypatch):
    quick = _built()
    monkeypatch.delattr(functional.Functional, "_infer_output_signature")
    whole = _built()
    assert _described(quick.output) == _described(whole.output) and quick.output_names == whole.output_names
    assert [(weight.name, weight.shape) for weight in quick.weights] == [
        (weight.name, weight.shape) for weight in whole.weights
    ]
    inputs = {
        "crops": np.random.default_rng(0).uniform(0, 255, (2, *tiny_run.MODEL.crop_size, 3)).astype(np.float32),
        "crop_to_image": tf.eye(2, 3, [2]),
        "partner": tf.constant([1, 0]),
    }
    expected = whole(inputs)
    for name, value in quick(inputs).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)

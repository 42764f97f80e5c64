"""Checkpoints' tensors in the base module, and crops to compare it by. Shared by several tests."""

import functools

import numpy as np

from opec_tf.config import ModelConfig
from opec_tf.models import builders
from opec_tf.weights import base_loading, recognition

SIZE = {"crop_height": 64, "crop_width": 64}
CROPS = np.random.default_rng(7).uniform(0, 255, [2, 64, 64, 3]).astype(np.float32)
IMAGENET = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
ALPHAPOSE = np.float32([0.406, 0.457, 0.480]), np.float32([1, 1, 1])

# For tests that look at no initial weights.
build_once = functools.cache(builders.build_base)


def convert(tensors, build=builders.build_base, new_joints=False, **settings):
    """(base network, report, config) of tensors, with ``settings`` as the user's flags."""
    source = recognition.recognize(tensors, "a.pth")
    config = base_loading.settle(source, ModelConfig(**SIZE, **settings), [*SIZE, *settings])
    model = build(config)
    return model, base_loading.load(model, source, config, new_joints), config


def inputs(scaling, bgr=False):
    """The crops as the network was trained to see them."""
    mean, std = scaling
    return ((CROPS[..., ::-1] if bgr else CROPS) / np.float32(255) - mean) / std


def close(found, expected):
    """Asserts that arrays differ by less than 1e-4 of the largest number."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()

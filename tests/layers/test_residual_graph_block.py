import numpy as np
import tensorflow as tf

from opec_tf.layers.graph import ResidualGraphBlock

PATH = [[1, 1, 0], [1, 1, 1], [0, 1, 1]]


def test_output_is_shortcut_plus_two_convolutions():
    features = tf.random.stateless_normal((2, 3, 5), seed=(1, 2))
    block = ResidualGraphBlock(4, PATH, attention=False)
    output = block(features)
    np.testing.assert_allclose(output, block.shortcut(features) + block.second(block.first(features)), atol=1e-6)


def test_attention_follows_and_reaches_every_joint():
    """Two graph convolutions on a path reach two edges far; attention reaches the far end of a longer one."""
    joints = 6
    chain = np.eye(joints) + np.eye(joints, k=1) + np.eye(joints, k=-1)
    features = np.random.default_rng(0).normal(size=(1, joints, 5)).astype(np.float32)
    changed = features.copy()
    changed[0, -1] += 1.0
    for attention, reach in ((False, 3), (True, joints)):
        block = ResidualGraphBlock(8, chain, attention=attention)
        difference = np.abs(block(features) - block(changed)).max(axis=-1)[0]
        assert np.count_nonzero(difference) == reach


def test_parameter_count():
    """Three graph convolutions with bias, and three projections without: C = 256, input 256 + 128 (supplement 2)."""
    block = ResidualGraphBlock(256, PATH)
    block(tf.zeros((1, 3, 384)))
    assert block.count_params() == 2 * (384 * 256 + 256) + (256 * 256 + 256) + 3 * 256 * 256

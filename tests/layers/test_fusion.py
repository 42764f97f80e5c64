import numpy as np
import pytest
import tensorflow as tf

from opec_tf.layers.fusion import FusionBlock, upsample
from opec_tf.poses import geometry


@pytest.mark.parametrize("size", [(5, 4), (20, 16), (3, 7)])
def test_upsample_leaves_features_where_they_are(size):
    """A ramp, whose channels hold each cell's own normalised (x, y), is one still; beyond the outermost centres of the
    coarse map the border is repeated."""
    height, width = size
    outermost = 1.0 - 1.0 / np.array([width, height])
    fine = geometry.cell_centers((2 * height, 2 * width))
    coarse = tf.constant(geometry.cell_centers(size)[None])
    np.testing.assert_allclose(upsample(coarse)[0], np.clip(fine, -outermost, outermost), atol=1e-6)


def test_gates_weigh_both_sides():
    """A gate of 0 on one side of the concatenation leaves the output to the other."""
    coarse, fine = tf.ones((1, 3, 2, 2)), tf.ones((1, 6, 4, 3))
    block = FusionBlock(4)
    block([coarse, fine])
    kernel, _ = block.attention.excite.get_weights()
    for side, gate_bias in ((coarse, [-100, -100, 100, 100, 100]), (fine, [100, 100, -100, -100, -100])):
        block.attention.excite.set_weights([0 * kernel, np.array(gate_bias, np.float32)])
        before = block([coarse, fine])
        silent = block([2 * coarse, fine] if side is coarse else [coarse, 2 * fine])
        heard = block([coarse, 2 * fine] if side is coarse else [2 * coarse, fine])
        np.testing.assert_array_equal(silent, before)
        assert np.abs(heard - before).max() > 0.1


def test_attention_sees_both_sides():
    """The gates of one side depend on the other side's features."""
    tf.keras.utils.set_random_seed(0)  # of its two hidden units none may be dead
    coarse, fine = tf.random.stateless_uniform((1, 3, 2, 2), (1, 2)), tf.random.stateless_uniform((1, 6, 4, 3), (3, 4))
    block = FusionBlock(4)
    joined = tf.concat([upsample(coarse), fine], -1)
    block([coarse, fine])
    louder = tf.concat([upsample(coarse), 3.0 * fine], -1)
    ratio = block.attention(louder)[..., :2] / block.attention(joined)[..., :2]
    assert np.abs(ratio - 1.0).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_half_precision_features_that_go_two_ways_train_under_xla(dtype):
    """As F^1 and F^2 do, into a fusion block and to the joints: XLA adds two gradients only if their types agree."""

    @tf.function(jit_compile=True)
    def gradient(features):
        with tf.GradientTape() as tape:
            tape.watch(features)
            total = tf.reduce_sum(upsample(features)) + tf.reduce_sum(features)
        return tape.gradient(total, features)

    # Every cell is spread over four new ones of weight 1 in all, and counts once itself.
    np.testing.assert_allclose(tf.cast(gradient(tf.ones([2, 3, 4, 5], dtype)), tf.float32), 5.0)

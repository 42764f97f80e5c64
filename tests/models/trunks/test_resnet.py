import functools

import numpy as np
import pytest
import tensorflow as tf

from opec_tf.models.trunks.resnet import resnet
from opec_tf.models.trunks.sizes import BASIC_BLOCKS


@functools.cache
def build(trunk, **keywords):
    """One model to C5 for each set of arguments: the tests only look at it, or at weights they set themselves."""
    images = tf.keras.Input((64, 64, 3))
    return tf.keras.Model(images, resnet(images, trunk=trunk, **keywords)[-1])


def trainable_count(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@pytest.mark.slow
@pytest.mark.parametrize(
    "trunk, parameters",
    # torchvision's models (resnet10: its ResNet with one block a stage) less their classifier of 1000 outputs (512 or
    # 2048 inputs, with bias). The deeper trunks are counted as parts of the bases they belong to, in
    # test_pose_backbone.py.
    [
        ("resnet10", 5_418_792 - 513_000),
        ("resnet18", 11_689_512 - 513_000),
        ("resnet34", 21_797_672 - 513_000),
        ("resnet50", 25_557_032 - 2_049_000),
    ],
)
def test_parameter_counts_are_torchvisions(trunk, parameters):
    model = build(trunk)
    assert trainable_count(model) == parameters
    assert model.output_shape == (None, 2, 2, 512 if trunk in BASIC_BLOCKS else 2048)


@pytest.mark.parametrize("trunk, gated", [("resnet18", [128, 256, 512]), ("resnet50", [256, 512, 1024, 2048])])
def test_squeeze_excite_sits_in_the_blocks_with_a_convolutional_shortcut(trunk, gated):
    """AlphaPose's SELayer with reduction 1: two dense layers of C x C with bias."""
    extra = trainable_count(build(trunk, squeeze_excite=True)) - trainable_count(build(trunk))
    assert extra == sum(2 * (channels**2 + channels) for channels in gated)


def test_width_scales_every_stage():
    assert build("resnet18", width=16).output_shape == (None, 2, 2, 128)
    assert build("resnet50", width=16).output_shape == (None, 2, 2, 512)


def test_strided_convolutions_pad_both_sides_as_pytorch_does():
    """A 7x7 window of ones over ones: the first output sees 4 x 4 pixels of the picture, 5 x 5 with Keras's "same"."""
    model = build("resnet18", width=8)
    stem = tf.keras.Model(model.input, model.get_layer("stem").output)
    model.get_layer("stem").set_weights([np.ones((7, 7, 3, 8))])
    response = stem(tf.ones((1, 64, 64, 3)))[0, :, :, 0]
    assert response.shape == (32, 32)
    assert response[0, 0] == 3 * 4 * 4
    assert response[-1, -1] == 3 * 5 * 5
    assert response[8, 8] == 3 * 7 * 7


def test_blocks_start_as_their_shortcut():
    """The last BatchNorm of every residual branch starts at gamma 0."""
    model = build("resnet18", width=8)
    block = tf.keras.Model(model.get_layer("pool").output, model.get_layer("stage1_block2_relu").output)
    features = tf.random.stateless_uniform((1, 16, 16, 8), (1, 2))
    np.testing.assert_array_equal(block(features), features)


def test_a_stage_halves_in_its_3x3_convolution():
    model = build("resnet50", width=8)
    assert model.get_layer("stage2_block1_conv1").strides == (1, 1)
    assert model.get_layer("stage2_block1_conv2").strides == (2, 2)


def test_an_unshuffled_stage_reads_all_four_cells():
    model = build("resnet50", width=8, unshuffle=True)
    assert model.get_layer("stage2_block1_unshuffle").output_shape == (None, 8, 8, 64)
    assert model.get_layer("stage2_block1_conv2").strides == (1, 1)
    assert model.output_shape == (None, 2, 2, 256)
    # Three kernels of 3 x 3, each with three times its channels more to read.
    extra = sum(9 * 3 * channels**2 for channels in (16, 32, 64))
    assert trainable_count(model) == trainable_count(build("resnet50", width=8)) + extra


def test_a_stage_halves_before_its_first_1x1_convolution_as_caffes_do():
    model = build("resnet50", width=8, stride_in_1x1=True)
    assert model.get_layer("stage2_block1_conv1").output_shape == (None, 8, 8, 16)
    assert model.get_layer("stage2_block1_conv2").strides == (1, 1)
    assert trainable_count(model) == trainable_count(build("resnet50", width=8))
    assert build("resnet18", width=8, stride_in_1x1=True).get_layer("stage2_block1_conv1").strides == (2, 2)

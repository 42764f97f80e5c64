"""Public weights in the base module give what PyTorch's operations, spelled out in public_networks.py, do."""

import functools

import numpy as np
import public_networks
import pytest
import tensorflow as tf
from converted import ALPHAPOSE, CROPS, IMAGENET, SIZE, build_once, close, convert, inputs

from opec_tf.common.errors import UserError
from opec_tf.config import ModelConfig
from opec_tf.models import builders
from opec_tf.poses.skeletons import COCO17, CROWDPOSE14, MPII16
from opec_tf.weights import base_loading, channel_order, reading, recognition

pytestmark = pytest.mark.slow

RESNET18, RESNET50 = (2, 2, 2, 2), (3, 4, 6, 3)


@functools.cache
def fastpose(bottleneck=True, joints=33):
    blocks = RESNET50 if bottleneck else RESNET18
    return public_networks.fastpose(np.random.default_rng(1), blocks, bottleneck, joints)


@functools.cache
def fastpose_duc(bottleneck=False, joints=17, **settings):
    blocks = RESNET50 if bottleneck else RESNET18
    return public_networks.fastpose_duc(np.random.default_rng(4), blocks, bottleneck, joints, **settings)


@functools.cache
def pose_resnet(joints=17):
    return public_networks.pose_resnet(np.random.default_rng(2), RESNET18, False, joints)


def test_the_order_of_channels_before_a_shuffle():
    assert channel_order.shuffle_order(12).tolist() == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]
    features = np.random.default_rng(0).normal(size=[1, 3, 2, 12]).astype(np.float32)
    ours = tf.nn.depth_to_space(features[..., channel_order.shuffle_order(12)], 2)
    np.testing.assert_array_equal(ours, public_networks.pixel_shuffle(features))
    features = np.random.default_rng(0).normal(size=[1, 4, 6, 3]).astype(np.float32)
    theirs = public_networks.pixel_unshuffle(features).numpy()[..., channel_order.shuffle_order(12)]
    np.testing.assert_array_equal(tf.nn.space_to_depth(features, 2), theirs)


def test_torchvision_trunk_with_new_gates_and_decoder():
    random = np.random.default_rng(0)
    tensors = public_networks.trunk(random, RESNET50, True)
    tensors.update({"fc.weight": np.zeros([10, 256]), "fc.bias": np.zeros(10)})
    model, report, config = convert(tensors, squeeze_excite=False)
    assert (config.trunk, config.trunk_width, config.decoder, config.crop_offset) == ("resnet50", 8, "duc", 0.0)
    base = model.get_layer("base")
    trunk = tf.keras.Model(base.input, base.get_layer("stage4_block3_relu").output)
    close(trunk(CROPS, training=False), public_networks.c5(tensors, inputs(IMAGENET)))
    reasons = {reason for _, _, reason in report.left}
    assert reasons == {"a counter of training steps", "the classifier"} and len(report.left) == 53 + 2
    assert report.random == ["duc1", "duc2", "heatmap_head"]
    tensors_used, numbers = map(sum, zip(*report.used.values()))
    assert tensors_used == len(tensors) - len(report.left) == 5 * 53
    assert numbers == sum(value.size for name, value in tensors.items() if not name.endswith("tracked")) - 2570

    _, report, config = convert(public_networks.trunk(random, RESNET18, False), build_once)
    assert config.squeeze_excite and report.random[:3] == [f"stage{stage}_block1_se" for stage in range(2, 5)]


@pytest.mark.parametrize("bottleneck", [True, False], ids=["bottlenecks", "basic blocks"])
def test_fastpose(bottleneck):
    tensors = fastpose(bottleneck)
    model, report, config = convert(tensors)
    assert (config.decoder, config.squeeze_excite, config.normalization) == ("duc", True, "alphapose")
    assert config.trunk == ("resnet50" if bottleneck else "resnet18")
    assert (config.skeleton, config.crop_offset) == ("coco17", 1.5)
    expected = public_networks.heatmaps(tensors, inputs(ALPHAPOSE))
    close(model(CROPS, training=False)["base_heatmaps"], expected[..., :17])
    rows = [name for name, _, reason in report.left if reason == "joints that the skeleton has not"]
    assert rows == ["16 rows of conv_out.weight", "16 rows of conv_out.bias"] and report.random == []


@pytest.mark.parametrize("gates, unshuffle", [(True, False), (False, False), (True, True)])
def test_fastpose_duc(gates, unshuffle):
    """fast_421_res152's layout, gated as its published setting and without gates, and fast_421_res50-shuffle's."""
    tensors = fastpose_duc(True, gates=gates, unshuffle=unshuffle)
    source = recognition.recognize({f"module.{name}": value for name, value in tensors.items()}, "a.pth")
    assert source.family == "AlphaPose FastPose_DUC"
    model, report, config = convert({f"module.{name}": value for name, value in tensors.items()})
    assert (config.decoder, config.trunk, config.trunk_width) == ("duc421", "resnet50", 8)
    assert (config.squeeze_excite, config.unshuffle) == (gates, unshuffle)
    assert (config.skeleton, config.normalization, config.crop_offset) == ("coco17", "alphapose", 1.5)
    close(model(CROPS, training=False)["base_heatmaps"], public_networks.heatmaps(tensors, inputs(ALPHAPOSE)))
    assert report.random == [] and {reason for _, _, reason in report.left} == {"a counter of training steps"}
    # 53 + 7 convolutions with a BatchNorm each, the head's kernel and bias, four gates of two layers.
    assert sum(count for count, _ in report.used.values()) == 5 * 60 + 2 + 16 * gates == len(tensors) - 60
    assert report.used["duc1"][0] == 20


def test_fastpose_duc_over_basic_blocks():
    model, _, config = convert(fastpose_duc())
    assert (config.decoder, config.trunk, config.unshuffle) == ("duc421", "resnet18", False)
    close(model(CROPS, training=False)["base_heatmaps"], public_networks.heatmaps(fastpose_duc(), inputs(ALPHAPOSE)))


def test_joints_come_by_name_from_either_half_of_duc_se():
    model, _, _ = convert(fastpose(False), skeleton="crowdpose14")
    expected = public_networks.heatmaps(fastpose(False), inputs(ALPHAPOSE))
    outputs = [*range(5, 17), 17 + MPII16.joints.index("head"), 17 + MPII16.joints.index("neck")]
    close(model(CROPS, training=False)["base_heatmaps"], tf.gather(expected, outputs, axis=-1))


def test_simplebaseline_sees_bgr():
    model, report, config = convert({f"module.{name}": value for name, value in pose_resnet().items()})
    assert (config.decoder, config.deconv_channels, config.squeeze_excite) == ("deconv", 8, False)
    assert (config.skeleton, config.normalization) == ("coco17", "imagenet_bgr")
    expected = public_networks.heatmaps(pose_resnet(), inputs(IMAGENET, bgr=True))
    close(model(CROPS, training=False)["base_heatmaps"], expected)
    assert report.random == [] and {reason for _, _, reason in report.left} == {"a counter of training steps"}


@pytest.mark.parametrize("head", ["keypoint_head", "head"])
def test_mmpose_sees_rgb(head):
    tensors = public_networks.as_mmpose(pose_resnet(14), head)
    model, _, config = convert({**tensors, "loss.weight": np.zeros(3)}, new_joints=True)
    assert (config.skeleton, config.normalization) == ("crowdpose14", "imagenet")
    close(model(CROPS, training=False)["base_heatmaps"], public_networks.heatmaps(pose_resnet(14), inputs(IMAGENET)))


def test_a_joint_that_is_missing_is_named_or_random():
    with pytest.raises(UserError, match="a.pth: has no output for joint head of --skeleton=crowdpose14.*--new_joints"):
        convert(pose_resnet(), skeleton="crowdpose14")
    model, report, _ = convert(pose_resnet(), skeleton="crowdpose14", new_joints=True)
    assert report.random == ["heatmap_head (head)", "heatmap_head (neck)"]
    kernel = model.get_layer("base").get_layer("heatmap_head").kernel.numpy()[0, 0]
    np.testing.assert_array_equal(kernel[:, :12], pose_resnet()["final_layer.weight"][5:, :, 0, 0].T)
    assert 0 < np.abs(kernel[:, 12:]).max() < 0.01
    assert CROWDPOSE14.joints[:12] == COCO17.joints[5:]


def test_the_users_word_on_what_no_shape_shows():
    _, _, config = convert(pose_resnet(), build_once, normalization="imagenet", crop_offset=0.0, stride_in_1x1=True)
    assert (config.normalization, config.crop_offset, config.stride_in_1x1) == ("imagenet", 0.0, True)
    with pytest.raises(UserError, match="is a SimpleBaseline pose_resnet with trunk=resnet18, not --trunk=resnet50"):
        convert(pose_resnet(), trunk="resnet50")


def test_trunk_only():
    source = recognition.recognize(fastpose(False), "a.pth", trunk_only=True)
    config = base_loading.settle(source, ModelConfig(**SIZE, decoder="deconv", deconv_channels=4), ["decoder"])
    assert (config.decoder, config.crop_offset, config.normalization) == ("deconv", 0.0, "alphapose")
    model = builders.build_base(config)
    report = base_loading.load(model, source, config)
    assert "deconv1" in report.random and "heatmap_head" in report.random
    assert ("conv_out.weight", (33, 4, 3, 3), "--trunk_only") in report.left
    # Without a shuffle behind it C5 keeps PyTorch's order.
    base = model.get_layer("base")
    trunk = tf.keras.Model(base.input, base.get_layer("stage4_block2_relu").output)
    short = {name.removeprefix("preact."): value for name, value in fastpose(False).items()}
    close(trunk(CROPS, training=False), public_networks.c5(short, inputs(ALPHAPOSE)))


def test_trunk_only_of_a_decoder_or_head_that_is_not_known():
    """As the refusal of such a file recommends."""
    extra = {"duc1.13.weight": np.zeros([16, 16, 3, 3]), "conv_out.weight": np.zeros([19, 32, 3, 3])}
    tensors = {**fastpose_duc(True, gates=True, unshuffle=True), **extra}
    source = recognition.recognize(tensors, "a.pth", trunk_only=True)
    assert source.family == "AlphaPose FastPose_DUC, trunk only" and source.joints == ()
    config = base_loading.settle(source, ModelConfig(**SIZE, decoder="deconv", deconv_channels=4), ["decoder"])
    assert (config.trunk, config.unshuffle, config.crop_offset) == ("resnet50", True, 0.0)
    model = builders.build_base(config)
    report = base_loading.load(model, source, config)
    assert ("duc1.13.weight", (16, 16, 3, 3), "--trunk_only") in report.left
    base = model.get_layer("base")
    trunk = tf.keras.Model(base.input, base.get_layer("stage4_block3_relu").output)
    short = {name.removeprefix("preact."): value for name, value in tensors.items()}
    close(trunk(CROPS, training=False), public_networks.c5(short, inputs(ALPHAPOSE)))


def _without(name):
    return {key: value for key, value in pose_resnet().items() if key != name}


@pytest.mark.parametrize(
    "tensors, message",
    [
        (lambda: _without("layer2.0.bn1.bias"), "tensor layer2.0.bn1.bias of a SimpleBaseline pose_resnet is missing"),
        (lambda: _without("final_layer.bias"), "tensor head.bias is missing"),
        (lambda: _without("final_layer.weight"), "has a decoder but no head"),
        (lambda: _without("conv1.weight"), "holds no ResNet: conv1.weight"),
        (
            lambda: {**pose_resnet(), "layer1.0.conv2.weight": np.zeros([8, 8, 1, 1])},
            r"layer1.0.conv2.weight has shape \[8, 8, 1, 1\], and the network takes \[8, 8, 3, 3\]",
        ),
        (
            lambda: {**pose_resnet(), "final_layer.weight": np.zeros([17, 8, 3, 3])},
            r"final_layer.weight has shape \[17, 8, 3, 3\], and the network takes \[17, 8, 1, 1\]",
        ),
        (lambda: {**pose_resnet(), "bn1.weight": np.full(8, np.nan)}, "bn1.weight holds numbers that are not finite"),
        (
            lambda: {**pose_resnet(), "layer2.0.conv4.weight": np.zeros(3)},
            "layer2.0.conv4.weight has no place in a SimpleBaseline pose_resnet: the network is a variant",
        ),
        (
            lambda: {**fastpose(False), "preact.layer2.0.conv2_offset.weight": np.zeros(3)},
            r"preact.layer2.0.conv2_offset.weight belongs to a deformable convolution \(DCN\), which is not known here",
        ),
        (
            lambda: {**fastpose_duc(), "module.preact.layer2.0.conv2.1.conv_offset.weight": np.zeros(3)},
            "preact.layer2.0.conv2.1.conv_offset.weight belongs to a deformable convolution",
        ),
        (lambda: {**pose_resnet(), "deconv_layers.9.weight": np.zeros(3)}, "deconv_layers.9.weight has no place"),
        (lambda: {**pose_resnet(), "layer1.2.conv1.weight": np.zeros(3)}, r"ResNet of \(3, 2, 2, 2\) basic blocks"),
        (lambda: {**pose_resnet(), "final_layer.weight": np.zeros([19, 8, 1, 1])}, "final_layer.weight has 19 outputs"),
        (
            lambda: {**fastpose(False), "duc1.conv.weight": np.zeros([64, 16, 3, 3])},
            r"duc1.conv.weight has shape \[64, 16, 3, 3\], and the network takes \[32, 16, 3, 3\]",
        ),
        (
            lambda: {**fastpose_duc(), "duc2.7.weight": np.zeros([16, 16, 3, 3])},
            r"duc1.1.weight belongs to a decoder that is not known here; its stages have \(4, 3, 1\) convolutions",
        ),
        (
            lambda: {**fastpose_duc(), "duc1.4.weight": np.zeros([16, 8, 3, 3])},
            r"duc1.4.weight has shape \[16, 8, 3, 3\], and the network takes \[16, 16, 3, 3\]",
        ),
        (
            lambda: {**fastpose_duc(), "duc1.10.weight": np.zeros([30, 16, 3, 3])},
            r"duc1.10.weight has shape \[30, 16, 3, 3\]: a pixel shuffle takes a multiple of 4 channels",
        ),
        (
            lambda: {name: value for name, value in fastpose_duc().items() if name != "duc3.2.running_var"},
            "tensor duc3.2.running_var of a AlphaPose FastPose_DUC is missing",
        ),
        (lambda: {**fastpose_duc(), "duc3.5.weight": np.zeros(8)}, "duc3.5.weight has no place in a AlphaPose"),
        (
            lambda: {name.replace("duc1", "duc.0"): value for name, value in fastpose_duc().items()},
            "duc.0.1.weight belongs to a decoder that is not known here",
        ),
    ],
    ids=range(20),
)
def test_what_does_not_fit_is_named(tensors, message):
    with pytest.raises(UserError, match=message) as error:
        convert(tensors(), build_once)
    assert "\n" not in str(error.value)


@pytest.mark.slowest
def test_keras_applications_trunk_is_exact(tmp_path):
    """Biases, epsilon, BGR without a scale, zero padding after the mean's subtraction and the place of the strides."""
    theirs = tf.keras.applications.ResNet50(weights=None, include_top=False, input_shape=(64, 64, 3))
    random = np.random.default_rng(3)
    for layer in theirs.layers:
        shapes = [weight.shape for weight in layer.weights]
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            layer.set_weights(
                [
                    random.uniform(low, high, shape)
                    for shape, (low, high) in zip(shapes, ((0.5, 1.5), (-0.1, 0.1), (-0.1, 0.1), (0.5, 1.5)))
                ]
            )
        elif shapes:
            layer.set_weights([layer.kernel, random.normal(0, 0.1, shapes[1])])
    theirs.save_weights(tmp_path / "resnet50.h5")
    tensors = reading.read(tmp_path / "resnet50.h5")
    tensors = {**tensors, "predictions/bias": np.zeros(1000)}
    model, report, config = convert(tensors, decoder="deconv", squeeze_excite=False)
    assert (config.normalization, config.stride_in_1x1, config.trunk_width) == ("caffe", True, 64)
    base = model.get_layer("base")
    trunk = tf.keras.Model(base.input, base.get_layer("stage4_block3_relu").output)
    expected = theirs(tf.keras.applications.resnet.preprocess_input(CROPS.copy()), training=False)
    close(trunk(CROPS, training=False), expected)
    assert report.left == [("predictions/bias", (1000,), "the classifier")]

import numpy as np
import pytest
import tensorflow as tf

from opec_tf.config import BaseConfig, ModelConfig
from opec_tf.models import builders
from opec_tf.models.pose_backbone import pose_backbone


class _Recorded:
    """A ``ModelConfig`` that tells which of its fields are read."""

    def __init__(self, config):
        self.config, self.read = config, set()

    def __getattr__(self, name):
        self.read |= {"crop_size": {"crop_height", "crop_width"}, "regresses_pose": {"trunk"}}.get(name, {name})
        return getattr(self.config, name)


def backbone(**settings):
    return pose_backbone(BaseConfig(**settings))


def trainable_count(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@pytest.mark.slow
@pytest.mark.parametrize("trunk, parameters", [("resnet50", 33_999_697), ("resnet152", 68_635_473)])
def test_simplepose_parameter_counts(trunk, parameters, zeros):
    """pose_resnet of microsoft/human-pose-estimation.pytorch with 17 joints."""
    model = backbone(
        crop_height=256, crop_width=192, skeleton="coco17", trunk=trunk, squeeze_excite=False, decoder="deconv"
    )
    assert trainable_count(model) == parameters
    shapes = [model.output[name].shape[1:] for name in ("F1", "F2", "F3")]
    assert shapes == [(16, 12, 256), (32, 24, 256), (64, 48, 256)]


@pytest.mark.slow
def test_alphapose_at_full_size():
    """DESIGN.md's table: 320 x 256 crops through SE-ResNet-101."""
    model = backbone(crop_height=320, crop_width=256, skeleton="body12", trunk="resnet101")
    # Trunk (torchvision's), gates, two DUCs (3x3 without bias, BatchNorm), 3x3 convolution to the joints.
    trunk = 42_500_160
    gates = sum(2 * (c * c + c) for c in (256, 512, 1024, 2048))
    ducs = (9 * 512 * 1024 + 2 * 1024) + (9 * 256 * 512 + 2 * 512)
    head = 9 * 128 * 12 + 12
    assert trainable_count(model) == trunk + gates + ducs + head

    outputs = model(tf.fill((1, 320, 256, 3), 128.0))
    shapes = {name: tuple(value.shape) for name, value in outputs.items()}
    assert shapes == {
        "F1": (1, 20, 16, 512),
        "F2": (1, 40, 32, 256),
        "F3": (1, 80, 64, 128),
        "C4": (1, 20, 16, 1024),
        "C3": (1, 40, 32, 512),
        "C2": (1, 80, 64, 256),
        "base_heatmaps": (1, 80, 64, 12),
    }
    # A head near zero: training starts from the background of the targets.
    assert np.abs(outputs["base_heatmaps"]).max() < 0.2


@pytest.mark.slowest
def test_fast_421_res152_at_full_size():
    """AlphaPose's 256x192_res152_lr1e-3_1x-duc: SE-ResNet-152, then 512 to 1024, 256 to 512, 128 to 256 channels."""
    model = backbone(crop_height=256, crop_width=192, skeleton="coco17", trunk="resnet152", decoder="duc421")
    trunk = 60_192_808 - 2_049_000
    gates = sum(2 * (c * c + c) for c in (256, 512, 1024, 2048))
    stages = sum(
        (count - 1) * (9 * c * c + 2 * c) + 9 * c * 2 * c + 4 * c for count, c in ((4, 512), (2, 256), (1, 128))
    )
    assert stages == 11_801_600 + 1_771_008 + 295_424
    assert trainable_count(model) == trunk + gates + stages + 9 * 256 * 17 + 17
    outputs = model(tf.fill((1, 256, 192, 3), 128.0))
    shapes = [tuple(outputs[name].shape[1:]) for name in ("F1", "F2", "F3", "base_heatmaps")]
    assert shapes == [(16, 12, 1024), (32, 24, 512), (64, 48, 256), (64, 48, 17)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "decoder, channels", [("duc", (32, 16, 8)), ("duc421", (64, 32, 16)), ("deconv", (24, 24, 24))]
)
def test_slim_variants(decoder, channels):
    model = backbone(
        crop_height=128,
        crop_width=96,
        skeleton="crowdpose14",
        trunk="resnet18",
        trunk_width=16,
        decoder=decoder,
        deconv_channels=24,
    )
    outputs = model(tf.zeros((2, 128, 96, 3)))
    for name, size, width in zip(("F1", "F2", "F3"), ((8, 6), (16, 12), (32, 24)), channels):
        assert outputs[name].shape == (2, *size, width)
    for name, size, width in zip(("C4", "C3", "C2"), ((8, 6), (16, 12), (32, 24)), (64, 32, 16)):
        assert outputs[name].shape == (2, *size, width)
    assert outputs["base_heatmaps"].shape == (2, 32, 24, 14)


@pytest.mark.slow
def test_base_settings_are_all_that_the_base_is_made_from():
    read = set()
    for decoder in ("duc", "deconv"):
        config = _Recorded(ModelConfig(crop_height=64, crop_width=64, trunk="resnet18", trunk_width=4, decoder=decoder))
        builders.build_base(config)
        read |= config.read
    # The offset moves what the base sees, not what it is.
    assert read | {"crop_offset"} == builders.BASE_SETTINGS

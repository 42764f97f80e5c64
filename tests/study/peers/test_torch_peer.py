"""The networks in PyTorch are ours: with our weights they give our outputs, losses and the steps of Adam."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, ModelConfig, TrainConfig
from opec_tf.models import builders
from opec_tf.poses import skeletons
from opec_tf.study.peers import contest, networks
from opec_tf.training import objectives

pytestmark = pytest.mark.slow

torch = pytest.importorskip(
    "torch", reason="needs PyTorch: pip install -e .[torch]; python -m pytest tests/study/peers/test_torch_peer.py"
)
from opec_tf.study.peers import torch_side, torch_training  # noqa: E402 - they need PyTorch

CONFIG = ModelConfig(
    trunk="movenet_lightning",
    crop_height=96,
    crop_width=64,
    adaption_channels=(12, 10, 8),
    graph_channels=14,
    block_channels=16,
    integral_radius=2,
)
CROPS = np.random.default_rng(3).uniform(0, 255, [3, 96, 64, 3]).astype(np.float32)
_NAMES = {"kernel": "weight", "depthwise_kernel": "weight", "gamma": "weight", "beta": "bias", "embedding": ""}


def randomized(model):
    """A Keras model whose zeros are none any more, so that nothing is left out unseen."""
    random = np.random.default_rng(5)
    for weight in model.weights:
        if not np.any(weight.numpy()):
            weight.assign(random.normal(0.0, 0.05, weight.shape))
    return model


def take_over(network, model):
    """Copies the weights of a Keras model into the PyTorch network, by their names; each once."""
    parameters = {name.removeprefix("body."): value for name, value in network.named_parameters()}
    left = set(parameters)
    for weight in model.weights:
        *path, leaf = weight.name.split(":")[0].split("/")
        name = ".".join(filter(None, [*path, _NAMES.get(leaf, leaf)]))
        for prefix in ("", "base."):
            # A depthwise or a pointwise convolution is a part of its block here.
            for split in (name, *(name.replace(f"_{part}.", f".{part}.") for part in PARTS)):
                if prefix + split in left:
                    with torch.no_grad():
                        parameters[prefix + split].copy_(torch.tensor(_in_torch(weight.numpy(), leaf)))
                    left.discard(prefix + split)
                    break
            else:
                continue
            break
        else:
            raise AssertionError(f"{weight.name} has no place")
    assert not left


PARTS = ("expand", "depthwise", "project", "pointwise")


def _in_torch(value, leaf):
    if leaf == "depthwise_kernel":
        return value.transpose(2, 3, 0, 1)
    if leaf == "kernel":
        return value.transpose((3, 2, 0, 1) if value.ndim == 4 else (1, 0))
    return value.transpose(2, 0, 1) if leaf == "embedding" else value


@pytest.fixture(scope="module")
def both():
    """Our OPEC-Net over MoveNet and PyTorch's, of the same weights."""
    tf.keras.utils.set_random_seed(2)
    model = randomized(builders.build_opec_net(CONFIG))
    network = torch_training.Network("opec", CONFIG)
    take_over(network, model)
    return model, network


def outputs_of(network):
    """PyTorch's outputs of the crops, maps as [B, h, w, C]."""
    with torch.no_grad():
        found = network(torch.from_numpy(CROPS.transpose(0, 3, 1, 2)).contiguous(memory_format=torch.channels_last))
    return {name: (value.movedim(1, -1) if value.ndim == 4 else value).numpy() for name, value in found.items()}


def test_opec_net_over_movenet_gives_our_outputs(both):
    model, network = both
    ours, theirs = model(CROPS, training=False), outputs_of(network.eval())
    assert set(ours) <= set(theirs)
    for name, value in ours.items():
        value = value.numpy()
        assert value.shape == theirs[name].shape
        np.testing.assert_allclose(theirs[name], value, atol=2e-4 * np.abs(value).max(), err_msg=name)
    # Not of one place for all, which a wrong graph or sampling would leave.
    assert np.std(ours["pose_3"].numpy() - ours["initial_pose"].numpy()) > 1e-3


@pytest.mark.parametrize("stage, share", [("opec", 0.4), ("base", 0.0)])
def test_its_loss_is_ours(both, stage, share):
    model, _ = both
    outputs = model(CROPS, training=False)
    random = np.random.default_rng(1)
    joints = random.uniform(-0.9, 0.9, [3, skeletons.SKELETONS[CONFIG.skeleton].num_joints, 4]).astype(np.float32)
    joints[..., 2], joints[..., 3] = random.integers(0, 2, joints.shape[:2]), random.integers(-1, 3, joints.shape[:2])
    train_config = TrainConfig(oks_loss_share=share, heatmap_sigma=1.5)
    losses, weights = objectives.losses_and_weights(stage, CONFIG, train_config)
    ours = sum(weights[name] * float(losses[name](joints, outputs[name])) for name in losses)
    in_torch = {name: torch.from_numpy(value.numpy()) for name, value in outputs.items()}
    in_torch = {name: value.movedim(-1, 1) if value.ndim == 4 else value for name, value in in_torch.items()}
    theirs = torch_training.losses(stage, CONFIG, train_config)(in_torch, torch.from_numpy(joints))
    assert float(theirs) == pytest.approx(ours, rel=1e-4)


@pytest.mark.parametrize("decoder, trunk", [("duc", "resnet50"), ("deconv", "resnet18")])
def test_a_resnet_base_is_as_large_as_ours(decoder, trunk):
    config = ModelConfig(
        crop_height=64, crop_width=64, trunk=trunk, trunk_width=8, decoder=decoder, deconv_channels=24, trunk_maps=True
    )
    for stage, build in (("base", builders.build_base), ("opec", builders.build_opec_net)):
        network, model = torch_training.Network(stage, config), build(config)
        count = sum(parameter.numel() for parameter in network.parameters())
        assert count == sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
        with torch.no_grad():
            found = network.eval()(torch.from_numpy(255.0 * np.random.default_rng(0).random((1, 3, 64, 64), "f")))
        assert found["base_heatmaps"].shape == (1, 12, 16, 16)


def test_networks_that_are_not_here_are_refused():
    for settings, message in (
        ({"trunk": "resnet18", "decoder": "duc421"}, "--decoder=duc421"),
        ({"trunk": "movenet_lightning", "trunk_maps": True}, "--trunk_maps"),
        ({"trunk": "movenet_lightning", "graph_convolution": "gcn"}, "--graph_convolution=gcn: .* only"),
    ):
        with pytest.raises(UserError, match=message):
            torch_training.Network("opec", ModelConfig(**settings))


def test_the_torch_side_does_each_job(tmp_path):
    base = dataclasses.asdict(ModelConfig(crop_height=64, crop_width=64, trunk="resnet10", trunk_width=8))
    job = {"threads": 1, "stage": "base", "model": base, "batch_size": 2}
    outputs = torch_side.prepare({**job, "kind": "inference"})()
    assert outputs["base_heatmaps"].shape == (2, 12, 16, 16)
    train = dataclasses.asdict(TrainConfig(batch_size=2))
    step = torch_side.prepare({**job, "kind": "training", "train": train})
    first, *_, last = [step() for _ in range(8)]
    assert last < first
    network = networks.Compared("tiny", "base", ModelConfig(**base), 2)
    case = contest.cases([network], ["pipeline"], DataConfig(), 1, tmp_path)[0]
    crops, heatmaps = torch_side.prepare(json.loads(json.dumps(case.job)))()
    assert crops.shape == (16, 3, 64, 64) and heatmaps.shape == (16, 12, 16, 16)

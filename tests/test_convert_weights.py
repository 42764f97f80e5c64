"""The command: a checkpoint to a workdir that trains, evaluates and predicts."""

import dataclasses

import checkpoint_files
import numpy as np
import public_networks
import pytest
import serving_run
import stick_couples
import tiny_run

from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, InferenceConfig, ModelConfig, TrainConfig
from opec_tf.data import pipeline
from opec_tf.inference import pose_model
from opec_tf.inference.traced import TracedEstimator
from opec_tf.models import workdir
from opec_tf.training import loop, losses, run_data, stages
from opec_tf.weights import conversion, reading

pytestmark = pytest.mark.slow

SIZE = ["--crop_height=64", "--crop_width=64"]
MODEL = ModelConfig(crop_height=64, crop_width=64)
GIVEN = ["crop_height", "crop_width"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """An MMPose file of a small pose_resnet with CrowdPose's joints."""
    tensors = public_networks.pose_resnet(np.random.default_rng(0), (2, 2, 2, 2), False, 14)
    path = tmp_path_factory.mktemp("checkpoint") / "crowdpose.pth"
    checkpoint_files.write_zip(path, public_networks.as_mmpose(tensors, "keypoint_head"), "state_dict")
    return path


@pytest.fixture(scope="module")
def converted(checkpoint, tmp_path_factory):
    """(workdir that the command wrote, what it printed)."""
    output = tmp_path_factory.mktemp("converted") / "run"
    result = tiny_run.call("convert_weights", f"--checkpoint={checkpoint}", f"--output={output}", *SIZE)
    assert result.returncode == 0, result.stderr
    return output, result.stdout


def test_what_is_said_and_written(converted):
    output, said = converted
    lines = said.splitlines()
    assert lines[0].endswith("crowdpose.pth: MMPose pose_resnet, resnet18")
    used = next(line.split() for line in lines if line.startswith("used"))
    assert used[:2] == ["used", "117"]  # 23 convolutions, 23 BatchNorms of 4, the head's kernel and bias
    left = "left, a counter of training steps: backbone.bn1.num_batches_tracked []"
    assert any(line.startswith(left) for line in lines)
    assert "taken as published: --normalization=imagenet --crop_offset=1.5 --stride_in_1x1=False" in lines
    config = workdir.read_model_config(output)
    assert (config.skeleton, config.trunk, config.decoder) == ("crowdpose14", "resnet18", "deconv")
    assert sorted(path.name for path in (output / "base").iterdir()) == [
        "best.weights.h5",
        "config.json",
        "final.weights.h5",
    ]
    flags = (output / "model.flags").read_text().splitlines()
    assert {"--crop_offset=1.5", "--squeeze_excite=False", "--trunk_width=8", "--skeleton=crowdpose14"} <= set(flags)
    assert workdir.read_attributes(output / "base" / "best.weights.h5")["checkpoint"] == "crowdpose.pth"


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"skeleton": "coco17"}, "crowdpose.pth: has no output for joint nose of --skeleton=coco17"),
        ({"trunk": "resnet50"}, "crowdpose.pth: is a MMPose pose_resnet with trunk=resnet18, not --trunk=resnet50"),
        ({}, "run: exists already"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(checkpoint, tmp_path, changes, message):
    output = tmp_path / "run"
    if not changes:
        output.mkdir()
    before = list(tmp_path.iterdir())
    with pytest.raises(UserError, match=message):
        conversion.convert(checkpoint, output, dataclasses.replace(MODEL, **changes), [*GIVEN, *changes])
    assert list(tmp_path.iterdir()) == before


def test_where_a_base_lies(converted, tmp_path):
    output, _ = converted
    weights = output / "base" / "best.weights.h5"
    assert pose_model.locate("runs/a", "opec", str(weights)) == ("runs/a", "opec")
    assert pose_model.locate(None, None, str(weights)) == (str(output), "base")
    for path in (tmp_path / "base" / "best.weights.h5", output / "base" / "final.weights.h5"):
        with pytest.raises(UserError, match="must be WORKDIR/base/best.weights.h5"):
            pose_model.locate(None, None, str(path))


@pytest.mark.slowest
def test_a_run_becomes_small_and_stays_the_same(tmp_path):
    run, small = tmp_path / "run", tmp_path / "small"
    tiny_run.make(run, prepare=serving_run.randomize)
    result = tiny_run.call("convert_weights", f"--checkpoint={run}", f"--output={small}")
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in small.rglob("*") if path.is_file()) == [
        "best.weights.h5",
        "config.json",
        "config.json",
        "graph.zip",
        "metrics.json",
    ]
    sizes = [(folder / "opec" / "best.weights.h5").stat().st_size for folder in (run, small)]
    assert sizes[1] < 0.9 * sizes[0]  # much of so small a file is names
    whole, half = pose_model.load(run), pose_model.load(small)
    assert half.box_margin == whole.box_margin and half.git_revision == whole.git_revision
    crops = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)
    expected, got = whole.network(crops), half.network(crops)
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, atol=0.02 * np.abs(value).max(), err_msg=name)
    # Its graph answers as its network does.
    picture, boxes = serving_run.picture(), np.array([[10.0, 15.0, 60.0, 90.0], [40.0, 10.0, 55.0, 95.0]])
    ours, theirs = (model.predict(picture, boxes=boxes) for model in (half, half.with_network(half.network)))
    assert half.graph and isinstance(half.estimator(InferenceConfig(), 1), TracedEstimator)
    for name in ("keypoints", "joint_scores", "visibility"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-4)


def test_training_refuses_another_input(converted, tmp_path):
    output, _ = converted
    weights = str(output / "base" / "best.weights.h5")
    flags = dict(line[2:].split("=") for line in (output / "model.flags").read_text().splitlines())
    assert flags["crop_offset"] == "1.5"
    config = workdir.read_model_config(output)
    train_config = TrainConfig(base_weights=weights)
    stages.build("base", tmp_path, config, train_config, total_steps=1, jit_compile=False)
    for name, value in (("crop_offset", 0.0), ("normalization", "caffe")):
        other = ModelConfig(**{**{n: getattr(config, n) for n in flags}, name: value})
        with pytest.raises(UserError, match=f"made for --{name}=.*, not {value}"):
            stages.build("base", tmp_path, other, train_config, total_steps=1, jit_compile=False)


def _as_pytorch(base):
    """The tensors of a pose_resnet with this project's numbers, in SimpleBaseline's names."""
    tensors = {}
    for layer in base.layers:
        if not layer.weights:
            continue
        name = layer.name.replace("_norm", "")
        norm = layer.name.endswith("_norm")
        if name == "stem":
            own = "bn1" if norm else "conv1"
        elif name.startswith("deconv"):
            own = f"deconv_layers.{3 * int(name[-1]) - 3 + norm}"
        elif name == "heatmap_head":
            own = "final_layer"
        else:
            stage, block, part = name.split("_")[:3]
            part = f"downsample.{int(norm)}" if part == "shortcut" else part.replace("conv", "bn") if norm else part
            own = f"layer{stage[-1]}.{int(block[5:]) - 1}.{part}"
        if norm:
            parts = ("weight", "bias", "running_mean", "running_var")
            tensors.update({f"{own}.{part}": value for part, value in zip(parts, layer.get_weights())})
        else:
            tensors[f"{own}.weight"] = np.transpose(layer.get_weights()[0], (3, 2, 0, 1))
            tensors.update({f"{own}.bias": value for value in layer.get_weights()[1:]})
    return tensors


@pytest.mark.slowest
def test_a_trained_base_survives_the_way_to_pytorch_and_back(tmp_path):
    """Its loss at the first step is below random weights'."""
    data = stick_couples.write(tmp_path / "data", num_images=12)
    model_config = ModelConfig(
        skeleton="crowdpose14",
        crop_height=64,
        crop_width=64,
        trunk="resnet18",
        trunk_width=8,
        squeeze_excite=False,
        decoder="deconv",
        deconv_channels=16,
    )
    data_config = DataConfig(data_root=str(data), train_data=(stick_couples.SOURCE,))
    train_config = TrainConfig(stages=("base",), base_epochs=1, steps_per_epoch=40, batch_size=8, learning_rate=3e-3)
    loop.train(tmp_path / "run", model_config, data_config, train_config, InferenceConfig())
    trained = pose_model.load(tmp_path / "run").network
    checkpoint_files.write_stream(tmp_path / "a.pth", _as_pytorch(trained.get_layer("base")))

    given = [*GIVEN, "normalization", "crop_offset"]
    conversion.convert(tmp_path / "a.pth", tmp_path / "converted", model_config, given)
    converted = pose_model.load(tmp_path / "converted")
    assert converted.model_config == model_config
    for name, value in reading.read(tmp_path / "a.pth").items():
        np.testing.assert_array_equal(value, _as_pytorch(converted.network.get_layer("base"))[name])

    people, *_ = run_data.load(model_config, data_config, "crowdpose")
    batches = pipeline.training_dataset(people, crop_size=(64, 64), data_config=data_config, batch_size=16, seed=3)
    crops, joints = next(iter(batches))
    loss = losses.HeatmapLoss(sigma=train_config.heatmap_sigma)
    weights = str(tmp_path / "converted" / "base" / "best.weights.h5")
    first = {}
    for start in ("", weights):
        own = TrainConfig(base_weights=start)
        model = stages.build("base", tmp_path / "new", model_config, own, total_steps=1, jit_compile=False).model
        first[bool(start)] = float(loss(joints, model(crops, training=True)["base_heatmaps"]))
    np.testing.assert_array_equal(trained(crops)["base_heatmaps"], converted.network(crops)["base_heatmaps"])
    assert first[True] < 0.8 * first[False], first


def test_a_trunk_is_no_finished_base(tmp_path):
    tensors = public_networks.trunk(np.random.default_rng(0), (2, 2, 2, 2), False)
    checkpoint_files.write_safetensors(tmp_path / "resnet18.safetensors", tensors)
    report, source, _ = conversion.convert(tmp_path / "resnet18.safetensors", tmp_path / "run", MODEL, GIVEN)
    assert "random: stage2_block1_se, " in conversion.table(report, source)
    with pytest.raises(UserError, match="no stage is finished"):
        workdir.last_stage(tmp_path / "run")
    with pytest.raises(UserError, match="is no finished base, only weights to start training from"):
        pose_model.locate(None, None, str(tmp_path / "run" / "base" / "best.weights.h5"))

"""Configuration: the paper's defaults, what is refused and in which words, and the way to JSON and back."""

import dataclasses
import json

import pytest
from absl import flags as absl_flags

from opec_tf import config
from opec_tf.common.errors import UserError
from opec_tf.config import BaseConfig, DataConfig, GraphConfig, InferenceConfig, ModelConfig, TrainConfig

CLASSES = (ModelConfig, DataConfig, TrainConfig, InferenceConfig)


def test_defaults_are_the_papers_recipe():
    model, train, data = ModelConfig(), TrainConfig(), DataConfig()
    assert model.crop_size == (320, 256) and model.trunk == "resnet101" and model.decoder == "duc"
    assert model.adaption_channels == (256, 128, 128)
    assert (train.base_epochs, train.opec_epochs, train.batch_size, train.learning_rate) == (30, 30, 10, 1e-3)
    assert train.pose_loss_weights == (0.3, 0.5, 1.0)
    assert (data.min_visible_joints, data.min_proposal_oks, data.flip_probability) == (6, 0.3, 0.5)


REFUSED = [
    (
        ModelConfig,
        {"decoder": "resnet99"},
        "--decoder=resnet99 is not known; choose from duc, duc421, deconv",
    ),
    (
        ModelConfig,
        {"skeleton": "coco"},
        "--skeleton=coco is not known; choose from body12, crowdpose14, coco17, mpii16",
    ),
    (ModelConfig, {"crop_height": 100}, "--crop_height=100 must be a multiple of 32"),
    (
        ModelConfig,
        {"unshuffle": True, "stride_in_1x1": True},
        "--stride_in_1x1 and --unshuffle both say where bottlenecks halve; leave one out",
    ),
    (ModelConfig, {"crop_width": 0}, "--crop_width=0 must be above 0"),
    (
        ModelConfig,
        {"adaption_channels": (256, 128)},
        "--adaption_channels=256,128 must be 3 numbers separated by commas",
    ),
    (ModelConfig, {"adaption_channels": (256, 0, 128)}, "--adaption_channels=256,0,128 must be above 0"),
    (DataConfig, {"flip_probability": 50.0}, "--flip_probability=50.0 must be 1 or less"),
    (DataConfig, {"min_proposal_oks": -0.1}, "--min_proposal_oks=-0.1 must be 0 or more"),
    (DataConfig, {"box_margin": float("nan")}, "--box_margin=nan is not a finite number"),
    (TrainConfig, {"learning_rate": float("inf")}, "--learning_rate=inf is not a finite number"),
    (TrainConfig, {"batch_size": 0}, "--batch_size=0 must be above 0"),
    (TrainConfig, {"steps_per_epoch": -1}, "--steps_per_epoch=-1 must be 0 or more"),
    (TrainConfig, {"stages": ("base", "head")}, "--stages=base,head is not known; choose from base, opec, couple"),
    (
        TrainConfig,
        {"stages": ("opec", "base")},
        "--stages=opec,base must be one or more of base,opec,couple, in that order",
    ),
    (TrainConfig, {"stages": ()}, "--stages= must be one or more of base,opec,couple, in that order"),
    (TrainConfig, {"pose_loss_weights": (1.0,)}, "--pose_loss_weights=1.0 must be 3 numbers separated by commas"),
    (
        InferenceConfig,
        {"protocol": "mpii"},
        "--protocol=mpii is not known; choose from coco, crowdpose, crowdpose12, ochuman, ocpose",
    ),
    (InferenceConfig, {"nms_oks": 1.5}, "--nms_oks=1.5 must be 1 or less"),
]


@pytest.mark.parametrize("config_class, values, message", REFUSED, ids=[next(iter(values)) for _, values, _ in REFUSED])
def test_a_bad_value_is_refused_in_one_line(config_class, values, message):
    with pytest.raises(UserError) as caught:
        config_class(**values)
    assert str(caught.value) == message


def test_a_config_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ModelConfig().trunk = "resnet18"  # type: ignore[misc]


def test_no_two_configs_share_a_field_and_none_takes_a_flag_of_absl():
    names = [field.name for config_class in CLASSES for field in dataclasses.fields(config_class)]
    assert len(names) == len(set(names))
    taken = set(absl_flags.FLAGS.flags_by_module_dict().get("absl.logging", []))
    assert not {flag.name for flag in taken} & set(names)


@pytest.mark.parametrize("config_class", CLASSES)
def test_every_setting_has_help(config_class):
    for field in dataclasses.fields(config_class):
        assert field.metadata["help"], field.name


def test_json_round_trip_keeps_tuples_and_ignores_other_keys():
    model = ModelConfig(trunk="resnet18", adaption_channels=(32, 16, 16), squeeze_excite=False)
    train = TrainConfig(learning_rate=3e-4, stages=("opec",))
    mapping = json.loads(config.to_json(model, train))
    assert mapping["adaption_channels"] == [32, 16, 16]
    assert config.from_mapping(ModelConfig, mapping) == model
    assert config.from_mapping(TrainConfig, mapping) == train


def test_a_setting_that_a_file_lacks_is_as_before_it_existed():
    expected = ModelConfig(trunk="resnet50", couple_candidates=0, predict_visibility=False)
    assert config.from_mapping(ModelConfig, {"trunk": "resnet50"}) == expected
    assert config.from_mapping(TrainConfig, {"seed": 3}) == TrainConfig(seed=3)


STILL_READ = {
    "body_context": False,
    "candidates": 0,
    "couple_context": False,
    "displacement": True,
    "gate": False,
    "graph_normalization": False,
    "heatmap_from_base": True,
    "initial_pose_noise": 0.0,
    "sample_at": "latest",
}
GONE = {
    "body_context": True,
    "candidates": 2,
    "couple_context": True,
    "displacement": False,
    "gate": True,
    "graph_normalization": True,
    "heatmap_from_base": False,
    "initial_pose_noise": 0.05,
    "sample_at": "initial",
}


def test_settings_that_are_gone_are_ignored_where_they_were_off():
    mapping = json.loads(config.to_json(ModelConfig(trunk="resnet18")))
    assert not set(mapping) & set(STILL_READ) and set(ModelConfig.RETIRED) == set(STILL_READ)
    assert config.from_mapping(ModelConfig, {**mapping, **STILL_READ}) == ModelConfig(trunk="resnet18")
    # Of what changed training alone nothing is asked.
    training = {"occluder_probability": 0.3, "visibility_loss_weight": 0.5, "error_swap": 0.2, "error_jitter": 0.1}
    for config_class in CLASSES:
        assert config.from_mapping(config_class, training).RETIRED == config_class.RETIRED


@pytest.mark.parametrize("name", GONE)
def test_a_setting_that_is_gone_and_was_on_is_refused(name):
    mapping = {**json.loads(config.to_json(ModelConfig())), **STILL_READ, name: GONE[name]}
    with pytest.raises(UserError) as caught:
        config.from_mapping(ModelConfig, mapping)
    expected = f"{name}={GONE[name]}: this setting is gone, only {name}={ModelConfig.RETIRED[name]} remains; "
    assert str(caught.value).startswith(expected) and "\n" not in str(caught.value)
    # Other settings of the same file are read all the same.
    assert config.from_mapping(TrainConfig, mapping) == TrainConfig()


def test_the_networks_share_what_is_declared_once():
    """One field of GraphConfig or BaseConfig is one of ModelConfig, flat in its file."""
    own = {field.name for field in dataclasses.fields(ModelConfig)}
    for part in (BaseConfig, GraphConfig):
        assert {field.name for field in dataclasses.fields(part)} < own and isinstance(ModelConfig(), part)


def test_what_follows_from_other_settings_is_no_flag():
    recorded = [f.name for c in CLASSES for f in dataclasses.fields(c) if not f.metadata["is_flag"]]
    assert recorded == ["couple_smoothing"]
    # Files from before have what their networks had.
    assert config.from_mapping(ModelConfig, {}).couple_smoothing == 2.0

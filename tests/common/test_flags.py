"""Flags made from the config dataclasses: what a command line or a flagfile says is what the dataclass gets."""

import dataclasses

import pytest
from absl import flags as absl_flags
from absl.testing import flagsaver

from opec_tf import config
from opec_tf.common import flags
from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, InferenceConfig, ModelConfig, TrainConfig

CLASSES = (ModelConfig, DataConfig, TrainConfig, InferenceConfig)


@pytest.fixture
def parse():
    """A function that parses a command line's arguments; flags are as before when the test ends."""
    flags.define(*CLASSES)
    with flagsaver.flagsaver():
        absl_flags.FLAGS.unparse_flags()
        yield lambda *arguments: absl_flags.FLAGS(["tool", *arguments])
        absl_flags.FLAGS.unparse_flags()


@pytest.mark.parametrize("config_class", CLASSES)
def test_no_arguments_give_the_defaults(parse, config_class):
    parse()
    assert flags.read(config_class) == config_class()
    assert flags.given(config_class) == []


def test_each_kind_of_value_is_read(parse):
    parse(
        "--trunk=resnet18",
        "--crop_height=128",
        "--nosqueeze_excite",
        "--learning_rate=3e-4",
        "--adaption_channels=64, 32,16",
        "--pose_loss_weights=1,1,0.5",
        "--train_data=coco:a.json:images,crowdpose:b.json:images",
    )
    expected = ModelConfig(trunk="resnet18", crop_height=128, squeeze_excite=False, adaption_channels=(64, 32, 16))
    assert flags.read(ModelConfig) == expected
    assert flags.read(TrainConfig) == TrainConfig(learning_rate=3e-4, pose_loss_weights=(1.0, 1.0, 0.5))
    assert flags.read(DataConfig).train_data == ("coco:a.json:images", "crowdpose:b.json:images")
    assert flags.given(ModelConfig) == ["crop_height", "trunk", "squeeze_excite", "adaption_channels"]


def test_every_config_goes_through_a_flagfile_and_comes_back(parse, tmp_path):
    changed = (
        ModelConfig(skeleton="coco17", crop_width=192, joint_attention=False, adaption_channels=(8, 4, 4)),
        DataConfig(train_data=("ochuman:o.json:images",), strict=True, rotation_degrees=30.0),
        TrainConfig(stages=("opec",), weight_decay=1e-4, precision="mixed_bfloat16", seed=7),
        InferenceConfig(protocol="coco", flip_test=True, nms_oks=0.8),
    )
    lines = []
    for values in changed:
        for field in dataclasses.fields(values):
            value = getattr(values, field.name)
            if field.metadata["is_flag"]:
                lines.append(f"--{field.name}={','.join(map(str, value)) if isinstance(value, tuple) else value}")
    (tmp_path / "all.flags").write_text("# every setting there is\n" + "\n".join(lines) + "\n")
    parse(f"--flagfile={tmp_path / 'all.flags'}")
    assert tuple(flags.read(config_class) for config_class in CLASSES) == changed


def test_a_comma_between_double_quotes_is_a_paths_own(parse):
    """The quotes stay, so that a list that is written and read again is the same, and for the parts of each text."""
    given = 'coco:"a, b.json":images, crowdpose:"C:/c.json":"d,e"'
    parse(f"--train_data={given}", '--val_data=coco:5" pictures:images,coco:b:images', "--test_data=")
    found = flags.read(DataConfig)
    assert found.train_data == ('coco:"a, b.json":images', 'crowdpose:"C:/c.json":"d,e"')
    assert found.val_data == ('coco:5" pictures:images', "coco:b:images") and found.test_data == ()
    parse(f"--train_data={','.join(found.train_data)}")
    assert flags.read(DataConfig).train_data == found.train_data


def test_the_later_flag_wins(parse, tmp_path):
    flagfile = tmp_path / "recipe.flags"
    flagfile.write_text("--batch_size=20\n--seed=5\n")
    parse("--seed=1", f"--flagfile={flagfile}", "--batch_size=30")
    train = flags.read(TrainConfig)
    assert (train.batch_size, train.seed) == (30, 5)
    assert sorted(flags.given(TrainConfig)) == ["batch_size", "seed"]


def test_flagfiles_include_flagfiles(parse, tmp_path):
    (tmp_path / "base.flags").write_text("--trunk=resnet50\n--crop_width=192\n")
    (tmp_path / "slim.flags").write_text(f"--flagfile={tmp_path / 'base.flags'}\n--trunk_width=16\n--crop_width=96\n")
    parse(f"--flagfile={tmp_path / 'slim.flags'}")
    assert flags.read(ModelConfig) == ModelConfig(trunk="resnet50", crop_width=96, trunk_width=16)


@pytest.mark.parametrize(
    "argument, message",
    [
        ("--batch_size=ten", "flag --batch_size=ten: invalid literal for int() with base 10: 'ten'"),
        (
            "--decoder=vgg",
            "flag --decoder=vgg: value should be one of <duc|duc421|deconv>",
        ),
        ("--pose_loss_weights=1,x,1", "flag --pose_loss_weights=1,x,1: should be float values separated by commas"),
        ("--batchsize=4", "Unknown command line flag 'batchsize'. Did you mean: batch_size ?"),
    ],
)
def test_a_value_of_the_wrong_kind_is_wrong_usage(parse, argument, message):
    with pytest.raises(absl_flags.Error) as caught:
        parse(argument)
    assert str(caught.value) == message


def test_a_value_out_of_bounds_is_a_users_error(parse):
    parse("--batch_size=0")
    with pytest.raises(UserError, match="^--batch_size=0 must be above 0$"):
        flags.read(TrainConfig)


def test_defining_twice_keeps_what_was_parsed(parse):
    parse("--seed=9")
    flags.define(TrainConfig)
    assert flags.read(TrainConfig).seed == 9


def test_the_stages_are_those_of_the_config(parse):
    parse(f"--stages={','.join(config.STAGES)}")
    assert flags.read(TrainConfig).stages == ("base", "opec", "couple")
    # A data set of people who are alone has no couples, so stage couple is asked for by name.
    assert TrainConfig().stages == ("base", "opec")

"""--start_from: every stage starts from its part of a trained run's network."""

import dataclasses

import numpy as np
import pytest
import stick_couples
import tiny_run

from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, InferenceConfig, TrainConfig
from opec_tf.inference import pose_model
from opec_tf.training import loop, stages

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A workdir whose stage opec is finished."""
    root = tmp_path_factory.mktemp("trained") / "run"
    tiny_run.make(root, ("opec",))
    return root


@pytest.mark.parametrize("stage", ["base", "opec"])
def test_a_stage_starts_from_its_part(trained, tmp_path, stage):
    config = TrainConfig(start_from=str(trained), seed=5)
    network = stages.start(stage, tmp_path, tiny_run.MODEL, config)
    whole = pose_model.load(trained).network
    expected = whole if stage == "opec" else whole.get_layer("base")
    got = network.model if stage == "opec" else network.base
    for mine, theirs in zip(got.get_weights(), expected.get_weights()):
        np.testing.assert_array_equal(mine, theirs)


def test_a_last_stage_alone_asks_the_run_for_what_is_before_it(trained, tmp_path):
    folder = stick_couples.write(tmp_path / "data", num_images=2)
    data_config = DataConfig(data_root=str(folder), train_data=(stick_couples.SOURCE,))
    train_config = TrainConfig(stages=("couple",), batch_size=2, start_from=str(trained))
    with pytest.raises(UserError, match="has been trained to stage opec, and this is stage couple"):
        loop.train(tmp_path / "run", tiny_run.MODEL, data_config, train_config, InferenceConfig())


def test_what_is_not_in_the_run_or_not_like_it_is_refused(trained, tmp_path):
    config = TrainConfig(start_from=str(trained))
    with pytest.raises(UserError, match="start_from=.*: has been trained to stage opec, and this is stage couple"):
        stages.start("couple", tmp_path, tiny_run.MODEL, config)
    with pytest.raises(UserError, match="start_from=.*: made for --skeleton=body12, not coco17"):
        stages.start("base", tmp_path, dataclasses.replace(tiny_run.MODEL, skeleton="coco17"), config)

"""A run's networks are rebuilt with the weights that training kept, those of before a setting existed too."""

import dataclasses
import json

import numpy as np
import pytest
import tiny_run

from opec_tf.common.errors import UserError
from opec_tf.models import loading, workdir

pytestmark = pytest.mark.slow


def _assert_same_weights(first, second):
    for one, other in zip(first.get_weights(), second.get_weights()):
        np.testing.assert_array_equal(one, other)


def test_the_last_finished_stage_and_its_best_weights(tmp_path):
    trained = {}
    tiny_run.make(tmp_path, prepare=lambda model: trained.update({model.name: model}))
    assert workdir.last_stage(tmp_path) == "opec"
    for stage, name in (("opec", "opec_net"), ("base", "base_net")):
        _assert_same_weights(loading.load_network(tmp_path, stage, tiny_run.MODEL), trained[name])
    workdir.stage_folder(tmp_path, "opec").final_weights.unlink()
    assert workdir.last_stage(tmp_path) == "base"


def test_a_workdir_without_a_trained_stage(tmp_path):
    workdir.start(tmp_path, tiny_run.MODEL)
    with pytest.raises(UserError, match=f"^{tmp_path}: no stage is finished; run opec_tf.train"):
        workdir.last_stage(tmp_path)
    with pytest.raises(UserError, match="best.weights.h5: does not exist; stage opec has not been trained"):
        loading.load_network(tmp_path, "opec", tiny_run.MODEL)


def test_a_model_from_before_visibility_was_predicted_loads_without_it(tmp_path):
    """Its config.json has no such field, its weights no such head."""
    before, trained = dataclasses.replace(tiny_run.MODEL, predict_visibility=False), []
    tiny_run.make(tmp_path, ("opec",), before, trained.append)
    path = tmp_path / "config.json"
    settings = json.loads(path.read_text())
    assert settings.pop("predict_visibility") is False
    path.write_text(json.dumps(settings))
    model_config = workdir.read_model_config(tmp_path)
    network = loading.load_network(tmp_path, "opec", model_config)
    assert model_config == before and "visibility" not in network.output
    _assert_same_weights(network, trained[0])

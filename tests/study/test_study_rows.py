import dataclasses

import pytest

from opec_tf.common.errors import UserError
from opec_tf.config import ModelConfig, TrainConfig
from opec_tf.study import rows


def test_every_row_names_settings_that_exist():
    names = {field.name for config in (ModelConfig, TrainConfig) for field in dataclasses.fields(config)}
    for name, (title, overrides) in rows.ROWS.items():
        assert title and set(overrides) <= names, name


def test_resolved_settings():
    train_config = TrainConfig(opec_epochs=7, freeze_base=True, seed=5)
    model, training = rows.resolve("control", ModelConfig(), train_config)
    assert model == ModelConfig(refinement=False)
    assert training == TrainConfig(stages=("opec",), opec_epochs=7, heatmap_loss_weight=0.0, seed=5)
    assert rows.resolve("full", ModelConfig(gate=True), train_config)[0] == ModelConfig(gate=True)


@pytest.mark.parametrize(
    ("model_config", "train_config", "expected"),
    [
        (
            ModelConfig(graph_convolution="gcn"),
            TrainConfig(freeze_base=False),
            {"gcn": "full", "semantic": "semantic", "end_to_end": "full"},
        ),
        (
            ModelConfig(graph_convolution="semantic", gate=True),
            TrainConfig(freeze_base=True),
            {"gcn": "gcn", "semantic": "full", "end_to_end": "end_to_end", "gate": "full"},
        ),
    ],
)
def test_rows_of_equal_settings_are_one_run(model_config, train_config, expected):
    assert rows.runs(expected, model_config, train_config) == expected


def test_unknown_row():
    with pytest.raises(UserError, match="--rows=best is not known; choose from all, control, full, a_no_image"):
        rows.runs(["full", "best"], ModelConfig(), TrainConfig())


def test_rows_that_differ_behind_opec_net_share_it():
    shared = rows.with_shared_stages("couple_no_choice", ModelConfig(), TrainConfig(freeze_base=True))
    assert shared["couple"] == ("opec",) and shared["full"] == ("opec",)
    assert "gcn" not in shared
    assert rows.with_shared_stages("couple", ModelConfig(), TrainConfig(freeze_base=True))["full"] == ("opec",)

import dataclasses

import pytest

from opec_tf.common.errors import UserError
from opec_tf.config import ModelConfig, TrainConfig
from opec_tf.study import rows

MODEL, TRAINING = ModelConfig(graph_convolution="semantic"), TrainConfig(freeze_base=True)


def test_every_row_names_settings_that_exist():
    of_model, of_training = (
        {field.name for field in dataclasses.fields(config)} for config in (ModelConfig, TrainConfig)
    )
    for name, row in rows.ROWS.items():
        assert row.title and set(row.model) <= of_model and set(row.training) <= of_training, name
    assert set(rows.COUPLE_FIELDS) <= of_model


def test_resolved_settings():
    training = TrainConfig(opec_epochs=7, freeze_base=True, seed=5)
    resolved = rows.resolve("control", ModelConfig(crop_width=192), training)
    assert resolved == (
        ModelConfig(crop_width=192, refinement=False),
        TrainConfig(stages=("opec",), opec_epochs=7, seed=5),
    )
    assert rows.resolve("couple", MODEL, TRAINING)[1].stages == ("opec", "couple")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("best", "--rows=best is not known; choose from all, claim, control, no_graph, full, a_no_image"),
        ("l1", "--rows=l1 changes nothing: by these settings it is row full; ask for that one"),
    ],
)
def test_rows_that_cannot_be_asked_for(name, message):
    with pytest.raises(UserError, match=message):
        rows.check(["full", name], MODEL, TRAINING)


def test_a_row_that_a_config_refuses():
    with pytest.raises(UserError, match="--rows=control: --initial_pose=given is refined by"):
        rows.check(["control"], dataclasses.replace(MODEL, initial_pose="given"), TRAINING)


def test_all_rows_are_those_that_differ():
    names = rows.available(MODEL, TRAINING)
    rows.check(names, MODEL, TRAINING)
    assert set(rows.ROWS) - set(names) == {"decoder_maps", "l1", "as_published"}
    model = dataclasses.replace(MODEL, trunk_maps=True)
    assert rows.available(model, dataclasses.replace(TRAINING, oks_loss_share=0.4)) == list(rows.ROWS)
    given = dataclasses.replace(MODEL, initial_pose="given")
    left = rows.available(given, TRAINING)
    assert not {"control", "no_graph"} & set(left) and "full" in left
    # By name, in groups, or all.
    assert rows.named(["full", "claim", "gcn", "full"], MODEL, TRAINING) == [
        *("full", "control", "no_graph", "couple", "second_look", "gcn")
    ]
    assert rows.named(["all"], MODEL, TRAINING) == names


def test_rows_that_differ_behind_opec_net_share_it():
    assert rows.with_same_opec("couple_no_choice") == ["full", "couple", "second_look"]
    assert rows.with_same_opec("full") == ["couple", "second_look", "couple_no_choice"]
    assert rows.with_same_opec("gcn") == []

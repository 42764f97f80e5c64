"""Runs of a study, with toy networks: what is trained, shared, taken over, scored and left alone."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import stick_couples
import toy_training

from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, TrainConfig
from opec_tf.evaluation import plots
from opec_tf.models import workdir
from opec_tf.study import rows, runs, tables
from opec_tf.training import loop

pytestmark = pytest.mark.slow

_TRAIN = TrainConfig(batch_size=4, base_epochs=1, opec_epochs=1, steps_per_epoch=2, learning_rate=0.05)


@pytest.fixture(scope="module")
def toys():
    """Toys in place of networks, crops and plots."""
    with pytest.MonkeyPatch.context() as patch:
        toy_training.install(patch.setattr)
        for plot in ("plot_occlusion_curves", "plot_reliability"):  # looked at nowhere here
            patch.setattr(plots, plot, lambda *args: None)
        yield


@pytest.fixture(scope="module")
def any_study(toys, tmp_path_factory):
    """The study of all tests; its settings, which runs keep, name its folders."""
    folder, source = tmp_path_factory.mktemp("study"), (stick_couples.SOURCE,)
    stick_couples.write(folder / "data", num_images=2)
    data_config = DataConfig(data_root=str(folder / "data"), train_data=source, test_data=source)
    return runs.Study(folder / "out", toy_training.MODEL, data_config, _TRAIN, toy_training.INFERENCE)


@pytest.fixture
def study(any_study):
    """It, in an empty folder."""
    yield any_study
    shutil.rmtree(any_study.root, ignore_errors=True)


@pytest.fixture(scope="module")
def row_full(any_study):
    """A copy of its folder when row full of seed 0 has run."""
    runs.run(any_study, ["full"], [0], announce=str)
    return any_study.root.rename(any_study.root.with_name("row_full"))


@pytest.fixture
def study_of_full(row_full, study):
    """It, with row full of seed 0."""
    shutil.copytree(row_full, study.root, symlinks=True)
    return study


@pytest.fixture
def trained(monkeypatch):
    """The workdirs that the training loop is called for, in order."""
    called = []
    train = loop.train
    monkeypatch.setattr(loop, "train", lambda root, *configs: (called.append(root), train(root, *configs)))
    return called


def _metrics(folder, split="test"):
    return json.loads((folder / f"evaluation_{split}" / "metrics.json").read_text())


def test_two_rows_two_seeds_then_nothing_is_done_twice(study, trained):
    said = []
    runs.run(study, ["full", "control", "full"], [0, 1], said.append)
    folders = [study.root / row / f"seed{seed}" for seed in (0, 1) for row in ("base", "full", "control")]
    assert trained == folders
    bases, order = folders[::3], [folder for folder in folders if folder.parent.name != "base"]
    assert [line.split(";")[0] for line in said] == [
        "\n[1/4] full, seed 0",
        "\n[2/4] control, seed 0",
        "\n[3/4] full, seed 1",
        "\n[4/4] control, seed 1",
    ]
    assert "minutes so far, up to" in said[-1]
    settings = json.loads((order[3] / "opec" / "config.json").read_text())
    assert (settings["seed"], settings["refinement"], settings["freeze_base"]) == (1, False, False)
    assert settings["base_weights"] == str(bases[1] / "base" / "best.weights.h5")
    # Every seed has a base of its own.
    weights = [(folder / "base" / "best.weights.h5").read_bytes() for folder in bases]
    assert weights[0] != weights[1]

    # The table is the mean and sample standard deviation of the last poses in the files.
    text = (study.root / "ablation.md").read_text()
    lines = [next(line for line in text.splitlines() if line.startswith(start)) for start in ("| row", "| OPEC-Net ")]
    cells = dict(zip(*([cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines)))
    for key in ("AP", "AR", "vis75", "inv75", "swap"):
        values = [100 * _metrics(folder)["poses"]["pose_3"][key] for folder in order[::2]]
        assert cells[key] == f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"
    gain = 100 * np.mean([_metrics(after)["AP"] - _metrics(before)["AP"] for after, before in zip(order[::2], bases)])
    assert cells["AP gain"] == f"{gain:+.2f}" and cells["seeds"] == "2"

    # A finished run stays; scores that a killed evaluation did not write are measured.
    (order[1] / "evaluation_test" / "metrics.json").unlink()
    kept = {path: path.stat().st_mtime_ns for path in [*study.root.rglob("*.h5"), *study.root.rglob("metrics.json")]}
    runs.run(study, ["control", "full"], [1, 0], said.append)
    assert len(trained) == 6
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert (study.root / "ablation.md").read_text() == text


@pytest.mark.slowest
def test_other_settings_belong_into_another_folder(study_of_full, tmp_path, caplog):
    study = study_of_full
    longer = dataclasses.replace(study, train_config=dataclasses.replace(_TRAIN, opec_epochs=2))
    with pytest.raises(UserError, match=r"full/seed0/opec: trained with other settings: opec_epochs=1 \(now 2\)"):
        runs.run(longer, ["full"], [0], announce=str)
    # Whichever rows are asked for: one table has one base and one recipe.
    for changed, message in (
        ({"opec_epochs": 2}, r"full/seed0/opec: trained with other settings: opec_epochs=1 \(now 2\)"),
        ({"base_epochs": 2}, r"base/seed0/base: trained with other settings: base_epochs=1 \(now 2\)"),
    ):
        with pytest.raises(UserError, match=message):
            other = dataclasses.replace(_TRAIN, **changed)
            runs.run(dataclasses.replace(study, train_config=other), ["control"], [0], announce=str)
    stick_couples.write(tmp_path / "elsewhere", num_images=2)
    elsewhere = dataclasses.replace(study.data_config, data_root=str(tmp_path / "elsewhere"))
    with pytest.raises(UserError, match="base/seed0/base: trained with other settings: data_root="):
        runs.run(dataclasses.replace(study, data_config=elsewhere), ["control"], [0], announce=str)
    # Epochs of a stage that no run has concern none.
    more = dataclasses.replace(_TRAIN, couple_epochs=7)
    runs.run(dataclasses.replace(study, train_config=more), ["full"], [0], announce=str)
    # What changes no run is no reason to train: it is scored anew, or besides.
    scored = study.root / "full" / "seed0" / "evaluation_test" / "metrics.json"
    before = scored.stat().st_mtime_ns
    inference = dataclasses.replace(toy_training.INFERENCE, peak_refinement="none")
    source = f"crowdpose:{study.data_config.data_root}/annotations.json:{study.data_config.data_root}/images"
    again = dataclasses.replace(study, inference_config=inference, heldout_data=(source,))
    runs.run(again, ["full"], [0], announce=str)
    assert scored.stat().st_mtime_ns > before
    assert _metrics(study.root / "full" / "seed0", "heldout")["settings"]["data"] == [source]
    assert [result.split for result in tables.collect(study.root)] == ["test", "heldout"] * 2
    # A row that is not asked for keeps its old scores, which do not belong beside the new ones.
    runs.run(study, ["control"], [0], announce=str)
    with caplog.at_level("WARNING"):
        assert [(result.row, result.split) for result in tables.collect(study.root)] == [
            ("base", "test"),
            ("base", "heldout"),
            ("control", "test"),
            ("full", "heldout"),
        ]
    assert "full/seed0/evaluation_test/metrics.json: scored with other settings than the base" in caplog.text


@pytest.mark.slowest
def test_scores_by_hand_in_a_runs_folder_are_measured_anew(study_of_full):
    study = study_of_full
    path = study.root / "full" / "seed0" / "evaluation_test" / "metrics.json"
    metrics = json.loads(path.read_text())
    for name, value in (("stage", "base"), ("boxes", "detections.json")):
        path.write_text(json.dumps({**metrics, "settings": {**metrics["settings"], name: value}}))
        runs.run(study, ["full"], [0], announce=str)
        assert json.loads(path.read_text()) == metrics
    # So are those of when poses were assigned to people in annotated boxes too.
    old = {name: value for name, value in metrics["settings"].items() if name != "people_by"}
    path.write_text(json.dumps({**metrics, "settings": old}))
    runs.run(study, ["full"], [0], announce=str)
    assert json.loads(path.read_text()) == metrics and metrics["settings"]["people_by"] == "box"
    # Scores of before a setting existed were measured with its default.
    before = {name: value for name, value in metrics["settings"].items() if name != "peak_smoothing"}
    path.write_text(json.dumps({**metrics, "settings": before}))
    runs.run(study, ["full"], [0], announce=str)
    assert json.loads(path.read_text())["settings"] == before
    inference = dataclasses.replace(toy_training.INFERENCE, peak_smoothing=1.0)
    runs.run(dataclasses.replace(study, inference_config=inference), ["full"], [0], announce=str)
    assert json.loads(path.read_text())["settings"]["peak_smoothing"] == 1.0


def test_given_base_is_copied_and_stays(study, tmp_path, trained):
    given = tmp_path / "other" / "base.weights.h5"
    given.parent.mkdir()
    workdir.save_weights(toy_training.base_network(toy_training.MODEL).model, given, {"epoch": 7})
    with_base = dataclasses.replace(study, train_config=dataclasses.replace(_TRAIN, base_weights=str(given)))
    runs.run(with_base, ["full"], [0], announce=str)
    assert trained == [study.root / "full" / "seed0"]
    copy = study.root / "base" / "base" / "best.weights.h5"
    assert copy.read_bytes() == given.read_bytes() and workdir.read_attributes(copy) == {"epoch": 7}
    workdir.save_weights(toy_training.base_network(toy_training.MODEL).model, given)
    with pytest.raises(UserError, match="is another base than --base_weights="):
        runs.run(with_base, ["full"], [0], announce=str)
    given.unlink()
    runs.run(with_base, ["full"], [0], announce=str)  # the copy serves
    missing = dataclasses.replace(with_base, root=tmp_path / "new")
    with pytest.raises(UserError, match=r"base\.weights\.h5: does not exist"):
        runs.run(missing, ["full"], [0], announce=str)
    assert not (tmp_path / "new" / "base").exists()


@pytest.mark.slowest
def test_a_row_that_adds_a_stage_takes_over_the_stages_it_shares(study, trained, monkeypatch, tmp_path):
    more = rows.Row("more", training={"stages": ("base", "opec")})
    monkeypatch.setattr(rows, "ROWS", {"less": rows.Row("less"), "more": more})
    runs.run(study, ["less", "more"], [0], announce=str)
    first, second = (study.root / row / "seed0" / "opec" / "best.weights.h5" for row in ("less", "more"))
    assert first.read_bytes() == second.read_bytes() and first.stat().st_ino != second.stat().st_ino
    assert trained[1:] == [study.root / "less" / "seed0", study.root / "more" / "seed0"]
    assert not list(study.root.rglob(".partial*"))
    # The other way round nothing is left to train.
    other = dataclasses.replace(study, root=tmp_path / "other")
    runs.run(other, ["more", "less"], [0], announce=str)
    assert trained[3:] == [other.root / "base" / "seed0", other.root / "more" / "seed0"]
    assert _metrics(other.root / "less" / "seed0") == _metrics(other.root / "more" / "seed0") | {
        "settings": _metrics(other.root / "less" / "seed0")["settings"]
    }


def test_a_data_set_that_is_not_there_is_found_before_training(study, trained):
    with pytest.raises(UserError, match=r"none\.json: cannot be read"):
        runs.run(dataclasses.replace(study, heldout_data=("crowdpose:none.json:.",)), ["full"], [0], announce=str)
    assert not trained


def test_runs_of_a_seed_share_what_is_kept_of_its_base(study, monkeypatch):
    kept, begun_from = [], []

    def train(root, model_config, data_config, train_config, inference_config):
        kept.append((root / "kept").resolve())
        begun_from.append(train_config.start_from)

    monkeypatch.setattr(loop, "train", train)
    monkeypatch.setattr(runs, "_score", lambda *args: None)
    monkeypatch.setattr(tables, "write", lambda *args: "")
    train_config = dataclasses.replace(_TRAIN, kept_passes=1, start_from="elsewhere")
    runs.run(dataclasses.replace(study, train_config=train_config), ["full", "control"], [0, 1], announce=str)
    assert kept == [study.root / "kept" / f"seed{seed}" for seed in (0, 0, 0, 1, 1, 1)]
    # Rows start from the base alone.
    assert begun_from == ["elsewhere", "", ""] * 2

import json
import shutil

import cv2
import numpy as np
import pytest
import tiny_run

from opec_tf.models import workdir

pytestmark = pytest.mark.slow


@pytest.fixture
def data(tmp_path):
    """Two pictures with a labelled person each, and a flagfile that names them."""
    random = np.random.default_rng(0)
    images, people = [], []
    for i in range(2):
        cv2.imwrite(str(tmp_path / f"{i}.png"), random.integers(0, 256, [60, 80, 3], dtype=np.uint8))
        images.append({"id": i, "file_name": f"{i}.png", "height": 60, "width": 80})
        keypoints = np.concatenate([random.uniform(10, 50, [12, 2]), np.full([12, 1], 2)], axis=1)
        people.append({"id": i, "image_id": i, "bbox": [9, 9, 45, 45], "keypoints": keypoints.ravel().tolist()})
    (tmp_path / "annotations.json").write_text(json.dumps({"images": images, "annotations": people}))
    flags = f"--data_root={tmp_path}\n--test_data=coco:annotations.json:.\n--trunk=resnet10\n--base_epochs=3\n"
    (tmp_path / "all.flags").write_text(flags)
    return tmp_path


def test_table_and_files(run, data):
    result = tiny_run.call(
        "evaluate",
        f"--flagfile={data}/all.flags",
        f"--workdir={run}",
        f"--output_dir={data}/out",
        f"--metrics_out={data}/flat.json",
        "--peak_refinement=quarter",
        "--association",
    )
    assert result.returncode == 0, result.stderr
    *table, told, by_peak = result.stdout.splitlines()
    assert told.startswith("visibility: accuracy ") and by_peak.startswith("  by heatmap peak alone: accuracy ")
    rows = [line.split() for line in table]
    assert [row[0] for row in rows[-7:]] == ["pose", "peak", "association", "initial", "pose_1", "pose_2", "pose_3"]
    assert rows[-7][1:7] == ["AP", "AP50", "AP75", "AP80", "AP90", "AR"]
    flat = json.loads((data / "flat.json").read_text())
    assert {"AP", "AP50", "AP75", "AP80", "AP90", "AR", "vis50", "vis75", "vis90"} <= set(flat)
    # All labelled joints are visible; the peaks of the untrained model are far below --hidden_score.
    assert flat["visibility_accuracy"] == flat["visibility_recall_visible"] == flat["visibility_balanced_accuracy"]
    assert 0 <= flat["visibility_ece"] <= 1 and flat["visibility_by_peak_accuracy"] == 0.0
    assert all(isinstance(value, float) for value in flat.values())
    metrics = json.loads((data / "out" / "metrics.json").read_text())
    assert metrics["poses"]["pose_3"] == flat and metrics["settings"]["peak_refinement"] == "quarter"
    assert sorted(path.name for path in (data / "out").iterdir()) == [
        "contact_sheet.jpg",
        "metrics.json",
        "occlusion.json",
        "occlusion_curves.png",
        "predictions_association.json",
        "predictions_initial.json",
        "predictions_peak.json",
        "predictions_pose_1.json",
        "predictions_pose_2.json",
        "predictions_pose_3.json",
        "reliability.json",
        "reliability.png",
    ]


@pytest.mark.slowest
def test_the_data_of_the_run_are_remembered(run, data, tmp_path):
    """A split that no flag names is the run's, by the run's protocol; what a flag says counts more."""
    root = tmp_path / "run"
    shutil.copytree(run, root)
    path = workdir.stage_folder(root, "opec").config
    settings = {**json.loads(path.read_text()), "data_root": str(data), "test_data": ["coco:annotations.json:."]}
    path.write_text(json.dumps(settings))
    (data / "moved").mkdir()
    elsewhere = [f"--workdir={root}", f"--data_root={data}/moved"]
    result = tiny_run.call("evaluate", f"--workdir={root}")
    assert result.returncode == 0, result.stderr
    said = f"as {root} was trained: --data_root={data} --test_data=coco:annotations.json:. --protocol=crowdpose12"
    assert result.stdout.splitlines()[0] == said
    assert (root / "evaluation_test" / "metrics.json").exists()
    missing, no_split = tiny_run.messages("evaluate", elsewhere, [f"--workdir={root}", "--split=val"])
    assert missing.startswith(f"{data}/moved/annotations.json: cannot be read") and "docs/data.md says" in missing
    assert no_split.startswith("no data set is given")


@pytest.mark.slowest
def test_a_base_is_compared_with_the_flags_that_concern_it(run, data):
    good = [f"--flagfile={data}/all.flags", f"--workdir={run}", f"--output_dir={data}/out"]
    messages = tiny_run.messages(
        "evaluate",
        [*good, "--stage=base", "--block_channels=8", "--nojoint_identity"],
        [*good, "--stage=base", "--deconv_channels=8"],
        [*good, "--block_channels=8"],
    )
    assert messages[0] is None
    assert messages[1].startswith("--deconv_channels=8 contradicts the model in")
    assert messages[2].startswith("--block_channels=8 contradicts the model in")


def test_bad_input(run, data):
    (data / "file").write_text("")
    cases = [
        (["--trunk=resnet50"], "--trunk=resnet50 contradicts the model in"),
        ([f"--workdir={data}/none"], "none/config.json: does not exist"),
        (["--workdir=", f"--base_weights={run}/base/final.weights.h5"], "must be WORKDIR/base/best.weights.h5"),
        (["--split=val"], "no data set is given"),
        (["--protocol=coco"], "needs"),
        ([f"--boxes={data}/none.json"], "none.json: cannot be read"),
        ([f"--output_dir={data}/file/out"], "file/out: cannot be written"),
    ]
    good = [f"--flagfile={data}/all.flags", f"--workdir={run}", f"--output_dir={data}/out"]
    annotations = json.loads((data / "annotations.json").read_text())
    for person in annotations["annotations"]:
        person["keypoints"] = [20, 20, 2] * 5 + person["keypoints"]
    (data / "annotations.json").write_text(json.dumps(annotations))
    messages = tiny_run.messages("evaluate", *(good + changes for changes, _ in cases))
    for (changes, expected), message in zip(cases, messages):
        assert message and expected in message and "\n" not in message, (changes, message)
    assert not (data / "out" / "metrics.json").exists()

"""Models side by side: their numbers are those of an evaluation, their intervals those of paired draws."""

import dataclasses

import numpy as np
import pytest
import stick_couples

from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig
from opec_tf.data.annotations import loading
from opec_tf.evaluation import protocols
from opec_tf.poses import skeletons
from opec_tf.poses.predictions import PosePredictions
from opec_tf.study import paired


@pytest.fixture(scope="module")
def annotations(tmp_path_factory):
    """Twelve pictures of two stick figures each."""
    folder = tmp_path_factory.mktemp("data")
    stick_couples.write(folder, num_images=12)
    data_config = DataConfig(data_root=str(folder), test_data=(stick_couples.SOURCE,))
    return loading.load(stick_couples.SOURCE, data_config.data_root, skeletons.BODY12)


def _predictions(annotations, noise):
    """The annotated poses with errors of so many pixels."""
    errors = np.random.default_rng(1).normal(scale=noise, size=(*annotations.keypoints.shape[:2], 2))
    keypoints = annotations.keypoints.astype(np.float64)
    keypoints[..., :2] += errors
    scores = np.linspace(0.5, 1.0, annotations.num_people)
    return PosePredictions(annotations.image_ids[annotations.image_index], keypoints, scores, annotations.boxes)


def test_all_images_once_is_the_evaluation(annotations):
    keypoints, hidden_by = annotations.keypoints.copy(), np.zeros(annotations.keypoints.shape[:2])
    keypoints[:, :6, 2], hidden_by[:, :6] = skeletons.OCCLUDED, [1, 2, 1, 2, 1, 2]
    annotations = dataclasses.replace(annotations, keypoints=keypoints, hidden_by=hidden_by)
    poses, people = _predictions(annotations, 4.0), np.arange(annotations.num_people)
    whole = np.arange(annotations.num_images)[None]
    found = protocols.evaluate_draws(annotations, poses, people, "crowdpose12", whole)
    expected = protocols.evaluate(annotations, poses, "crowdpose12", people=people)
    levels = protocols.evaluate_by_occlusion(annotations, poses, people, "crowdpose12")
    assert 0.05 < expected["AP"] < 0.95
    assert {"inv75_self", "inv75_partner"} <= set(found) and "inv75_thing" not in found
    for name, values in found.items():
        assert values[0] == pytest.approx({**levels["all"], **expected}[name], abs=1e-12), name


def test_a_draw_is_the_evaluation_of_those_images(annotations):
    """An image drawn twice counts as two images."""
    poses, people = _predictions(annotations, 4.0), np.arange(annotations.num_people)
    rows = np.arange(annotations.num_people)
    half = annotations.image_index < 6
    drawn = np.concatenate([np.arange(6), np.arange(6)])[None]
    found = protocols.evaluate_draws(annotations, poses, people, "crowdpose12", drawn)
    in_half = np.isin(poses.image_ids, annotations.image_ids[:6])
    of_images = ("image_ids", "image_paths", "image_sizes", "crowd_index")
    part = dataclasses.replace(annotations.select(half), **{name: getattr(annotations, name)[:6] for name in of_images})
    expected = protocols.evaluate(part, poses.select(rows[in_half]), "crowdpose12", people=np.arange(half.sum()))
    assert found["vis75"][0] == pytest.approx(expected["vis75"])
    assert found["AR"][0] == pytest.approx(expected["AR"])
    assert found["AP"][0] == pytest.approx(expected["AP"], abs=0.02)


def test_rows_are_read_with_their_runs():
    row = paired.Row.parse("CoupleGraph=runs/a:couple_3,C:/b:peak")
    assert row.runs == (("runs/a", "couple_3"), ("C:/b", "peak"))
    for wrong in ("CoupleGraph", "=runs/a:peak", "A=runs/a", "A=:peak", "A=runs/a:peak,"):
        with pytest.raises(UserError, match="must be TITLE=WORKDIR:POSE"):
            paired.Row.parse(wrong)


def test_rows_of_several_runs_are_compared_by_their_means():
    """All images first, then four draws: what the mean of two runs is above the first row's on each."""
    first, *runs = ({"AP": np.array(values)} for values in ([5, 1, 2, 3, 4], [6, 2, 4, 6, 8], [8, 4, 6, 8, 10]))
    values = dict(zip([("a", "peak"), ("b", "peak"), ("c", "peak")], [first, *runs]))
    result = paired._result(paired.Row("two", (("b", "peak"), ("c", "peak"))), values, first)
    assert result["runs"] == [{"AP": 6.0}, {"AP": 8.0}]
    assert result["difference"]["AP"] == pytest.approx(np.percentile([2, 3, 4, 5], [2.5, 97.5]))
    assert result["interval"]["AP"] == pytest.approx(np.percentile([3, 5, 7, 9], [2.5, 97.5]))


def test_a_table_has_numbers_deviations_and_differences():
    runs = [{"AP": 0.5, "swap": 0.25}, {"AP": 0.7, "swap": 0.25}]
    one = {"title": "one", "runs": runs[:1], "interval": {"AP": [0.4, 0.6], "swap": [0.2, 0.3]}, "difference": {}}
    one["difference"] = {"AP": [0.0, 0.0], "swap": [0.0, 0.0]}
    two = {**one, "title": "two", "runs": runs, "difference": {"AP": [-0.01, 0.05], "swap": [0.1, 0.2]}}
    lines = paired.table({"pairs": [one, two]}).splitlines()
    assert lines[0] == "**pairs**"
    assert lines[-2] == "| one | 50.0 | - | - | - | 25.0 |"
    assert lines[-1] == "| two | 60.0 ± 14.1<br>(-1.0 to +5.0) | - | - | - | 25.0 ± 0.0<br>(+10.0 to +20.0) |"


def test_who_hides_joints_has_columns_where_a_data_set_knows_it():
    row = {"title": "one", "runs": [{"AP": 0.5}], "interval": {"AP": [0.4, 0.6]}, "difference": {"AP": [0, 0]}}
    known = {
        **row,
        "runs": [{"inv75_self": 0.25}],
        "interval": {"inv75_self": [0.2, 0.3]},
        "difference": {"inv75_self": [0, 0]},
    }
    lines = paired.table({"pairs": [row], "couples": [known]}).splitlines()
    header = "| row | AP | AR | vis75 | inv75 | swap | inv75_self |"
    assert lines[2] == lines[-3] == header
    assert lines[4] == "| one | 50.0 | - | - | - | - | - |" and lines[-1] == "| one | - | - | - | - | - | 25.0 |"

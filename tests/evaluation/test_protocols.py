"""Scores against pycocotools, against the published CrowdPose tools, and of perfect predictions."""

import contextlib
import dataclasses
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from opec_tf.common.errors import UserError
from opec_tf.data.annotations import loading
from opec_tf.evaluation import protocols
from opec_tf.poses import predictions
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.predictions import PosePredictions
from opec_tf.poses.skeletons import BODY12, COCO17, CROWDPOSE14

_COCO_TRAIN = "coco_train_subset/person_keypoints_train2017_subset.json"


def _perfect(people):
    """The ground truth as predictions, of the people that count."""
    scored = people.select((people.num_keypoints > 0) & ~people.is_crowd)
    image_ids = scored.image_ids[scored.image_index]
    return PosePredictions(image_ids, scored.keypoints, np.ones(scored.num_people), scored.boxes)


def _noisy(people, seed=0):
    """Predictions of every quality, with misses, duplicates and more than 20 in an image."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.permutation(people.num_people)[: int(0.9 * people.num_people)], np.zeros(25, int)])
    noise = rng.exponential(0.06, (len(rows), 1, 1)) * np.sqrt(people.areas[rows])[:, None, None]
    keypoints = people.keypoints[rows].copy()
    keypoints[..., :2] += rng.normal(0, 1, keypoints[..., :2].shape) * noise
    scores = np.round(rng.random(len(rows)), 2)  # two digits: ties
    return PosePredictions(people.image_ids[people.image_index[rows]], keypoints, scores, people.boxes[rows])


@pytest.fixture(scope="module")
def crowdpose_val(real_samples):
    return loading.load("crowdpose:crowdpose/crowdpose_val.json:crowdpose", real_samples)


@pytest.mark.slow
def test_crowdpose_equals_the_published_tools(real_samples, crowdpose_val):
    poses = predictions.read(real_samples / "crowdpose" / "val_noisy_predictions.json", 14)
    metrics = protocols.evaluate(crowdpose_val, poses, "crowdpose")
    expected = json.loads((real_samples / "crowdpose" / "val_noisy_expected.json").read_text())
    assert len(expected) == 9
    for key, value in expected.items():
        assert metrics[key] == pytest.approx(value, abs=1e-9), key
    for level in ("easy", "medium", "hard"):
        assert metrics[f"AP_{level}_valid"] == pytest.approx(metrics[f"AP_{level}"], abs=5e-5)


@pytest.mark.parametrize("with_boxes", [True, False])
def test_coco_equals_pycocotools(real_samples, tmp_path, with_boxes):
    path = real_samples / _COCO_TRAIN
    people = loading.read("coco", path, "")
    _noisy(people).write(tmp_path / "results.json")
    if not with_boxes:  # pycocotools then takes a pose's area from its joints
        results = json.loads((tmp_path / "results.json").read_text())
        stripped = [{key: value for key, value in result.items() if key != "bbox"} for result in results]
        (tmp_path / "results.json").write_text(json.dumps(stripped))
    metrics = protocols.evaluate(people, predictions.read(tmp_path / "results.json"), "coco")
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
        evaluator = COCOeval(truth, truth.loadRes(str(tmp_path / "results.json")), "keypoints")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    keys = ("AP", "AP50", "AP75", "AP_area_medium", "AP_area_large", "AR")
    assert [metrics[key] for key in keys] == evaluator.stats[:6].tolist()
    assert 0.1 < metrics["AP"] < 0.9
    assert metrics["AP50"] > metrics["AP75"] > metrics["AP80"] > metrics["AP90"]


@pytest.mark.parametrize(
    ("source", "protocol_names"),
    [
        ("crowdpose:crowdpose/test_crowdpose.json:x", ("crowdpose", "crowdpose12", "ocpose")),
        ("coco:coco/test_coco.json:x", ("coco", "crowdpose", "crowdpose12", "ochuman", "ocpose")),
        (f"coco:{_COCO_TRAIN}:x", ("coco",)),
        ("ochuman:ochuman/test_ochuman.json:x", ("ochuman", "coco", "ocpose")),
        ("mpii:mpii/test_mpii.json:x", ("crowdpose", "crowdpose12", "ocpose")),
    ],
)
def test_perfect_predictions_score_one(real_samples, source, protocol_names):
    people = loading.load(source, real_samples)
    for protocol in protocol_names:
        metrics = protocols.evaluate(people, _perfect(people), protocol)
        for key, value in metrics.items():
            # Limited to a size, pycocotools may match a pose to a neighbour of that size who has a single joint.
            tolerance = 1e-3 if key.startswith("AP_area") else 1e-9
            if value >= 0:  # -1: no image of that crowdIndex
                assert value == pytest.approx(1.0, abs=tolerance), (protocol, key)


@pytest.mark.slow
def test_perfect_predictions_on_crowdpose_val(crowdpose_val):
    metrics = protocols.evaluate(crowdpose_val, _perfect(crowdpose_val), "crowdpose12")
    # Images with over 20 people lose some of them to the limit of 20 poses; nothing else is below 1.
    assert metrics["AP"] > 0.99
    assert metrics["AP_easy"] == metrics["AP_medium"] == 1.0
    assert metrics["vis90"] > 0.99


def _two_images(crowd_index=(0.1, 0.9)):
    """One person of 14 joints in each of two images, boxes 10 x 10."""
    keypoints = np.zeros((2, 14, 3))
    keypoints[..., 0] = np.arange(14)
    keypoints[..., 2] = 2
    return PoseAnnotations(
        CROWDPOSE14,
        [4, 9],
        ["4.jpg", "9.jpg"],
        np.zeros((2, 2)),
        crowd_index,
        [0, 1],
        [0, 1],
        [[0, 0, 10, 10]] * 2,
        [100, 100],
        keypoints,
        [False] * 2,
    )


def test_the_area_of_each_protocol_by_hand():
    people = dataclasses.replace(_two_images(), areas=np.array([1.0, 1.0]))
    poses = _perfect(people)
    # All 12 joints move so that, at area 53, the OKS is the mean of exp(-t^2 / 2) over equal t: 0.77.
    shift = 2 * BODY12.sigmas * np.sqrt(-2 * np.log(0.77) * 53)
    poses.keypoints[:, :12, 1] += shift
    crowdpose = protocols.evaluate(people, poses, "crowdpose12")
    assert (crowdpose["AP75"], crowdpose["AP80"]) == pytest.approx((1, 0))
    ocpose = protocols.evaluate(people, poses, "ocpose")  # area 100: 0.77 ** 0.53 = 0.87
    assert (ocpose["AP80"], ocpose["AP90"]) == pytest.approx((1, 0))
    coco = protocols.evaluate(people, poses, "coco")  # the file's area, 1: nothing
    assert coco["AP"] == 0


def test_levels_by_crowd_index_and_nobody_to_score():
    people = _two_images()
    metrics = protocols.evaluate(people, _perfect(people).select([0]), "crowdpose")
    assert (metrics["AP_easy"], metrics["AP_medium"], metrics["AP_hard"]) == (1.0, -1.0, 0.0)
    assert "AP_medium_valid" not in metrics
    assert metrics["vis90"] == 0.5
    assert "n/a" in protocols.format_metrics(metrics)
    without = protocols.evaluate(_two_images((np.nan, np.nan)), _perfect(people), "crowdpose")
    assert not any(key.startswith("AP_") for key in without)


def test_people_known_by_head_and_neck_alone_are_ignored():
    people = _two_images()
    people.keypoints[1, :12, 2] = 0
    metrics = protocols.evaluate(people, _perfect(people), "crowdpose")
    assert (metrics["AP"], metrics["AR"]) == pytest.approx((1, 1))


def test_only_the_20_best_poses_of_an_image_count():
    people = _two_images()
    far = people.keypoints[[0] * 20].copy()
    far[..., :2] += 1000
    keypoints = np.concatenate([far, people.keypoints])
    scores = [0.9] * 20 + [0.8, 0.8]
    poses = PosePredictions([4] * 21 + [9], keypoints, scores, np.zeros((22, 4)))
    metrics = protocols.evaluate(people, poses, "crowdpose")
    assert metrics["AR"] == 0.5
    assert metrics["vis50"] == 0.5


def test_two_people_with_each_others_pose_are_right_by_assignment_and_wrong_by_identity():
    people = dataclasses.replace(_two_images(), image_index=[0, 0])
    people.keypoints[1, :, :2] += 500
    people.keypoints[:, 6:, 2] = 1
    poses = dataclasses.replace(_perfect(people), keypoints=people.keypoints[[1, 0]])
    expected = ["vis50", "vis75", "vis90", "inv50", "inv75", "inv90"]
    rows = np.arange(2)
    anew, own, others = (
        protocols.evaluate(people, poses, "crowdpose12", people=known) for known in (None, rows, rows[::-1])
    )
    assert [anew[key] for key in expected] == [others[key] for key in expected] == [1.0] * 6
    assert [own[key] for key in expected] == [0.0] * 6
    # AP and AR pair by OKS, whosever the poses are.
    assert own["AP"] == anew["AP"] == pytest.approx(1.0) and own["AR"] == anew["AR"] == 1.0
    known = {"peak": rows, "pose_3": rows[::-1]}
    each = protocols.evaluate_each(people, dict.fromkeys(known, poses), "crowdpose12", known)
    assert (each["peak"], each["pose_3"]) == (own, others)
    everybody = protocols.evaluate_by_occlusion(people, poses, rows, "crowdpose12")["all"]
    assert (everybody["vis75"], everybody["inv75"]) == (own["vis75"], own["inv75"])


def test_identity_knows_no_limit_of_20_poses():
    people = _two_images()
    crowd = people.select([0] * 21 + [1])
    crowd.keypoints[:, :, 1] += 1000 * np.arange(22)[:, None]
    metrics = protocols.evaluate(crowd, _perfect(crowd), "crowdpose12", people=np.arange(22))
    assert metrics["vis90"] == 1.0 and metrics["AR"] == pytest.approx(21 / 22)
    assert protocols.evaluate(crowd, _perfect(crowd), "crowdpose12")["vis90"] == pytest.approx(21 / 22)


def test_no_predictions_score_zero():
    metrics = protocols.evaluate(_two_images(), predictions.empty(12), "crowdpose12")
    assert metrics["AP"] == metrics["AR"] == metrics["vis50"] == 0.0


def test_poses_of_14_and_17_joints_score_as_their_12(crowdpose_val):
    people = crowdpose_val.select_images(np.arange(100))
    poses = _noisy(people)
    metrics = protocols.evaluate(people, poses, "crowdpose12")
    keypoints = poses.keypoints[:, BODY12.mapping_from(CROWDPOSE14)]
    body = dataclasses.replace(poses, keypoints=keypoints)
    assert protocols.evaluate(people, body, "crowdpose12") == metrics
    coco = dataclasses.replace(poses, keypoints=np.pad(keypoints, ((0, 0), (5, 0), (0, 0))))
    assert coco.num_joints == COCO17.num_joints
    assert protocols.evaluate(people, coco, "crowdpose12") == metrics


def test_evaluation_is_silent(capsys):
    protocols.evaluate(_two_images(), _perfect(_two_images()), "crowdpose")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("image_ids", "joints", "protocol", "expected"),
    [
        ([4, 5], 14, "crowdpose", "r.json: a prediction's 'image_id' 5 is not among the ground truth's images"),
        ([4], 12, "crowdpose", "r.json: poses have 12 joints, but protocol crowdpose also needs head, neck; give"),
        ([4], 13, "crowdpose12", "r.json: poses have 13 joints; known are poses of 12, 14, 17, 16 joints"),
    ],
)
def test_predictions_that_do_not_fit(image_ids, joints, protocol, expected):
    count = len(image_ids)
    poses = PosePredictions(image_ids, np.zeros((count, joints, 3)), np.ones(count), np.zeros((count, 4)))
    with pytest.raises(UserError) as caught:
        protocols.evaluate(_two_images(), poses, protocol, name="r.json")
    assert expected in str(caught.value)


def test_ground_truth_without_labels():
    people = _two_images()
    people.keypoints[..., 2] = 0
    with pytest.raises(UserError, match="nobody to score"):
        protocols.evaluate(people, predictions.empty(14), "crowdpose")

"""The faster matching says what pycocotools says, to the last bit."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from opec_tf.evaluation import protocols
from opec_tf.evaluation.matching import KeypointEval

JOINTS = protocols.PROTOCOLS["coco"].skeleton.num_joints


def _person(random, number, image, x):
    """A person near a place, often like the one before: with crowds, people without a label, and all sizes."""
    keypoints = np.zeros([JOINTS, 3])
    keypoints[:, :2] = x + random.integers(0, 60, [JOINTS, 2])
    keypoints[:, 2] = random.integers(0, 3, JOINTS) * (random.uniform() < 0.8)
    side = float(random.choice([20, 60, 150]))
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "bbox": [x, x, side, side],
        "area": side**2 * 0.6,
        "keypoints": (keypoints * (keypoints[:, 2:] > 0)).ravel().tolist(),
        "num_keypoints": int(np.sum(keypoints[:, 2] > 0)),
        "iscrowd": int(random.uniform() < 0.15),
    }


def _pose(random, person):
    """A pose of a person; every other one exactly so, so that OKS and scores are equal here and there."""
    keypoints = np.array(person["keypoints"]).reshape(-1, 3)
    keypoints[:, :2] += random.choice([0, 0, 2, 5, 30]) * random.normal(size=[JOINTS, 2])
    score = float(random.choice([0.2, 0.5, 0.9]))
    return {"image_id": person["image_id"], "category_id": 1, "keypoints": keypoints.ravel().tolist(), "score": score}


@pytest.fixture(scope="module")
def files():
    """(ground truth, results) of 60 images, of which some have nobody, no pose, more poses than count, or twins."""
    random = np.random.default_rng(0)
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in range(1, 61)]
    people, poses = [], []
    for image in range(1, 59):
        for _ in range(random.integers(0, 6)):
            people.append(_person(random, len(people) + 1, image, float(random.choice([10, 15, 200]))))
            if random.uniform() < 0.2:
                people.append({**people[-1], "id": len(people) + 1})  # a twin: two people of the same OKS
            poses += [_pose(random, people[-1]) for _ in range(random.integers(0, 5))]
    poses += [_pose(random, {**people[0], "image_id": 59}) for _ in range(3)]
    truth = {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}
    return truth, poses


def _evaluated(kind, files):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = files[0]
        truth.createIndex()
        evaluator = kind(truth, truth.loadRes(files[1]), "keypoints")
        evaluator.params.kpt_oks_sigmas = protocols.PROTOCOLS["coco"].sigmas
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator


def test_it_says_what_pycocotools_says(files):
    ours, theirs = _evaluated(KeypointEval, files), _evaluated(COCOeval, files)
    assert len(ours.evalImgs) == len(theirs.evalImgs) == 3 * 60
    for mine, own in zip(ours.evalImgs, theirs.evalImgs):
        assert (mine is None) == (own is None)
        for key in own or ():
            np.testing.assert_array_equal(mine[key], own[key], err_msg=key)
    for key, oks in theirs.ious.items():
        np.testing.assert_array_equal(ours.ious[key], oks)
    np.testing.assert_array_equal(ours.eval["precision"], theirs.eval["precision"])
    np.testing.assert_array_equal(ours.stats, theirs.stats)
    # The data are not of one kind: matches at some thresholds, ignored ones, and images without anybody.
    matched = np.concatenate([image["dtMatches"] > 0 for image in theirs.evalImgs if image], axis=1).mean(axis=1)
    assert 0.1 < matched[-1] < matched[0] < 0.95
    assert any(image is None for image in theirs.evalImgs)
    assert any(np.any(image["dtIgnore"] & (image["dtMatches"] > 0)) for image in theirs.evalImgs if image)


def test_nobody_is_found(files):
    evaluator = _evaluated(KeypointEval, (files[0], [{**files[1][0], "image_id": 60}]))
    assert evaluator.stats[0] == 0.0 == _evaluated(COCOeval, (files[0], [{**files[1][0], "image_id": 60}])).stats[0]

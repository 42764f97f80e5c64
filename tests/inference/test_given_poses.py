"""Another system's poses: read from its file, given to the network, and what comes back of them."""

import dataclasses
import json

import cv2
import numpy as np
import pytest
import tensorflow as tf
import tiny_run

from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, InferenceConfig
from opec_tf.inference import given_poses, pose_estimator, pose_model
from opec_tf.inference.people import ListedPeople, WholeImage
from opec_tf.inference.person_boxes import PersonBoxes
from opec_tf.models import builders, loading, workdir
from opec_tf.poses import skeletons

GIVEN = dataclasses.replace(tiny_run.MODEL, initial_pose="given")
IDS, NAMES = np.array([30, 10]), ["a/one.jpg", "a/two.jpg"]


@pytest.fixture
def write(tmp_path):
    def write_file(content):
        path = tmp_path / "results.json"
        path.write_text(json.dumps(content))
        return str(path)

    return write_file


def record(image_id=10, joints=17, **changes):
    """A person whose joint j lies at (10 j, 5 j), with the score (j + 1) / 10."""
    keypoints = [[10 * j, 5 * j, (j + 1) / 10] for j in range(joints)]
    return {"image_id": image_id, "category_id": 1, "keypoints": sum(keypoints, []), "score": 0.5, **changes}


def test_joints_are_mapped_by_name_and_scores_kept_within_one(write):
    people = given_poses.read(
        write([record(bbox=[1, 2, 30, 40]), record(30, score=7)]), IDS, NAMES, skeletons.CROWDPOSE14
    )
    np.testing.assert_array_equal(people.image_index, [0, 1])
    np.testing.assert_array_equal(people.scores, [7, 0.5])
    # COCO's joints 5 to 16 are CrowdPose's 0 to 11; it has neither head nor neck.
    np.testing.assert_array_equal(people.poses[1, :12, 0], 10.0 * np.arange(5, 17))
    np.testing.assert_allclose(people.poses[1, :, 2], [*np.arange(0.6, 1.05, 0.1), *[1.0] * 7, 0, 0], atol=1e-9)
    np.testing.assert_array_equal(people.boxes, [[0, 0, 160, 80], [1, 2, 30, 40]])


def test_the_box_of_a_pose_is_around_the_joints_that_have_a_score(write):
    keypoints = [0, 0, 0] * 10 + [20, 30, 0.5, 60, 50, 0.5]
    people = given_poses.read(write([record(keypoints=keypoints)]), IDS, NAMES, skeletons.BODY12)
    np.testing.assert_array_equal(people.boxes, [[20, 30, 40, 20]])


def test_a_joint_that_is_no_number_is_not_given(write, caplog):
    """Of three people the first lacks joints 0 to 14, the second all and has a box, the third all and has none."""
    nowhere = [float("nan")] * 3
    content = [
        record(keypoints=nowhere * 8 + [None, 5, 0.3] * 7 + [20, 30, 0.5, 60, 50, 0.5]),
        record(keypoints=nowhere * 17, bbox=[1, 2, 30, 40]),
        record(keypoints=nowhere * 17),
    ]
    people = given_poses.read(write(content), IDS, NAMES, skeletons.BODY12)
    np.testing.assert_array_equal(people.boxes, [[20, 30, 40, 20], [1, 2, 30, 40]])
    np.testing.assert_array_equal(people.poses[0], [[0, 0, 0]] * 10 + [[20, 30, 0.5], [60, 50, 0.5]])
    assert not people.poses[1].any()
    assert "49 joints (first: of prediction number 1) have an x or y that is null or NaN" in caplog.text
    assert "left out 1 boxes without area" in caplog.text


def test_people_are_found_by_file_name_and_others_left_out(write, caplog):
    content = [
        record(99, 12, file_name="two.jpg"),
        record(10, 12, file_name="three.jpg", category_id=1),
        record(10, 12, file_name="two.jpg", category_id=3),
    ]
    people = given_poses.read(write(content), IDS, NAMES, skeletons.BODY12)
    np.testing.assert_array_equal(people.image_index, [1])
    assert "left out 1 boxes of other images (first 'file_name': three.jpg)" in caplog.text


def test_a_file_name_alone_says_which_image(write):
    named = record(joints=12, file_name="two.jpg")
    del named["image_id"]
    for content in ([named], [record("two.jpg", 12)]):
        people = given_poses.read(write(content), IDS, NAMES, skeletons.BODY12)
        np.testing.assert_array_equal(people.image_index, [1])
        np.testing.assert_array_equal(people.poses[0, :, 0], 10.0 * np.arange(12))


def test_records_of_other_categories_are_counted_but_not_read(write, caplog):
    content = [record(category_id=None), {"image_id": 10, "category_id": 3, "score": 1}, record(30)]
    people = given_poses.read(write(content), IDS, NAMES, skeletons.BODY12)
    np.testing.assert_array_equal(people.image_index, [0, 1])
    assert "1 of 3 predictions have a 'category_id' other than 1" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([record(category_id=3)] * 4 + [record(score=None)], "prediction number 5: 'score' holds null"),
        ([record(99)], "results.json: no box belongs to any of the images"),
        ([record(joints=5)], "results.json: poses have 5 joints; known are poses of"),
        ([{"image_id": 10, "bbox": [1, 2, 3, 4], "score": 1}], "results.json: prediction number 1: has no 'keypoints'"),
    ],
)
def test_bad_files(write, content, message):
    with pytest.raises(UserError, match=message):
        given_poses.read(write(content), IDS, NAMES, skeletons.BODY12)


def moved(build):
    """The tiny model of stage opec or couple, its weights moved away from where displacements are zero."""
    tf.keras.utils.set_random_seed(0)
    model, random = build(tiny_run.MODEL), np.random.default_rng(0)
    for layer in model._flatten_layers(include_self=False):
        if "displacement" in layer.name:
            layer.set_weights([weight + 0.1 * random.normal(size=weight.shape) for weight in layer.get_weights()])
    return model


@pytest.fixture(scope="module")
def opec_nets():
    """The same OPEC-Net by integral regression and for given poses."""
    return variants("opec")


def variants(stage):
    model = moved(loading.BUILDERS[stage])
    return model, loading.rebuild(model, stage, GIVEN)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["opec", "couple"])
def test_weights_of_the_integral_network_refine_a_given_pose(opec_nets, stage):
    """Given its own initial pose and scores, in all joints, in some or in none, the network does what it did before."""
    model, variant = opec_nets if stage == "opec" else variants("couple")
    crops = np.random.default_rng(1).uniform(0, 255, (3, 64, 64, 3)).astype(np.float32)
    inputs = {"crops": crops}
    if stage == "couple":
        inputs.update(crop_to_image=tf.eye(2, 3, [3]), partner=np.array([1, 0, -1], np.int32))
    expected = model(inputs if stage == "couple" else crops)
    for given in (1.0, 0.0, np.arange(12) % 2.0):
        score = expected["initial_score"] * given
        pose = tf.where(score[..., None] > 0.0, expected["initial_pose"], 77.0)
        outputs = variant({**inputs, "given_pose": pose, "given_score": score})
        for name in ("pose_1", "pose_3", "couple_3")[: 3 if stage == "couple" else 2]:
            name = name.replace("couple", "couple_pose")
            np.testing.assert_allclose(outputs[name], expected[name], atol=1e-5)
            assert np.abs(outputs[name] - expected["initial_pose"]).max() > 0.01
        np.testing.assert_allclose(outputs["initial_pose"], expected["initial_pose"], atol=1e-6)
    assert set(outputs) == {*expected, "given"}


@pytest.mark.slow
@pytest.mark.parametrize("flip_test", [False, True])
def test_a_given_pose_comes_back_and_its_persons_score_stays(opec_nets, flip_test):
    """Left and right differ, so that the flip test must mirror the pose as it mirrors the picture."""
    random = np.random.default_rng(2)
    estimator = pose_estimator.PoseEstimator(
        opec_nets[1],
        model_config=GIVEN,
        box_margin=1.25,
        inference_config=InferenceConfig(inference_batch_size=2, flip_test=flip_test),
    )
    frames = [random.integers(0, 256, (90, 120, 3), dtype=np.uint8)]
    boxes = np.array([[10.0, 10, 50, 60], [40, 20, 60, 60], [12, 10, 50, 60]])
    poses = np.concatenate([random.uniform(20, 70, (3, 12, 2)), np.ones((3, 12, 1))], axis=-1)
    poses[1, 3:, 2] = 0
    scores = [0.75, 3.0, 0.5]
    estimates = estimator.estimate_frames(frames, [5], PersonBoxes(np.zeros(3), boxes, scores, poses=poses))
    assert list(estimates.predictions) == ["peak", "given", "pose_1", "pose_2", "pose_3"]
    given = estimates.predictions["given"]
    np.testing.assert_allclose(given.keypoints[[0, 2], :, :2], poses[[0, 2], :, :2], atol=1e-3)
    np.testing.assert_allclose(given.keypoints[1, :3, :2], poses[1, :3, :2], atol=1e-3)
    assert np.abs(given.keypoints[1, 3:, :2] - poses[1, 3:, :2]).max() > 1
    for people in estimates.predictions.values():
        np.testing.assert_array_equal(people.scores, scores)
    assert np.abs(estimates.predictions["pose_3"].keypoints - given.keypoints)[..., :2].max() > 0.1


def test_there_is_nothing_to_refine_with_without_a_graph():
    with pytest.raises(UserError, match="--initial_pose=given is refined by OPEC-Net's graph, which these settings"):
        dataclasses.replace(GIVEN, refinement=False)


@pytest.mark.slow
def test_a_workdir_of_either_kind_loads_as_the_other(tmp_path, caplog):
    folder = workdir.stage_folder(tmp_path, "opec")
    workdir.start(tmp_path, GIVEN)
    trained = builders.build_opec_net(GIVEN)
    workdir.save_weights(trained, folder.best_weights)
    workdir.save_weights(trained, folder.final_weights)
    workdir.write_stage_config(folder, GIVEN, DataConfig())
    given = pose_model.load(tmp_path)
    own = given.starting_from_poses_of(WholeImage())
    assert "given" not in own.network.output and own.model_config == tiny_run.MODEL
    assert "trained to refine given poses" in caplog.text
    assert given.starting_from_poses_of(WholeImage()) is own
    for layer in ("graph_conv_1", "residual_graph_block_3", "base"):
        for copied, weight in zip(own.network.get_layer(layer).get_weights(), trained.get_layer(layer).get_weights()):
            np.testing.assert_array_equal(copied, weight)
    posed = ListedPeople(PersonBoxes([0], [[0, 0, 9, 9]], poses=np.zeros([1, 12, 3])), "poses.json")
    assert given.starting_from_poses_of(posed) is given and own.starting_from_poses_of(posed).model_config == GIVEN
    with pytest.raises(UserError, match="stage base refines no given poses"):
        dataclasses.replace(given, stage="base").starting_from_poses_of(posed)


@pytest.mark.slowest
def test_both_commands_refine_a_file(run, tmp_path):
    cv2.imwrite(str(tmp_path / "7.png"), np.random.default_rng(0).integers(0, 256, [60, 80, 3], dtype=np.uint8))
    truth = record(7, 12, id=1, bbox=[9, 9, 60, 45])
    truth["keypoints"][2::3] = [2] * 12
    annotations = {"images": [{"id": 7, "file_name": "7.png", "height": 60, "width": 80}], "annotations": [truth]}
    (tmp_path / "annotations.json").write_text(json.dumps(annotations))
    poses = [record(7, 12, bbox=[9, 9, 50, 45], score=0.25), record(7, 12, bbox=[0, 0, 70, 60], score=0.5)]
    (tmp_path / "poses.json").write_text(json.dumps(poses))
    shared = [f"--workdir={run}", f"--initial_poses={tmp_path}/poses.json"]
    evaluate = [
        *shared,
        f"--data_root={tmp_path}",
        "--test_data=coco:annotations.json:.",
        f"--output_dir={tmp_path}/scores",
    ]
    boxes = f"--boxes={tmp_path}/poses.json"
    first, both = tiny_run.messages("evaluate", evaluate, [*evaluate, boxes])
    assert first is None and "--boxes and --initial_poses both say where the people are" in both
    written = json.loads((tmp_path / "scores" / "predictions_given.json").read_text())
    assert [person["score"] for person in written] == [0.25, 0.5]
    np.testing.assert_allclose(np.array(written[0]["keypoints"]).reshape(12, 3)[:, 0], 10.0 * np.arange(12), atol=1e-3)
    metrics = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    assert list(metrics["poses"]) == ["peak", "given", "pose_1", "pose_2", "pose_3"]
    assert metrics["poses"]["given"]["AP"] == pytest.approx(1.0)
    assert metrics["settings"]["initial_poses"] == f"{tmp_path}/poses.json"

    predict = [*shared, f"--images={tmp_path}/7.png", f"--output_dir={tmp_path}/out"]
    first, both = tiny_run.messages("predict", predict, [*predict, boxes])
    assert first is None and "--boxes and --initial_poses both say where the people are" in both
    found = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [(person["bbox"], person["score"]) for person in found] == [([9, 9, 50, 45], 0.25), ([0, 0, 70, 60], 0.5)]

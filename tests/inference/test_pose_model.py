"""A model as a user has it: loaded, asked for poses, and in agreement with the commands."""

import dataclasses
import json

import cv2
import numpy as np
import pytest
import serving_run
import tensorflow as tf
import tiny_run
from painted_people import COLOR_OF_JOINT, CONFIG, color_model, paint

import opec_tf
from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, InferenceConfig
from opec_tf.inference import pose_model
from opec_tf.inference.pose_model import PoseModel
from opec_tf.models import workdir
from opec_tf.poses import skeletons
from opec_tf.serving import exporting

pytestmark = pytest.mark.slow

BOXES = np.array([[20.0, 20.0, 110.0, 150.0], [150.0, 30.0, 110.0, 150.0]])
SPOTS = BOXES[:, None, :2] + BOXES[:, None, 2:] * [[0.3, 0.3], [0.6, 0.5], [0.4, 0.7]]
IMAGE = paint(200, 280, SPOTS)


@pytest.fixture(scope="module")
def model():
    return PoseModel(color_model(), CONFIG, "opec", 1.25)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A workdir of a network whose weights are as after training."""
    root = tmp_path_factory.mktemp("trained")
    tiny_run.make(root, prepare=serving_run.randomize)
    return root


@pytest.fixture(scope="module")
def loaded(trained):
    """Its model."""
    return opec_tf.load(trained)


def test_what_is_painted_is_found(model):
    poses = model.predict(IMAGE, boxes=BOXES)
    assert isinstance(poses, opec_tf.Poses) and len(poses) == 2 and poses.skeleton is skeletons.BODY12
    np.testing.assert_allclose(poses.keypoints, SPOTS[:, COLOR_OF_JOINT], atol=0.1)
    np.testing.assert_allclose(poses.scores, poses.joint_scores.mean(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(poses.boxes, BOXES)
    assert poses.visibility is None and poses.image is IMAGE and poses.draw().shape == IMAGE.shape
    assert poses.joint_scores.shape == (2, 12) and 0.7 < poses.joint_scores.min() <= poses.joint_scores.max() <= 1


def test_a_list_gives_a_list_and_a_file_what_its_pixels_give(model, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), IMAGE[..., ::-1])
    first, second, nobody = model.predict(
        [tmp_path / "a.png", IMAGE[:, ::-1].copy(), IMAGE], boxes=[BOXES[:1], BOXES[1:], []], flip_test=True
    )
    assert (first.name, first.image, second.name) == ("a.png", tmp_path / "a.png", "")
    np.testing.assert_allclose(first.keypoints, SPOTS[:1, COLOR_OF_JOINT], atol=0.1)
    assert len(second) == 1 and first.to_coco()[0]["file_name"] == "a.png"
    one = model.predict(str(tmp_path / "a.png"), boxes=BOXES[:1].tolist(), flip_test=True)
    np.testing.assert_allclose(one.keypoints, first.keypoints, atol=1e-3)
    assert nobody.keypoints.shape == (0, 12, 2) and nobody.boxes.shape == (0, 4) and nobody.scores.shape == (0,)
    assert model.predict([]) == []


def test_without_boxes_a_detector_looks_and_finds_nobody_in_grey(loaded):
    grey = np.full([60, 80, 3], 128, np.uint8)
    nobody = loaded.predict(grey)
    assert len(nobody) == 0 and nobody.visibility.shape == (0, 12, 3)
    (whole,) = loaded.predict([grey], detector="none")
    assert whole.boxes.tolist() == [[0, 0, 80, 60]] and whole.visibility.shape == (1, 12, 3)
    np.testing.assert_allclose(whole.visibility.sum(axis=-1), 1.0, atol=1e-5)
    with pytest.raises(UserError, match="best.pt: is no detector"):
        loaded.predict(grey, detector="best.pt")


def test_poses_of_another_system_are_refined(trained, loaded):
    given = np.concatenate([np.random.default_rng(0).uniform(10, 50, [1, 12, 2]), np.ones([1, 12, 1])], axis=-1)
    image = serving_run.picture()
    refined = loaded.predict(image, initial_poses=given)
    low, high = given[0, :, :2].min(axis=0), given[0, :, :2].max(axis=0)
    np.testing.assert_allclose(refined.boxes, [[*low, *(high - low)]])
    own = loaded.predict(image, boxes=refined.boxes)
    assert np.abs(refined.keypoints - own.keypoints).max() > 1.0
    # A joint of a score of 0 is not given: of such a pose nothing is.
    np.testing.assert_allclose(
        loaded.predict(image, boxes=refined.boxes, initial_poses=given * [1, 1, 0]).keypoints, own.keypoints, atol=2e-3
    )
    with pytest.raises(UserError, match="stage base refines no given poses; train stage opec"):
        opec_tf.load(trained, "base").predict(image, initial_poses=given)


def test_asked_again_it_compiles_nothing_anew(model, monkeypatch):
    model.predict(IMAGE, boxes=BOXES)
    model.predict([IMAGE] * 3, boxes=[BOXES[:1]] * 3)
    monkeypatch.setattr(pose_model, "PoseEstimator", None)
    model.predict(IMAGE, boxes=BOXES + 1.0)
    model.predict([IMAGE, IMAGE], boxes=[BOXES, BOXES])  # four people, as three need a batch of four


def test_a_loaded_model_says_what_it_is(trained, loaded, tmp_path):
    assert (loaded.stage, loaded.box_margin, loaded.name) == ("opec", DataConfig.box_margin, str(trained))
    assert loaded.model_config == tiny_run.MODEL and loaded.skeleton is skeletons.BODY12
    assert loaded.git_revision == workdir.git_revision() and loaded.metrics == {}
    base = opec_tf.load(trained, "base")
    assert base.stage == "base" and base.network.name == "base_net"
    cases = [
        ((tmp_path,), "config.json: does not exist; .* is not the --workdir of a training run"),
        ((trained, "couple"), "couple/best.weights.h5: does not exist; stage couple has not been trained"),
        ((trained, "best"), "best: is no stage; choose from base, opec, couple"),
    ]
    for arguments, message in cases:
        with pytest.raises(UserError, match=message):
            opec_tf.load(*arguments)


@pytest.fixture
def files(tmp_path):
    """Two pictures and boxes for both, of which the second file's is beside the first in the list."""
    for name, seed in (("7.png", 0), ("9.png", 1)):
        cv2.imwrite(str(tmp_path / name), serving_run.picture(seed)[..., ::-1])
    boxes = serving_run.BOXES.astype(float)
    listed = [(name, box) for name, own in (("7.png", boxes), ("9.png", boxes[:1])) for box in own.tolist()]
    (tmp_path / "boxes.json").write_text(json.dumps([{"file_name": name, "bbox": box} for name, box in listed]))
    return tmp_path, [tmp_path / "7.png", tmp_path / "9.png"], [boxes, boxes[:1]]


@pytest.mark.slowest
def test_the_command_predict_writes_what_predict_says(trained, loaded, files):
    folder, paths, boxes = files
    arguments = [f"--images={folder}/*.png", f"--boxes={folder}/boxes.json", f"--output_dir={folder}/out"]
    assert tiny_run.messages("predict", [f"--workdir={trained}", *arguments, "--flip_test"]) == [None]
    written = json.loads((folder / "out" / "predictions.json").read_text())
    found = loaded.predict(paths, boxes=boxes, flip_test=True)
    said = [result for poses, image_id in zip(found, (7, 9)) for result in poses.to_coco(image_id)]
    assert len(said) == len(written) == 3
    for one, other in zip(said, written):
        assert list(one) == list(other)
        assert [one[name] for name in ("file_name", "image_id", "bbox")] == [
            other[name] for name in ("file_name", "image_id", "bbox")
        ]
        for name in ("keypoints", "score", "visibility"):
            np.testing.assert_allclose(one[name], other[name], atol=2e-3, err_msg=name)
    # Nobody is suppressed in given boxes, so that the command's drawing is the poses' own.
    found[0].draw(folder / "own.jpg")
    drawn, own = (
        cv2.imread(str(path)).astype(int) for path in (folder / "out" / "drawings" / "7.jpg", folder / "own.jpg")
    )
    assert np.abs(drawn - own).mean() < 0.5 < np.abs(drawn - serving_run.picture()[..., ::-1]).mean()


@pytest.mark.slowest
def test_an_export_answers_what_predict_says(trained, loaded, files):
    folder, paths, boxes = files
    arguments = [f"--workdir={trained}", f"--export_dir={folder}/models/m", "--warmup_batch_sizes=1"]
    assert tiny_run.messages("export", arguments) == [None]
    version = folder / "models" / "m" / "1"
    module = tf.saved_model.load(str(version))
    answer = module.signatures["image"](
        image_bytes=tf.constant([paths[0].read_bytes()]), boxes=tf.constant(boxes[0][None], tf.float32)
    )
    poses = loaded.predict(paths[0], boxes=boxes[0])
    np.testing.assert_allclose(answer["keypoints"][0, ..., :2], poses.keypoints, atol=0.05)
    np.testing.assert_allclose(answer["keypoints"][0, ..., 2], poses.joint_scores, atol=1e-3)
    np.testing.assert_allclose(answer["pose_score"][0], poses.scores, atol=1e-3)
    np.testing.assert_allclose(answer["visibility"][0], poses.visibility, atol=1e-3)
    metadata = json.loads((version / exporting.METADATA_FILE).read_text())
    assert metadata["model"] == json.loads(json.dumps(dataclasses.asdict(loaded.model_config)))
    assert (metadata["stage"], metadata["box_margin"]) == (loaded.stage, loaded.box_margin)
    assert metadata["trained_at_git_revision"] == loaded.git_revision and metadata["metrics"] == loaded.metrics
    assert (metadata["skeleton"], metadata["flip_test"]) == (loaded.skeleton.name, InferenceConfig.flip_test)

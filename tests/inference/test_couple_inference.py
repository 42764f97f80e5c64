"""Who is paired with whom at inference, in files, frames and mirrored crops; and what a crowd costs."""

import json
import pathlib

import cv2
import numpy as np
import pytest
import tensorflow as tf
import tiny_run
from painted_people import CONFIG

from opec_tf.config import InferenceConfig, TrackingConfig
from opec_tf.inference import frames as frame_sources, pose_estimator, results
from opec_tf.inference.people import ListedPeople
from opec_tf.inference.person_boxes import PersonBoxes
from opec_tf.inference.pose_model import PoseModel
from opec_tf.layers.pair import ChangeFrame, PairFrame, WithPartner
from opec_tf.models import builders, output_names
from opec_tf.poses import geometry

pytestmark = pytest.mark.slow

POSES = ["peak", "initial", "pose_1", "pose_2", "pose_3", "couple_1", "couple_2", "couple_3"]
# Four images with a couple, one alone, a crowd of four in a chain with one apart, nobody.
BOXES = [
    [10, 20, 60, 90],
    [40, 10, 50, 80],
    [30, 30, 40, 60],
    [10, 10, 40, 80],
    [30, 10, 40, 80],
    [55, 10, 40, 80],
    [200, 10, 20, 40],
]
IMAGE_INDEX = np.array([0, 0, 1, 2, 2, 2, 2])
PARTNER = np.array([1, 0, 2, 4, 3, 4, 6])  # 5's best is 4; those alone keep their own pose
# Symmetric, so that the flip test changes nothing: both joints of a left and right pair lie on the crop's axis.
POSE = np.stack([np.zeros(12), np.repeat(np.linspace(-0.6, 0.6, 6), 2)], axis=1).astype(np.float32)


def partners_pose_model():
    """A model without weights that finds ``POSE`` in every crop; the couple's poses are the partner's joints."""
    crops = tf.keras.Input((*CONFIG.crop_size, 3), name="crops")
    crop_to_image = tf.keras.Input((2, 3), name="crop_to_image")
    partner = tf.keras.Input((), dtype="int32", name="partner")
    maps = tf.keras.layers.Lambda(lambda crops: tf.repeat(crops[:, ::4, ::4, :1] / 255.0, 12, axis=3))(crops)
    pose = tf.keras.layers.Lambda(lambda crops: POSE + 0.0 * crops[:, :12, 0, :2])(crops)
    to_pair, to_crops = PairFrame(CONFIG.crop_size)([crop_to_image, partner])
    in_pair = ChangeFrame()([WithPartner()([pose, partner]), to_pair])
    # The partner's joints in the own crop.
    twice = tf.keras.layers.Lambda(lambda joints: tf.concat([joints[:, 12:], joints[:, 12:]], axis=1))(in_pair)
    couple = tf.keras.layers.Lambda(lambda joints: joints[:, :12])(ChangeFrame()([twice, to_crops]))
    outputs = {"base_heatmaps": maps, **dict.fromkeys(output_names.POSE_OUTPUTS, pose)}
    outputs.update(dict.fromkeys(output_names.COUPLE_OUTPUTS, couple))
    return tf.keras.Model({"crops": crops, "crop_to_image": crop_to_image, "partner": partner}, outputs)


def estimator(model=None, batch_size=4, config=CONFIG, **settings):
    settings = InferenceConfig(inference_batch_size=batch_size, **settings)
    model = model or partners_pose_model()
    return pose_estimator.PoseEstimator(model, model_config=config, box_margin=1.25, inference_config=settings)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    frames = [random.integers(0, 256, (120, 240, 3), dtype=np.uint8) for _ in range(4)]
    paths = [str(folder / f"{i}.png") for i in range(4)]
    for path, frame in zip(paths, frames):
        cv2.imwrite(path, frame[..., ::-1])
    return frames, paths


def expected_points():
    affines = geometry.crop_affine(np.array(BOXES, np.float32), CONFIG.crop_size, 1.25)
    return geometry.normalized_to_image(affines, np.tile(POSE, [7, 1, 1]), CONFIG.crop_size).numpy()


@pytest.mark.parametrize("batch_size, flip_test", [(1, False), (4, True), (32, False)])
def test_everybody_is_paired_within_the_image(pictures, batch_size, flip_test):
    """Image rows come in no order; a batch size of 1 grows to the image's people."""
    order = np.array([5, 2, 0, 6, 3, 1, 4])
    estimates = estimator(batch_size=batch_size, flip_test=flip_test).estimate_files(
        pictures[1], np.arange(4), PersonBoxes(IMAGE_INDEX[order], np.array(BOXES)[order]), progress=False
    )
    assert list(estimates.predictions) == POSES and estimates.final == "couple_3"
    for name in POSES[1:]:
        whose = PARTNER if name.startswith("couple") else np.arange(7)
        found = estimates.predictions[name].keypoints[..., :2]
        np.testing.assert_allclose(found, expected_points()[whose][order], atol=2e-3, err_msg=name)


@pytest.mark.parametrize("batch_size", [2, 3, 8])
def test_frames_in_memory_give_what_files_give(pictures, batch_size):
    frames, paths = pictures
    tested = estimator(batch_size=batch_size)
    from_frames = tested.estimate_frames(frames, np.arange(4), PersonBoxes(IMAGE_INDEX, BOXES))
    from_files = tested.estimate_files(paths, np.arange(4), PersonBoxes(IMAGE_INDEX, BOXES), progress=False)
    for name in POSES:
        np.testing.assert_allclose(
            from_frames.predictions[name].keypoints, from_files.predictions[name].keypoints, atol=1e-3
        )
    nobody = tested.estimate_frames(frames[3:], [3], PersonBoxes(np.zeros(0), np.zeros([0, 4])))
    assert nobody.predictions["couple_3"].num_people == 0


def test_an_unreadable_image_leaves_the_others_their_partners(pictures, tmp_path):
    paths = [str(tmp_path / "missing.png"), *pictures[1][1:]]
    estimates = estimator().estimate_files(paths, np.arange(4), PersonBoxes(IMAGE_INDEX, BOXES), progress=False)
    assert estimates.skipped == paths[:1]
    np.testing.assert_array_equal(estimates.rows["couple_3"], np.arange(2, 7))
    found = estimates.predictions["couple_3"].keypoints[..., :2]
    np.testing.assert_allclose(found, expected_points()[PARTNER[2:]], atol=2e-3)


def test_everybody_passes_the_backbone_once(pictures):
    """An image of four people and one of a couple: six rows enter the base, whoever is paired with whom."""
    model, rows = builders.build_couple_net(tiny_run.MODEL), []
    base = model.get_layer("opec_net").get_layer("base")
    inner = base.call

    def counting(inputs, *args, **kwargs):
        tf.py_function(lambda count: rows.append(int(count)), [tf.shape(inputs)[0]], [])
        return inner(inputs, *args, **kwargs)

    base.call = counting
    chosen = [0, 1, 3, 4, 5, 6]
    tested = estimator(model, batch_size=2, config=tiny_run.MODEL)
    tested.estimate_frames(pictures[0], np.arange(4), PersonBoxes(IMAGE_INDEX[chosen], np.array(BOXES)[chosen]))
    assert rows == [2, 4]


def test_predict_writes_and_draws_the_couples_poses(pictures, tmp_path):
    source = frame_sources.open_source(str(pathlib.Path(pictures[1][0]).parent), strict=False)
    count = results.write_predictions(
        PoseModel(partners_pose_model(), CONFIG, "couple", 1.25),
        source,
        ListedPeople(PersonBoxes(IMAGE_INDEX, BOXES), "boxes"),
        tmp_path,
        inference_config=InferenceConfig(inference_batch_size=2),
        tracking_config=TrackingConfig(),
        style=results.DrawingStyle(compare=True),
        made_by={},
    )
    written = json.loads((tmp_path / "predictions.json").read_text())
    assert count == len(written) == 7 and len(list((tmp_path / "drawings").iterdir())) == 4
    found = np.array([result["keypoints"] for result in written]).reshape(7, 12, 3)[..., :2]
    np.testing.assert_allclose(found, expected_points()[PARTNER], atol=2e-3)


def test_drawings_name_the_couple():
    assert results.title("couple_3") == "CoupleGraph: pose 3"
    assert results.title("pose_3") == "OPEC-Net: pose 3"

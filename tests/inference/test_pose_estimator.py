import dataclasses
import functools
import pathlib

import cv2
import numpy as np
import pytest
import tensorflow as tf
from painted_people import COLOR_OF_JOINT, CONFIG, color_model, paint

from opec_tf.common.errors import UserError
from opec_tf.config import InferenceConfig
from opec_tf.inference import pose_estimator
from opec_tf.inference.person_boxes import PersonBoxes
from opec_tf.poses import geometry, skeletons

POSES = ["peak", "initial", "pose_1", "pose_2", "pose_3"]
# One of each for all tests: an estimator compiles its model.
shared_model = functools.cache(color_model)
shared_estimator = functools.cache(pose_estimator.PoseEstimator)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Four images with 2, 0, 1 and 2 people at odd places in boxes of odd sizes."""
    folder = tmp_path_factory.mktemp("scene")
    random = np.random.default_rng(0)
    paths, frames, image_index, boxes, centers = [], [], [], [], []
    for i, (height, width, count) in enumerate([(301, 517, 2), (64, 64, 0), (222, 199, 1), (480, 640, 2)]):
        people = []
        for person in range(count):
            box = np.array(
                [width / max(count, 1) * person + 17.3, 31.9, random.uniform(131, 167), random.uniform(151, 187)]
            )
            people.append(box[:2] - 0.5 + box[2:] * random.uniform(0.3, 0.7, [3, 2]))
            boxes.append(box)
            image_index.append(i)
        frames.append(paint(height, width, people))
        paths.append(str(folder / f"{i}.png"))
        cv2.imwrite(paths[-1], frames[-1][..., ::-1])
        centers += people
    # People come in no particular order of images.
    order = [3, 0, 2, 1, 4]
    return {
        "image_paths": paths,
        "image_ids": np.array([40, 30, 20, 10]),
        "image_index": np.array(image_index)[order],
        "boxes": np.array(boxes)[order],
        "frames": frames,
        "points": np.array(centers)[order][:, COLOR_OF_JOINT],
    }


def estimate(scene, model=None, **settings):
    data = {name: scene[name] for name in ("image_paths", "image_ids", "image_index", "boxes")}
    inference_settings = {
        n: settings.pop(n) for n in list(settings) if n in {f.name for f in dataclasses.fields(InferenceConfig)}
    }
    data.update(settings)
    people = PersonBoxes(data["image_index"], data["boxes"], data.get("box_scores"))
    estimator = shared_estimator(
        model or shared_model(),
        model_config=CONFIG,
        box_margin=1.25,
        inference_config=InferenceConfig(**{"inference_batch_size": 2, **inference_settings}),
    )
    strict = data.get("strict", False)
    return estimator.estimate_files(data["image_paths"], data["image_ids"], people, strict=strict, progress=False)


@pytest.mark.parametrize("flip_test", [False, True])
def test_joints_return_to_the_image_pixels_they_are_painted_at(scene, flip_test):
    estimates = estimate(scene, flip_test=flip_test)
    assert list(estimates.predictions) == POSES and estimates.final == "pose_3" and estimates.skipped == []
    for name, people in estimates.predictions.items():
        np.testing.assert_allclose(people.keypoints[..., :2], scene["points"], atol=0.1, err_msg=name)
        np.testing.assert_array_equal(people.image_ids, scene["image_ids"][scene["image_index"]])
        np.testing.assert_allclose(people.boxes, scene["boxes"], rtol=1e-6)
        np.testing.assert_array_equal(estimates.rows[name], np.arange(5))


def test_known_normalised_positions_by_hand():
    """Box 90 x 50 at (10, 20): the 160 x 128 crop is 112.5 x 140.625 image pixels about (54.5, 44.5)."""
    crops = tf.keras.Input((*CONFIG.crop_size, 3))
    wanted = np.tile([[0.5, -0.25]], [12, 1]).astype(np.float32)
    distance = np.sum((geometry.cell_centers((40, 32))[:, :, None] - wanted) ** 2 * [16**2, 20**2], axis=-1)
    heatmaps = tf.zeros_like(crops[:, ::4, ::4, :1]) + tf.constant(0.75 * np.exp(-distance / 8.0), tf.float32)
    model = tf.keras.Model(crops, {"base_heatmaps": heatmaps})
    estimator = pose_estimator.PoseEstimator(
        model, model_config=CONFIG, box_margin=1.25, inference_config=InferenceConfig()
    )
    found = estimator.estimate_frames([np.zeros([90, 120, 3], np.uint8)], [7], PersonBoxes([0], [[10, 20, 90, 50]]))
    points = found.predictions["peak"].keypoints[0, :, :2]
    np.testing.assert_allclose(points, np.tile([54.5 + 0.5 * 112.5 / 2, 44.5 - 0.25 * 140.625 / 2], [12, 1]), atol=0.02)


def test_flip_test_undoes_the_mirror_and_swaps_left_and_right():
    """A model that answers the same whatever it sees: the mean of a pose and its mirrored, swapped self."""
    crops = tf.keras.Input((*CONFIG.crop_size, 3))
    pose = np.random.default_rng(0).uniform(-0.5, 0.5, [12, 2]).astype(np.float32)
    maps = np.random.default_rng(1).uniform(0, 1, [40, 32, 12]).astype(np.float32)
    zero = tf.reduce_sum(crops, axis=[1, 2, 3], keepdims=True) * 0.0
    model = tf.keras.Model(crops, {"base_heatmaps": zero + maps, "initial_pose": zero[:, 0] + pose})
    config = InferenceConfig(flip_test=True, peak_refinement="none", inference_batch_size=1)
    estimator = pose_estimator.PoseEstimator(model, model_config=CONFIG, box_margin=1.0, inference_config=config)
    # A box of the crop's own size and place: image pixels are crop pixels.
    found = estimator.estimate_frames([np.zeros([160, 128, 3], np.uint8)], [1], PersonBoxes([0], [[0, 0, 128, 160]]))
    swap = skeletons.BODY12.flip_order
    expected = geometry.denormalize((pose + pose[swap] * [-1, 1]) / 2, CONFIG.crop_size)
    np.testing.assert_allclose(found.predictions["initial"].keypoints[0, :, :2], expected, atol=1e-3)
    mean = (maps + maps[:, ::-1, swap]) / 2
    np.testing.assert_allclose(found.predictions["peak"].keypoints[0, :, 2], mean.max(axis=(0, 1)), atol=1e-6)
    row, column = np.unravel_index(mean[..., 5].argmax(), (40, 32))
    np.testing.assert_allclose(
        found.predictions["peak"].keypoints[0, 5, :2], [4 * column + 1.5, 4 * row + 1.5], atol=1e-3
    )


def test_all_poses_share_the_peaks_height_and_the_persons_score_is_their_mean(scene):
    estimates = estimate(scene)
    for people in estimates.predictions.values():
        np.testing.assert_array_equal(people.keypoints[..., 2], estimates.predictions["peak"].keypoints[..., 2])
        np.testing.assert_allclose(people.scores, people.keypoints[..., 2].mean(axis=1), rtol=1e-6)
    assert 0.7 < estimates.predictions["peak"].scores.min() < estimates.predictions["peak"].scores.max() < 0.99


@pytest.mark.slow
def test_box_scores_multiply(scene):
    box_scores = np.array([0.5, 1.0, 0.25, 0.9, 0.1])
    scored, plain = estimate(scene, box_scores=box_scores), estimate(scene)
    np.testing.assert_allclose(
        scored.predictions["pose_3"].scores, plain.predictions["pose_3"].scores * box_scores, rtol=1e-5
    )


@pytest.mark.slow
def test_base_alone_gives_its_peak(scene):
    assert list(estimate(scene, model=shared_model(base_only=True)).predictions) == ["peak"]


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [3, 64])
def test_batch_size_changes_nothing_and_traces_once(scene, batch_size):
    traces = []
    model = color_model()
    inner, model.call = model.call, lambda *args, **kwargs: traces.append(1) or inner(*args, **kwargs)
    estimates = estimate(scene, model=model, inference_batch_size=batch_size)
    expected = estimate(scene).predictions["pose_3"].keypoints
    np.testing.assert_allclose(estimates.predictions["pose_3"].keypoints, expected, atol=1e-3)
    assert len(traces) == 1


@pytest.mark.slow
def test_frames_in_memory_give_what_files_give(scene):
    order = np.argsort(scene["image_index"], kind="stable")
    config = InferenceConfig(inference_batch_size=3)
    estimator = shared_estimator(shared_model(), model_config=CONFIG, box_margin=1.25, inference_config=config)
    from_frames = estimator.estimate_frames(
        scene["frames"], scene["image_ids"], PersonBoxes(scene["image_index"][order], scene["boxes"][order])
    )
    from_files = estimate(scene)
    for name in POSES:
        np.testing.assert_allclose(
            from_frames.predictions[name].keypoints, from_files.predictions[name].keypoints[order], atol=1e-3
        )
        np.testing.assert_array_equal(
            from_frames.predictions[name].image_ids, from_files.predictions[name].image_ids[order]
        )


@pytest.mark.slow
@pytest.mark.parametrize("flip_test", [False, True])
def test_visibility_is_given_as_probabilities_for_all_boxes(scene, tmp_path, flip_test):
    logits = np.random.default_rng(2).normal(size=(12, 3)).astype(np.float32)
    (tmp_path / "bad.png").write_bytes(b"")
    paths = [str(tmp_path / "bad.png"), *scene["image_paths"][1:]]
    estimates = estimate(scene, color_model(visibility=logits), image_paths=paths, flip_test=flip_test)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if flip_test:  # each joint's mean with its mirror image's
        expected = (expected + expected[skeletons.BODY12.flip_order]) / 2
    done = scene["image_index"] != 0
    np.testing.assert_allclose(estimates.visibility[done], np.tile(expected, [done.sum(), 1, 1]), atol=1e-6)
    assert not estimates.visibility[~done].any() and len(estimates.visibility) == 5
    assert estimate(scene).visibility is None


def test_weights_of_a_diverged_training_are_named(scene):
    crops = tf.keras.Input((*CONFIG.crop_size, 3))
    maps = tf.zeros_like(tf.repeat(crops[:, ::4, ::4, :1], 12, axis=3))
    model = tf.keras.Model(
        crops, {"base_heatmaps": maps, "initial_pose": tf.transpose(maps[:, 0, :2], [0, 2, 1]) / 0.0}
    )
    with pytest.raises(UserError, match="not finite numbers"):
        estimate(scene, model=model)


def test_nobody_gives_nobody(scene):
    estimates = estimate(scene, image_index=np.zeros(0, int), boxes=np.zeros([0, 4]))
    assert [people.keypoints.shape for people in estimates.predictions.values()] == [(0, 12, 3)] * 5


@pytest.mark.parametrize("damage", ["truncated", "missing", "text", "empty"])
def test_unreadable_image_is_skipped_or_an_error(scene, tmp_path, damage):
    bad = tmp_path / "bad.png"
    content = pathlib.Path(scene["image_paths"][0]).read_bytes()
    if damage != "missing":
        bad.write_bytes({"truncated": content[: len(content) // 2], "text": b"no picture at all", "empty": b""}[damage])
    paths = [str(bad), *scene["image_paths"][1:]]
    estimates = estimate(scene, image_paths=paths)
    assert estimates.skipped == [str(bad)]
    left = np.flatnonzero(scene["image_index"] != 0)
    np.testing.assert_array_equal(estimates.rows["peak"], left)
    np.testing.assert_allclose(estimates.predictions["pose_1"].keypoints[..., :2], scene["points"][left], atol=0.1)
    with pytest.raises(UserError, match="bad.png: "):
        estimate(scene, image_paths=paths, strict=True)


@pytest.mark.slow
def test_detected_duplicates_of_one_image_are_suppressed(scene):
    # Rows 5 to 7 repeat rows 0 to 2; row 7 is the better of its pair.
    again = np.array([0, 1, 2])
    estimates = estimate(
        scene,
        image_index=np.concatenate([scene["image_index"], scene["image_index"][again]]),
        boxes=np.concatenate([scene["boxes"], scene["boxes"][again]]),
        box_scores=np.array([0.9] * 5 + [0.5, 0.5, 0.95]),
    )
    for rows in estimates.rows.values():
        np.testing.assert_array_equal(rows, [0, 1, 3, 4, 7])
    # Annotated boxes (without scores) are people by definition.
    assert estimate(scene).predictions["peak"].num_people == 5


@pytest.fixture(scope="module")
def two_at_one_place():
    """Two people of a spot of each color. Person 1's crop shows person 0's brighter spots too; person 0's crop does not
    reach person 1's."""
    first = np.array([[100.0, 60.0], [110.0, 100.0], [90.0, 140.0]])
    second = first + [90.0, 0.0]
    frame = np.maximum(paint(200, 400, [first]), paint(200, 400, [second], level=150.0))
    boxes = np.array([[60.0, 40.0, 80.0, 120.0], [70.0, 40.0, 150.0, 120.0]])
    return frame, boxes, np.stack([first, second])[:, COLOR_OF_JOINT]


def associate(frame, boxes, box_scores=None, model=None, **settings):
    config = InferenceConfig(inference_batch_size=2, association=True, **settings)
    estimator = shared_estimator(model or shared_model(), model_config=CONFIG, box_margin=1.0, inference_config=config)
    people = PersonBoxes(np.zeros(len(boxes)), boxes, box_scores)
    found = estimator.estimate_frames([frame, frame], [7, 8], people)
    assert list(found.predictions) == list(estimator.pose_names)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("flip_test", [False, True])
def test_association_gives_everybody_the_own_joints(two_at_one_place, flip_test):
    frame, boxes, points = two_at_one_place
    found = associate(frame, boxes, flip_test=flip_test)
    assert list(found.predictions) == ["peak", "association", *POSES[1:]]
    alone, together = (found.predictions[name].keypoints for name in ("peak", "association"))
    np.testing.assert_allclose(alone[..., :2], points[[0, 0]], atol=0.5)
    np.testing.assert_allclose(together[..., :2], points, atol=0.5)
    # The loser has its candidate's score, and the person the mean.
    np.testing.assert_array_equal(together[0], alone[0])
    np.testing.assert_allclose(together[1, :, 2], 0.6 * alone[1, :, 2], atol=0.02)
    np.testing.assert_allclose(found.predictions["association"].scores, together[..., 2].mean(axis=1), rtol=1e-6)
    # The network's own poses are what they are without it.
    config = InferenceConfig(inference_batch_size=2, flip_test=flip_test)
    plain = shared_estimator(shared_model(), model_config=CONFIG, box_margin=1.0, inference_config=config)
    expected = plain.estimate_frames([frame], [7], PersonBoxes([0, 0], boxes)).predictions
    for name in POSES:
        np.testing.assert_array_equal(found.predictions[name].keypoints, expected[name].keypoints)


def test_association_is_of_one_image(two_at_one_place):
    frame, boxes, points = two_at_one_place
    config = InferenceConfig(inference_batch_size=2, association=True)
    estimator = pose_estimator.PoseEstimator(
        color_model(True), model_config=CONFIG, box_margin=1.0, inference_config=config
    )
    found = estimator.estimate_frames([frame, frame], [7, 8], PersonBoxes([0, 1], boxes))
    assert found.final == "association"
    np.testing.assert_allclose(found.predictions["association"].keypoints[..., :2], points[[0, 0]], atol=0.5)


def test_duplicate_boxes_do_not_fight_for_joints(two_at_one_place):
    """The second box of person 0 goes before the joints are assigned, so that person 1 is left its own."""
    frame, boxes, points = two_at_one_place
    doubled = np.concatenate([boxes[:1] + [0.5, 0.0, 0.0, 0.0], boxes[:1] - [0.0, 0.0, 5.0, 0.0]])
    # Person 1's own peak is person 0's joint, which makes it a duplicate as well.
    for rule in ("oks", "parametric"):
        found = associate(frame, doubled, np.array([0.8, 0.9]), pose_nms=rule)
        np.testing.assert_array_equal(found.rows["association"], [1])
        np.testing.assert_allclose(found.predictions["association"].keypoints[0, :, :2], points[0], atol=0.5)
        # What is not reassigned is the peak as pose NMS left it.
        np.testing.assert_array_equal(found.predictions["association"].keypoints, found.predictions["peak"].keypoints)


def test_association_without_people():
    found = associate(np.zeros([20, 20, 3], np.uint8), np.zeros([0, 4]))
    assert found.predictions["association"].keypoints.shape == (0, 12, 3)

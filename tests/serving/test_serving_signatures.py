"""The signatures in this process: against prediction, by hand, and what they refuse."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from painted_people import COLOR_OF_JOINT, CONFIG, color_model, paint

from opec_tf.config import InferenceConfig
from opec_tf.inference.person_boxes import PersonBoxes
from opec_tf.inference.pose_model import PoseModel
from opec_tf.serving.signatures import PoseSignatures, largest_overlap

pytestmark = pytest.mark.slow


def posing(network, box_margin=1.25):
    return PoseModel(network, CONFIG, "opec", box_margin)


@pytest.fixture(scope="module")
def signatures():
    module = PoseSignatures(posing(color_model()), InferenceConfig(flip_test=True))
    # The signatures' concrete functions, and the module whose variables they need.
    return {**module.signatures, "module": module}


@pytest.fixture(scope="module")
def scene():
    boxes = np.array([[17.3, 31.9, 140, 160], [190.5, 40, 131, 170]], np.float32)
    centers = [box[:2] - 0.5 + box[2:] * [[0.3, 0.4], [0.7, 0.35], [0.5, 0.6]] for box in boxes]
    frame = paint(240, 350, centers)
    return frame, tf.io.encode_png(frame).numpy(), boxes, np.array(centers)[:, COLOR_OF_JOINT]


def test_people_and_images_find_what_is_painted_where_prediction_finds_it(signatures, scene):
    frame, png, boxes, points = scene
    people = signatures["serving_default"](image_bytes=tf.constant([png, png]), boxes=tf.constant(boxes))
    np.testing.assert_allclose(people["keypoints"][..., :2], points, atol=0.1)
    estimator = posing(color_model()).estimator(InferenceConfig(flip_test=True), num_people=2)
    expected = estimator.estimate_frames([frame], [1], PersonBoxes([0, 0], boxes)).predictions
    np.testing.assert_allclose(people["keypoints"], expected["pose_3"].keypoints, atol=0.01)
    np.testing.assert_allclose(people["initial_keypoints"], expected["initial"].keypoints, atol=0.01)
    np.testing.assert_allclose(people["pose_score"], expected["pose_3"].scores, atol=1e-4)

    # The same people in two pictures, with padding in between; the second picture has one person.
    padded = np.zeros([2, 3, 4], np.float32)
    padded[0, 0], padded[0, 2], padded[1, 1] = boxes[0], boxes[1], boxes[1]
    images = signatures["image"](image_bytes=tf.constant([png, png]), boxes=tf.constant(padded))
    found = images["keypoints"].numpy()
    for place, person in {(0, 0): 0, (0, 2): 1, (1, 1): 1}.items():
        np.testing.assert_allclose(found[place], people["keypoints"][person], atol=1e-3)
    for name, empty in (("keypoints", 0.0), ("initial_keypoints", 0.0), ("pose_score", 0.0)):
        assert (images[name].numpy()[[0, 1, 1], [1, 0, 2]] == empty).all()


def test_visibility_is_answered_by_models_that_give_it(signatures, scene):
    _, png, boxes, _ = scene
    logits = np.random.default_rng(2).normal(size=(12, 3)).astype(np.float32)
    told = PoseSignatures(posing(color_model(visibility=logits)), InferenceConfig()).signatures
    for name, function in told.items():
        assert sorted(function.structured_outputs) == sorted([*signatures[name].structured_outputs, "visibility"])
    padded = np.insert(boxes, 1, 0.0, axis=0)[None]
    found = told["image"](image_bytes=tf.constant([png]), boxes=tf.constant(padded))["visibility"][0]
    probabilities = tf.nn.softmax(logits).numpy()
    np.testing.assert_allclose(found, [probabilities, 0 * probabilities, probabilities], atol=1e-6)
    nobody = told["serving_default"](image_bytes=tf.constant([], tf.string), boxes=tf.zeros([0, 4]))
    assert nobody["visibility"].shape == (0, 12, 3)


def test_crops_answer_in_crop_pixels(signatures):
    centers = np.array([[30.0, 40.0], [90.5, 60.25], [64.0, 120.0]])
    crop = paint(*CONFIG.crop_size, [centers])
    found = signatures["crops"](crops=tf.constant(crop[None], tf.float32))
    np.testing.assert_allclose(found["keypoints"][0, :, :2], centers[COLOR_OF_JOINT], atol=0.1)


def test_nobody_is_answered_by_nothing(signatures, scene):
    _, png, _, _ = scene
    images = signatures["image"](image_bytes=tf.constant([png]), boxes=tf.zeros([1, 2, 4]))
    assert images["keypoints"].shape == (1, 2, 12, 3) and not np.any(images["keypoints"])
    assert signatures["image"](image_bytes=tf.constant([png]), boxes=tf.zeros([1, 0, 4]))["pose_score"].shape == (1, 0)
    people = signatures["serving_default"](image_bytes=tf.constant([], tf.string), boxes=tf.zeros([0, 4]))
    assert people["keypoints"].shape == (0, 12, 3)


def test_a_base_alone_answers_with_its_peak(scene):
    _, png, boxes, points = scene
    module = PoseSignatures(posing(color_model(base_only=True)), InferenceConfig())
    people = module.signatures["serving_default"](image_bytes=tf.constant([png] * 2), boxes=tf.constant(boxes))
    np.testing.assert_allclose(people["keypoints"][..., :2], points, atol=0.1)
    np.testing.assert_array_equal(people["keypoints"], people["initial_keypoints"])


def test_partners_overlap_most_in_the_same_picture():
    boxes = np.array(
        [
            # IoU with the first: 1/3 by the second; 1/7 by the third, which the second meets with 1/3 too, later.
            [[0, 0, 10, 10], [5, 0, 10, 10], [10, 0, 10, 10], [100, 0, 10, 10], [0, 0, 0, 0]],
            # Padding lies over a person; the others touch without an area in common.
            [[0, 0, 10, 10], [10, 0, 10, 10], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
            [[0, 0, 10, 10], [0, 0, 10, 10], [1, 1, 9, 9], [0, 0, 0, 0], [0, 0, 0, 0]],
        ],
        np.float32,
    )
    present = boxes.any(axis=-1)
    expected = [[1, 0, 1, -1, -1], [-1, -1, -1, -1, -1], [1, 0, 0, -1, -1]]
    np.testing.assert_array_equal(largest_overlap(tf.constant(boxes), tf.constant(present)), expected)
    assert largest_overlap(tf.zeros([2, 0, 4]), tf.zeros([2, 0], tf.bool)).shape == (2, 0)


class _Couple(tf.keras.layers.Layer):
    """Poses that say who a person's partner is: x is the partner's row, y the crop's own scale in the image."""

    def call(self, inputs):
        shape = tf.concat([tf.shape(inputs["partner"]), [12]], axis=0)
        partner = tf.broadcast_to(tf.cast(inputs["partner"], tf.float32)[:, None], shape)
        scale = tf.broadcast_to(inputs["crop_to_image"][:, 0, :1], shape)
        return tf.stack([partner, scale], axis=-1)


def test_people_are_paired_inside_the_graph(scene):
    """A model of CoupleGraph's interface: rows of partners are rows of the batch that the network sees."""
    _, png, _, _ = scene
    inputs = {
        "crops": tf.keras.Input((*CONFIG.crop_size, 3), name="crops"),
        "crop_to_image": tf.keras.Input((2, 3), name="crop_to_image"),
        "partner": tf.keras.Input((), dtype=tf.int32, name="partner"),
    }
    heatmaps = tf.repeat(inputs["crops"][:, ::4, ::4, :1], 12, axis=3)
    model = tf.keras.Model(inputs, {"base_heatmaps": heatmaps, "pose_3": _Couple()(inputs)})
    module = PoseSignatures(posing(model, box_margin=1.0), InferenceConfig())
    first, second, alone = [10, 10, 64, 80], [20, 10, 64, 80], [200, 10, 64, 80]
    boxes = np.array([[alone, [0] * 4, first, second], [first, [0] * 4, [0] * 4, alone]], np.float32)
    answer = module.signatures["image"](image_bytes=tf.constant([png] * 2), boxes=tf.constant(boxes))["keypoints"]
    # Back from image pixels to what the layer said; a crop is 128 x 160 pixels, half a pixel of the image each.
    found = (2.0 * ((answer[..., 0].numpy() - boxes[..., None, 0] + 0.25) / 0.5) + 1.0) / 128 - 1.0
    np.testing.assert_allclose(found[0, [0, 2, 3], 0], [-1, 2, 1], atol=1e-3)
    np.testing.assert_allclose(found[1, [0, 3], 0], [-1, -1], atol=1e-3)


@pytest.mark.parametrize(
    "boxes, message",
    [
        ([[np.nan, 1, 2, 3]], "boxes holds NaN or infinity"),
        ([[1, 1, np.inf, 3]], "boxes holds NaN or infinity"),
        ([[1, 1, 0, 3]], "boxes holds a box without area"),
        ([[1, 1, 5, -3]], "boxes holds a box without area"),
        ([[0, 0, 0, 0]], "boxes holds a box without area"),
        ([[1, 1, 1e6, 3]], "boxes holds a number beyond 100000 pixels"),
        ([[350, 1, 5, 5]], "outside its picture, whose (width, height) is] [350 240]"),
        ([[1, -5, 5, 5]], "outside its picture, whose (width, height) is] [350 240]"),
        ([[1, 1, 5, 5]] * 2, "same first dimension; they have] [1] [2]"),
    ],
)
def test_bad_boxes_are_refused(signatures, scene, boxes, message):
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        signatures["serving_default"](image_bytes=tf.constant([scene[1]]), boxes=tf.constant(boxes, tf.float32))
    assert message in str(error.value)


def test_a_crowd_beyond_memory_is_refused(signatures, scene):
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 128 rows a picture; ask in parts"):
        signatures["image"](image_bytes=tf.constant([scene[1]]), boxes=tf.zeros([1, 129, 4]))


def test_a_picture_of_more_pixels_is_refused(scene):
    _, png, boxes, _ = scene
    for max_pixels, refused in ((240 * 350, False), (240 * 350 - 1, True)):
        module = PoseSignatures(posing(color_model()), InferenceConfig(), max_pixels)
        ask = functools.partial(
            module.signatures["image"], image_bytes=tf.constant([png]), boxes=tf.constant(boxes[None])
        )
        if not refused:
            assert np.isfinite(ask()["keypoints"]).all()
            continue
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"has more than max_pixels=83999; make it smaller"):
            ask()


def test_crops_beyond_the_range_of_pixels_by_rounding_are_taken(signatures):
    crops = tf.fill([1, *CONFIG.crop_size, 3], np.nextafter(np.float32(255.0), np.float32(256.0)))
    assert np.isfinite(signatures["crops"](crops=crops)["keypoints"]).all()


@pytest.mark.parametrize("level", [-1.0, 256.0, np.nan])
def test_crops_beyond_the_range_of_pixels_are_refused(signatures, level):
    with pytest.raises(tf.errors.InvalidArgumentError, match="outside 0..255"):
        signatures["crops"](crops=tf.fill([1, *CONFIG.crop_size, 3], np.float32(level)))

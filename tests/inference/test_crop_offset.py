"""``ModelConfig.crop_offset``: a base whose heatmap cell i means crop pixel 4 i finds what it sees where it is."""

import dataclasses

import cv2
import numpy as np
import pytest
import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, InferenceConfig, ModelConfig
from opec_tf.data import pipeline
from opec_tf.inference import pose_estimator
from opec_tf.inference.person_boxes import PersonBoxes
from opec_tf.inference.pose_model import PoseModel
from opec_tf.poses import geometry, images, skeletons
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.serving.signatures import PoseSignatures

CONFIG = ModelConfig(crop_height=128, crop_width=96, crop_offset=1.5)
CENTERED = dataclasses.replace(CONFIG, crop_offset=0.0)
POINT, BOX = np.array([113.3, 87.6]), np.array([[60.0, 20.0, 96.0, 128.0]])


def picture():
    """A bright spot at POINT, [200, 240, 3]."""
    y, x = np.mgrid[:200, :240]
    spot = np.exp(-((x - POINT[0]) ** 2 + (y - POINT[1]) ** 2) / (2 * 8.0**2))
    return np.round(255 * np.repeat(spot[..., None], 3, axis=-1)).astype(np.uint8)


def pytorch_base():
    """Every joint's heatmap cell i is the brightness of crop pixel 4 i, as if it had been trained so."""
    crops = tf.keras.Input((*CONFIG.crop_size, 3), name="crops")
    pick = tf.keras.layers.Conv2D(12, 1, 4, use_bias=False, kernel_initializer=tf.keras.initializers.Constant(1 / 765))
    return tf.keras.Model(crops, {"base_heatmaps": pick(crops)})


def found(config, flip_test):
    """Where all joints are found in the picture, [12, 2]."""
    estimator = pose_estimator.PoseEstimator(
        pytorch_base(), model_config=config, box_margin=1.25, inference_config=InferenceConfig(flip_test=flip_test)
    )
    return estimator.estimate_frames([picture()], [1], PersonBoxes([0], BOX)).predictions["peak"].keypoints[0, :, :2]


@pytest.mark.parametrize("flip_test", [False, True])
def test_the_spot_is_found_where_it_is(flip_test):
    np.testing.assert_allclose(found(CONFIG, flip_test), np.tile(POINT, [12, 1]), atol=0.1)


def test_without_the_offset_it_is_half_a_cell_off():
    """1.5 crop pixels, each 1.25 of the picture's: the box is as large as the crop. (The flip test hides that of x.)"""
    np.testing.assert_allclose(found(CENTERED, False), np.tile(POINT + 1.5 * 1.25, [12, 1]), atol=0.1)


@pytest.mark.slow
def test_the_export_answers_alike():
    module = PoseSignatures(PoseModel(pytorch_base(), CONFIG, "base", 1.25), InferenceConfig(flip_test=True))
    png = tf.io.encode_png(picture())
    people = module.signatures["serving_default"](image_bytes=png[None], boxes=tf.constant(BOX, tf.float32))
    np.testing.assert_allclose(people["keypoints"][0, :, :2], np.tile(POINT, [12, 1]), atol=0.1)
    # A crop that comes ready has the spot where it is seen: nobody has moved it.
    whole = tf.cast(picture()[None, 20:148, 60:156], tf.float32)
    crops = module.signatures["crops"](crops=whole)
    np.testing.assert_allclose(crops["keypoints"][0, :, :2], np.tile(POINT - [60, 20], [12, 1]), atol=0.1)


def test_training_moves_the_pixels_under_the_labels(tmp_path):
    """Also in mirrored and turned crops the spot lies 1.5 pixels before its label, along both axes."""
    cv2.imwrite(str(tmp_path / "spot.png"), picture())
    people = PoseAnnotations(
        skeleton=skeletons.BODY12,
        image_ids=np.array([1]),
        image_paths=np.array([str(tmp_path / "spot.png")]),
        image_sizes=np.array([[200, 240]]),
        crowd_index=np.array([np.nan]),
        annotation_ids=np.array([1]),
        image_index=np.array([0]),
        boxes=BOX,
        areas=np.ones(1),
        is_crowd=np.zeros(1, bool),
        keypoints=np.tile([*POINT, 2.0], [1, 12, 1]),
    )
    data_config = DataConfig(rotation_degrees=30.0)
    batches = pipeline.training_dataset(
        people, crop_size=CONFIG.crop_size, data_config=data_config, batch_size=8, seed=0, crop_offset=1.5
    )
    crops, joints = next(iter(batches))
    brightness = tf.reduce_mean(crops, axis=-1)[..., None]
    brightness /= tf.reduce_sum(brightness, axis=[1, 2], keepdims=True)
    y, x = np.mgrid[:128, :96].astype(np.float32)
    center = tf.reduce_sum(brightness * np.stack([x, y], -1), axis=[1, 2])
    labels = geometry.denormalize(joints[:, 0, :2], CONFIG.crop_size)
    np.testing.assert_allclose(center, labels - 1.5, atol=0.25)


def test_mirrored_crops_keep_the_offset():
    """Pixel p shows frame position p + 1.5, so in its mirror image it shows 9 - (p + 1.5); by hand for 10 pixels."""
    ramp = tf.tile(tf.range(10.0)[None, None, :, None], [1, 2, 1, 3]) + 1.5
    expected = [7.5, 6.5, 5.5, 4.5, 3.5, 2.5, 1.5, 1.5, 2.5, 3.5]
    np.testing.assert_array_equal(images.mirror(ramp, 1.5)[0, 0, :, 0], expected)
    np.testing.assert_array_equal(images.mirror(ramp - 3.0, -1.5)[0, 1, :7, 2], [5.5, 6.5, 7.5, 7.5, 6.5, 5.5, 4.5])
    np.testing.assert_array_equal(images.mirror(ramp), ramp[:, :, ::-1])


def test_shifted_affine():
    """Crop pixel (1, 2), moved by 0.5, takes what (1.5, 2.5) took."""
    affine = tf.constant([[2.0, -1.0, 10.0], [1.0, 2.0, 20.0]])
    point = geometry.apply_affine(geometry.shift_affine(affine, 0.5), [[1.0, 2.0]])
    np.testing.assert_allclose(point, [[2 * 1.5 - 2.5 + 10, 1.5 + 5 + 20]])


def test_an_offset_is_a_number_of_half_pixels():
    with pytest.raises(UserError, match="--crop_offset=0.3 must be a multiple of 0.5"):
        ModelConfig(crop_offset=0.3)

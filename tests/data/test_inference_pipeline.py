"""Crops for inference: order, affines, whole images in a batch, bad images."""

import dataclasses
import logging

import numpy as np
import pytest
import tensorflow as tf
from annotated_people import people_of

from opec_tf import config
from opec_tf.common.errors import UserError
from opec_tf.data import inference_pipeline, pipeline
from opec_tf.poses import geometry

SIZE = (96, 64)


def inference(data, batch_size=8, **options):
    batches = inference_pipeline.crop_dataset(
        data.image_paths,
        data.image_index,
        data.boxes,
        crop_size=SIZE,
        box_margin=1.25,
        batch_size=batch_size,
        **{"strict": False, **options},
    )
    return [tf.nest.map_structure(np.array, batch) for batch in batches]


def test_inference_crops_come_in_order_with_their_affines(coloured):
    batches = inference(coloured)
    assert [len(batch["row"]) for batch in batches] == [8, 8, 8, 8, 7]
    joined = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    np.testing.assert_array_equal(joined["row"], np.arange(39))
    np.testing.assert_array_equal(joined["crops"][:, 48, 32, 0], 10.0 * coloured.image_index)
    np.testing.assert_allclose(joined["crop_to_image"], geometry.crop_affine(coloured.boxes, SIZE, 1.25), rtol=1e-6)


def test_inference_groups_scattered_people_by_image(coloured):
    order = np.random.default_rng(0).permutation(39)
    shuffled = people_of(coloured.image_paths, coloured.keypoints[order], coloured.image_index[order], coloured.boxes)
    batches = inference(shuffled, batch_size=39)
    rows = batches[0]["row"]
    assert sorted(rows) == list(range(39)) and (np.diff(shuffled.image_index[rows]) >= 0).all()
    np.testing.assert_array_equal(batches[0]["crops"][:, 48, 32, 0], 10.0 * shuffled.image_index[rows])


def test_inference_leaves_out_rows_of_bad_images(with_bad_images):
    rows = np.concatenate([batch["row"] for batch in inference(with_bad_images)])
    lost = np.isin(with_bad_images.image_index, [2, 4])
    np.testing.assert_array_equal(rows, np.flatnonzero(~lost))


def test_inference_stops_at_a_bad_image_under_strict(with_bad_images):
    with pytest.raises(UserError, match=r"missing\.png: cannot be read"):
        inference(with_bad_images, strict=True)


def test_box_outside_its_image_gives_a_black_crop(coloured):
    outside = people_of(coloured.image_paths, coloured.keypoints[:1], [5], [[900.0, 900.0, 20.0, 20.0]])
    [batch] = inference(outside)
    np.testing.assert_array_equal(batch["crops"], 0.0)


def test_training_and_inference_cut_the_same_crops(dotted):
    plain = config.DataConfig(flip_probability=0.0, box_jitter=0.0)
    training = pipeline.training_dataset(dotted, crop_size=SIZE, data_config=plain, batch_size=1, seed=5)
    crops, _ = next(iter(training))
    [batch] = inference(dotted)
    np.testing.assert_array_equal(crops, np.round(batch["crops"]))


@pytest.fixture(scope="module")
def people(coloured):
    """Four images of ``coloured``, of 2, 3, 1 and 3 people."""
    return coloured.select_images(np.array([1, 2, 3, 5]))


@pytest.mark.parametrize(
    "batch_size, images",
    [(1, [[0], [1], [2], [3]]), (4, [[0], [1, 2], [3]]), (5, [[0, 1], [2, 3]]), (9, [[0, 1, 2, 3]])],
)
def test_whole_images_share_a_batch(people, batch_size, images):
    batches = inference(people, batch_size, whole_images=True)
    assert [sorted(set(people.image_index[batch["row"]])) for batch in batches] == images
    np.testing.assert_array_equal(np.concatenate([batch["row"] for batch in batches]), np.arange(9))
    for batch in batches:
        red = 10 * people.image_ids[people.image_index[batch["row"]]]
        np.testing.assert_array_equal(batch["crops"][:, 48, 32, 0], red)


@pytest.mark.slow
def test_an_image_left_out_moves_nobody_to_another_batch(people, tmp_path, caplog):
    """Image 0 or all of a batch is gone: the others stay where they were."""
    paths = np.array([str(tmp_path / "missing.png"), *people.image_paths[1:]])
    broken = dataclasses.replace(people, image_paths=paths)
    with caplog.at_level(logging.ERROR):
        assert [batch["row"].tolist() for batch in inference(broken, 5, whole_images=True)] == [[2, 3, 4], [5, 6, 7, 8]]
        assert [batch["row"].tolist() for batch in inference(broken, 4, whole_images=True)] == [[2, 3, 4, 5], [6, 7, 8]]
    with pytest.raises(UserError, match="missing.png: cannot be read"):
        inference(broken, 5, whole_images=True, strict=True)

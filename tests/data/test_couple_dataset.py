"""Pairs in training batches."""

import cv2
import numpy as np
import pytest
import tensorflow as tf
from annotated_people import people_of

from opec_tf import config
from opec_tf.common.errors import UserError
from opec_tf.data import pipeline
from opec_tf.poses import geometry

SIZE = (64, 48)
WILD = config.DataConfig(rotation_degrees=40.0, scale_jitter=0.2, box_jitter=0.1)
PLAIN = config.DataConfig(flip_probability=0.0, box_jitter=0.0)
# People in each image: a couple, a couple and one apart, one alone, three in a chain.
BOXES = {
    0: [[10, 10, 40, 60], [25, 5, 40, 60]],
    1: [[10, 10, 40, 60], [100, 10, 20, 30], [20, 20, 40, 60]],
    2: [[30, 30, 30, 30]],
    3: [[10, 10, 30, 60], [30, 10, 30, 60], [55, 10, 30, 60]],
}
PAIRS = [[0, 1], [2, 4], [6, 7], [7, 8]]


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Images of one grey each; everybody's joint 2 lies at the box's centre, and x of joint 5 is the person's row."""
    folder = tmp_path_factory.mktemp("people")
    paths, index = [], []
    for image, boxes in BOXES.items():
        paths.append(str(folder / f"{image}.png"))
        cv2.imwrite(paths[-1], np.full([100, 130, 3], 40 * image + 40, np.uint8))
        index += [image] * len(boxes)
    boxes = np.concatenate(list(BOXES.values())).astype(float)
    keypoints = np.zeros([len(index), 12, 3])
    keypoints[:, 2] = np.concatenate([boxes[:, :2] + boxes[:, 2:] / 2 - 0.5, np.full([len(boxes), 1], 2)], axis=1)
    keypoints[:, 5] = np.stack([np.arange(len(index)), np.zeros(len(index)), np.ones(len(index))], axis=1)
    return people_of(paths, keypoints, index, boxes)


def couples(data, data_config=PLAIN, batch_size=4, seed=0, count=8):
    batches = pipeline.couple_dataset(
        data, crop_size=SIZE, data_config=data_config, batch_size=batch_size, seed=seed
    ).take(count)
    return [tf.nest.map_structure(np.array, batch) for batch in batches]


def rows_of(inputs, joints, joint=5):
    """Rows of the people of a batch without mirroring, read off x of joint 5."""
    points = geometry.normalized_to_image(inputs["crop_to_image"], joints[:, joint : joint + 1, :2], SIZE)
    return np.round(points[:, 0, 0]).astype(int)


def test_each_pair_is_drawn_once_an_epoch(people):
    np.testing.assert_array_equal(pipeline.trainable_pairs(people, PLAIN), PAIRS)
    # Three images have pairs; an epoch is four pairs, two batches of four crops.
    drawn = np.concatenate([rows_of(*batch).reshape(-1, 2) for batch in couples(people, count=20)])
    counts = [np.sum(np.all(drawn == pair, axis=1)) for pair in PAIRS]
    assert sum(counts) == len(drawn) == 40 and min(counts) >= 8
    # Of an odd crowd region nobody is a partner, nor of people without labels.
    people.is_crowd[1] = True
    try:
        np.testing.assert_array_equal(pipeline.trainable_pairs(people, PLAIN), PAIRS[1:])
    finally:
        people.is_crowd[1] = False


def test_two_proposals_of_a_person_are_no_pair(people):
    """Persons 0 and 1 overlap, each detected twice; person 5, alone, is detected twice too."""
    rows = np.array([0, 1, 0, 1, 5, 5])
    proposed = people.select(rows)
    pairs = pipeline.trainable_pairs(proposed, PLAIN)
    np.testing.assert_array_equal(np.sort(rows[pairs], axis=1), [[0, 1]] * len(pairs))
    assert set(pairs.ravel()) == {0, 1, 2, 3}
    for inputs, joints in couples(proposed, count=4):
        np.testing.assert_array_equal(np.sort(rows_of(inputs, joints).reshape(-1, 2), axis=1), [[0, 1]] * 2)


def test_batches_are_pairs_with_their_own_affines(people):
    for inputs, joints in couples(people, batch_size=6, count=4):
        np.testing.assert_array_equal(inputs["partner"], [1, 0, 3, 2, 5, 4])
        assert inputs["partner"].dtype == np.int32 and inputs["crops"].shape == (6, *SIZE, 3)
        rows = rows_of(inputs, joints)
        expected = geometry.crop_affine(people.boxes[rows].astype(np.float32), SIZE, PLAIN.box_margin)
        np.testing.assert_allclose(inputs["crop_to_image"], expected, rtol=1e-5, atol=1e-4)
        # The centre of a crop shows its image's grey, and both crops of a pair the same image.
        np.testing.assert_array_equal(inputs["crops"][:, 32, 24, 0], 40 * people.image_index[rows] + 40)


def test_two_of_a_pair_are_mirrored_and_turned_alike_and_jittered_each(people):
    mirrored, turns, sizes = [], [], []
    for inputs, joints in couples(people, WILD, count=30):
        linear = inputs["crop_to_image"][..., :2]
        mirrored.append(np.linalg.det(linear).reshape(-1, 2) < 0)
        turns.append(np.arctan2(linear[:, 0, 1], linear[:, 1, 1]).reshape(-1, 2))
        sizes.append(np.abs(np.linalg.det(linear)).reshape(-1, 2))
        # A mirrored person's left joint 2 is labelled as the right joint 3.
        places = geometry.normalized_to_image(inputs["crop_to_image"], joints[..., :2], SIZE).numpy()
        labelled = np.where(mirrored[-1].ravel(), joints[:, 3, 2], joints[:, 2, 2])
        np.testing.assert_array_equal(labelled, 1.0)
        assert np.all(places[joints[..., 2] > 0] > -1.0)
    mirrored, turns, sizes = np.concatenate(mirrored), np.concatenate(turns), np.concatenate(sizes)
    np.testing.assert_array_equal(mirrored[:, 0], mirrored[:, 1])
    assert 0.3 < mirrored.mean() < 0.7
    np.testing.assert_allclose(turns[:, 0], turns[:, 1], atol=1e-5)
    assert turns.std() > 0.2 and np.abs(np.log(sizes[:, 0] / sizes[:, 1])).min() > 1e-4


@pytest.mark.slow
def test_a_seed_fixes_the_pairs(people):
    first, again, other = (couples(people, WILD, seed=seed, count=2) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first[1][0]["crops"], again[1][0]["crops"])
    assert not np.array_equal(first[1][0]["crop_to_image"], other[1][0]["crop_to_image"])


def test_what_cannot_be_paired_is_an_error(people):
    with pytest.raises(UserError, match="trains on pairs, so a device's 3 crops must be even"):
        couples(people, batch_size=3)
    with pytest.raises(UserError, match="no two people's boxes overlap"):
        couples(people.select(np.array([0, 3, 5])))

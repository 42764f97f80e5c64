"""Whose joints a crop is labelled with beside its person's, and where they lie under every change of the crop."""

import dataclasses

import cv2
import numpy as np
import pytest
from annotated_people import people_of

from opec_tf import config
from opec_tf.data import interference, pipeline
from opec_tf.poses import skeletons

SIZE = (96, 64)
FLIP = skeletons.BODY12.flip_order


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """Image 0: persons 0 and 1 side by side, 2 far away; image 1: person 3 alone. Joint 4 is never labelled."""
    folder, random = tmp_path_factory.mktemp("crowd"), np.random.default_rng(0)
    paths = [folder / f"{i}.png" for i in range(2)]
    for path in paths:
        cv2.imwrite(str(path), np.zeros([200, 400, 3], np.uint8))
    corners = np.array([[20.0, 30.0], [70.0, 40.0], [320.0, 30.0], [20.0, 30.0]])
    points = corners[:, None] + random.uniform(0, 1, [4, 12, 2]) * [60.0, 120.0]
    keypoints = np.concatenate([points, np.full([4, 12, 1], 2.0)], axis=-1)
    keypoints[:, 4] = 0.0
    boxes = np.concatenate([corners, np.tile([60.0, 120.0], [4, 1])], axis=1)
    return people_of(paths, keypoints, [0, 0, 0, 1], boxes)


def test_those_with_most_joints_in_the_crop_come_first(crowd):
    found = interference.others_in_crops(crowd, crowd, SIZE, 1.25)
    assert found.shape == (4, interference.OTHERS)
    np.testing.assert_array_equal(found[:, :2], [[1, 4], [0, 4], [4, 4], [4, 4]])
    # A crop of twelve boxes' size holds everybody; the far one is as much in it as the near one.
    everybody = interference.others_in_crops(crowd, crowd, SIZE, 12.0)
    assert [set(row) for row in everybody] == [{1, 2, 4}, {0, 2, 4}, {0, 1, 4}, {4}]
    one_joint = crowd.keypoints.copy()
    one_joint[1, 1:, 2] = 0.0
    fewer = people_of(crowd.image_paths, one_joint, crowd.image_index, crowd.boxes)
    np.testing.assert_array_equal(interference.others_in_crops(fewer, fewer, SIZE, 12.0)[0, :3], [2, 1, 4])


def test_a_person_with_several_proposals_is_one(crowd):
    """Rows 0 and 2 are proposals of one person, row 1 of another."""
    proposals = crowd.select(np.array([0, 1, 0]))
    found = interference.others_in_crops(proposals, crowd, SIZE, 1.25)
    np.testing.assert_array_equal(found[:, :2], [[1, 4], [0, 4], [1, 4]])


def test_who_is_not_trained_on_counts_among_the_others(crowd):
    """Of image 0 only person 0 is cropped; in a large crop there are persons 1 and 2, unless one is a crowd region."""
    proposals = crowd.select(np.array([0]))
    assert interference.others_in_crops(proposals, crowd, SIZE, 12.0)[0].tolist() == [1, 2, 4, 4]
    marked = dataclasses.replace(crowd, is_crowd=[False, True, False, False])
    assert interference.others_in_crops(proposals, marked, SIZE, 12.0)[0].tolist() == [2, 4, 4, 4]
    dataset = pipeline.training_dataset(
        proposals, crop_size=SIZE, data_config=config.DataConfig(), batch_size=4, seed=3, everybody=crowd
    )
    _, joints = next(iter(dataset))
    assert joints.shape == (4, 1 + interference.OTHERS, 12, 4)
    assert (np.sum(joints[:, 1, :, 2], axis=-1) > 0).all() and not joints[:, 2:, :, 2].numpy().any()


def test_the_strongest_are_kept(crowd):
    many = 2 + interference.OTHERS
    keypoints = np.tile(crowd.keypoints[:1], [many, 1, 1])
    for row in range(many):
        keypoints[row, : row + 5, 0] += 0.1 * row
        keypoints[row, row + 5 :, 2] = 0.0
    dense = people_of(crowd.image_paths, keypoints, np.zeros(many, int), np.tile(crowd.boxes[:1], [many, 1]))
    found = interference.others_in_crops(dense, dense, SIZE, 1.25)
    np.testing.assert_array_equal(found[0], np.arange(many - 1, 1, -1))


def image_of_crop(joints, keypoints):
    """The affine [3, 2] from image points to a crop by its own joints, whether it is mirrored, and the error."""
    fits = []
    for mirrored in (False, True):
        labels = keypoints[FLIP] if mirrored else keypoints
        known = (joints[:, 2] > 0) & (labels[:, 2] > 0)
        design = np.concatenate([labels[known, :2], np.ones([known.sum(), 1])], axis=1)
        affine = np.linalg.lstsq(design, joints[known, :2], rcond=None)[0]
        fits.append((np.abs(design @ affine - joints[known, :2]).max(), mirrored, affine))
    return min(fits, key=lambda fit: fit[0])


def test_others_joints_move_with_the_crop(crowd):
    """Where a crop's own joints went, turned, scaled and mirrored, the other's went too; outside they do not count."""
    wild = config.DataConfig(rotation_degrees=40.0, scale_jitter=0.25, box_jitter=0.1)
    dataset = pipeline.training_dataset(crowd, crop_size=SIZE, data_config=wild, batch_size=8, seed=3, everybody=crowd)
    assert dataset.element_spec[1].shape == (8, 1 + interference.OTHERS, 12, 4)
    both, outside, mirrored_crops = 0, 0, 0
    for _, joints in dataset.take(6).as_numpy_iterator():
        for own, other, *rest in joints:
            fits = [(*image_of_crop(own, keypoints), row) for row, keypoints in enumerate(crowd.keypoints)]
            error, mirrored, affine, row = min(fits, key=lambda fit: fit[0])
            assert error < 1e-4 and not np.any(np.array(rest)[..., :3])
            if row > 1:
                assert not other[:, :3].any()
                continue
            labels = crowd.keypoints[1 - row][FLIP] if mirrored else crowd.keypoints[1 - row]
            expected = labels[:, :2] @ affine[:2] + affine[2]
            counted = (labels[:, 2] > 0) & np.all(np.abs(expected) <= 1.0, axis=1)
            np.testing.assert_array_equal(other[:, 2], counted)
            np.testing.assert_allclose(other[:, :2], expected * counted[:, None], atol=1e-4)
            both, outside, mirrored_crops = both + 1, outside + np.sum(~counted), mirrored_crops + mirrored
    assert both > 15 and outside > both and 0 < mirrored_crops < both


@pytest.mark.slow
def test_labels_of_the_person_are_those_without_others(crowd):
    def labels(everybody):
        dataset = pipeline.training_dataset(
            crowd, crop_size=SIZE, data_config=config.DataConfig(), batch_size=4, seed=1, everybody=everybody
        )
        return next(iter(dataset))[1].numpy()

    np.testing.assert_array_equal(labels(crowd)[:, 0], labels(None))
    pair = pipeline.couple_dataset(
        crowd, crop_size=SIZE, data_config=config.DataConfig(), batch_size=2, seed=1, everybody=crowd
    )
    first, second = next(iter(pair))[1].numpy()
    assert first[1, :, 2].sum() > 0 and second[1, :, 2].sum() > 0

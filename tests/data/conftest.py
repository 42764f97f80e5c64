"""Pictures of people whose joints can be seen, for the tests of the input pipelines."""

import annotated_people
import cv2
import numpy as np
import pytest

from opec_tf.poses import skeletons

LEFT = np.array([joint.startswith("left") for joint in skeletons.BODY12.joints])
DOT_SIGMA = 2.5


@pytest.fixture(scope="session")
def dotted(tmp_path_factory):
    """One picture with a red dot at each left joint and a green one at each right joint of a person."""
    rows, columns = np.divmod(np.arange(12), 3)
    points = np.stack([80.0 + 47.3 * columns, 50.6 + 45.9 * rows], axis=-1)
    y, x = np.mgrid[:256, :256]
    dots = np.exp(-((x - points[:, 0, None, None]) ** 2 + (y - points[:, 1, None, None]) ** 2) / (2 * DOT_SIGMA**2))
    picture = np.stack([dots[LEFT].sum(0), dots[~LEFT].sum(0), np.zeros_like(x)], axis=-1)
    path = tmp_path_factory.mktemp("dotted") / "dots.png"
    cv2.imwrite(str(path), np.round(255 * picture[..., ::-1]))
    keypoints = np.concatenate([points, np.full([12, 1], 2.0)], axis=1)
    return annotated_people.people_of([path], keypoints[None], [0], [[70, 40, 120, 160]], [[256, 256]])


@pytest.fixture(scope="session")
def coloured(tmp_path_factory):
    """20 images, image i with i % 3 + 1 people; its red and y of everybody's joint 2 are 10 i, x of that the person."""
    folder = tmp_path_factory.mktemp("coloured")
    paths, index = [], []
    for i in range(20):
        paths.append(folder / f"{i}.png")
        cv2.imwrite(str(paths[-1]), np.full([50, 60, 3], (0, 0, 10 * i), np.uint8))
        index += [i] * (i % 3 + 1)
    keypoints = np.zeros([len(index), 12, 3])
    keypoints[:, 0] = [30.0, 25.0, 2.0]
    keypoints[:, 2] = np.stack([np.arange(len(index)), 10.0 * np.array(index), np.ones(len(index))], axis=1)
    return annotated_people.people_of(paths, keypoints, index, np.tile([20.0, 15.0, 20.0, 20.0], [len(index), 1]))


@pytest.fixture
def with_bad_images(coloured, tmp_path):
    """``coloured`` with image 2 missing and image 4 damaged in the middle."""
    return annotated_people.with_a_missing_and_a_damaged_image(coloured, tmp_path)

"""``PoseAnnotations`` of BODY12 for tests of crops, and pictures of theirs. Shared by several tests."""

import cv2
import numpy as np

from opec_tf.poses import skeletons
from opec_tf.poses.pose_annotations import PoseAnnotations


def people_of(paths, keypoints, image_index, boxes, sizes=None):
    """People in pictures at ``paths``; every person's joints are ``keypoints`` [N, 12, 3]."""
    people = len(boxes)
    return PoseAnnotations(
        skeleton=skeletons.BODY12,
        image_ids=np.arange(len(paths)),
        image_paths=np.array([str(path) for path in paths]),
        image_sizes=np.zeros([len(paths), 2]) if sizes is None else sizes,
        crowd_index=np.full(len(paths), np.nan),
        annotation_ids=np.arange(people),
        image_index=np.array(image_index),
        boxes=np.array(boxes, np.float64).reshape(-1, 4),
        areas=np.ones(people),
        keypoints=keypoints,
        is_crowd=np.zeros(people, bool),
    )


def with_a_missing_and_a_damaged_image(people, folder):
    """The same with image 2 missing and image 4 damaged in the middle, where only decoding finds it."""
    paths = people.image_paths.tolist()
    paths[2] = str(folder / "missing.png")
    noise = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
    data = bytearray(cv2.imencode(".png", noise)[1].tobytes())
    data[1000:1100] = bytes(100)
    paths[4] = str(folder / "damaged.png")
    (folder / "damaged.png").write_bytes(data)
    return people_of(paths, people.keypoints, people.image_index, people.boxes)

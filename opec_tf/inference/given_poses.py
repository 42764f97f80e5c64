"""Another system's poses, to be refined: a COCO results JSON, matched to images and mapped to the model's joints."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from opec_tf.inference import person_boxes
from opec_tf.inference.person_boxes import PersonBoxes
from opec_tf.poses import picture_names, predictions
from opec_tf.poses.skeletons import Skeleton


def read(
    path: os.PathLike[str] | str,
    image_ids: Sequence[int] | np.ndarray,
    image_names: Sequence[str],
    skeleton: Skeleton,
    *,
    image_sizes: np.ndarray | None = None,
    person_class: int | None = None,
) -> PersonBoxes:
    """Reads the poses of some images.

    Joints are mapped by name; those that the file's joint set lacks get a score of 0, as those whose score is not above
    0 or whose x or y is null or NaN, and the network then starts from its own initial pose. Scores are cut off at 1. A
    person's image is found as ``person_boxes.read`` does; the box is the file's, or the one around the joints; people
    without a box of some area are left out.

    Args:
      path: the file.
      image_ids: int [M], ids of the images.
      image_names: M file names of the images.
      skeleton: the model's joints.
      image_sizes, person_class: as ``person_boxes.read`` has them.

    Returns:
      People with scores and poses.

    Raises:
      UserError: the file is malformed, its joint set unknown, or nobody in it is in any of the images.
    """
    people = predictions.read_people(path, person_class)
    rows = picture_names.rows_of(people, image_ids, image_names)
    poses = predictions.from_people(people, image_ids=rows, to_refine=True)
    poses, _ = predictions.map_to_skeleton(poses, skeleton, path)
    found = PersonBoxes(rows, poses.boxes, poses.scores, poses=poses.keypoints)
    return person_boxes.sorted_with_area(path, found.select(rows >= 0), image_sizes)

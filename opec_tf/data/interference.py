"""Who else is in a person's crop: whose joints the joint-candidate loss asks for beside the person's own."""

from __future__ import annotations

import numpy as np

from opec_tf.poses import geometry
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.skeletons import UNLABELLED

# People beside its own that a crop is labelled with: a constant, so that shapes are. In CrowdPose's validation split a
# crop of 320 x 256 shows joints of 2.0 others on average, and of more than four in 8.5 %.
OTHERS = 4


def others_in_crops(
    owners: PoseAnnotations, everybody: PoseAnnotations, crop_size: tuple[int, int], box_margin: float
) -> np.ndarray:
    """For each person who is cropped the people of the image who have most labelled joints in the crop.

    Args:
      owners: these N people, with the boxes that are cropped; one may appear several times.
      everybody: all P people of the same images, the N among them, with the same annotation ids.
      crop_size: (height, width) of a crop, pixels.
      box_margin: see ``geometry.crop_affine``.

    Returns:
      int32 [N, OTHERS], rows of everybody, most joints first; P where there is nobody (more).
    """
    result = np.full([owners.num_people, OTHERS], everybody.num_people, np.int32)
    tables = [np.meshgrid(*rows, indexing="ij") for rows in zip(owners.rows_by_image(), everybody.rows_by_image())]
    owner, other = (np.concatenate([table[side].ravel() for table in tables]) for side in (0, 1))
    counted = (owners.annotation_ids[owner] != everybody.annotation_ids[other]) & ~everybody.is_crowd[other]
    owner, other = owner[counted], other[counted]
    affines = geometry.crop_affine(owners.boxes[owner], crop_size, box_margin)
    joints = everybody.keypoints[other]
    points = geometry.image_to_normalized(affines, joints[..., :2], crop_size).numpy()
    inside = np.sum(np.all(np.abs(points) <= 1.0, axis=-1) & (joints[..., 2] != UNLABELLED), axis=1)
    order = np.lexsort((-inside, owner))
    owner, other, inside = owner[order], other[order], inside[order]
    place = np.arange(len(owner)) - np.searchsorted(owner, owner)
    kept = (place < OTHERS) & (inside > 0)
    result[owner[kept], place[kept]] = other[kept]
    return result

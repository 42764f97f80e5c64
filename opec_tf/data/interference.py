"""Who else is in a person's crop: whose joints the joint-candidate loss asks for beside the person's own."""

import numpy as np

from opec_tf import geometry
from opec_tf.skeletons import UNLABELLED

# People beside its own that a crop is labelled with: a constant, so that shapes are. In CrowdPose's validation split a
# crop of 320 x 256 shows joints of 2.0 others on average, and of more than four in 8.5 %.
OTHERS = 4


def others_in_crops(annotations, crop_size, box_margin):
    """For each person the people of its image who have most labelled joints in its crop.

    Training proposals repeat a person; neither the person itself is counted nor another one twice.

    Args:
      annotations: ``PoseAnnotations``.
      crop_size: (height, width) of a crop, pixels.
      box_margin: see ``geometry.crop_affine``.

    Returns:
      int32 [N, OTHERS], rows, most joints first; N where there is nobody (more).
    """
    people = annotations.num_people
    result = np.full([people, OTHERS], people, np.int32)
    labels = np.concatenate([annotations.image_index[:, None], annotations.keypoints.reshape(people, -1)], axis=1)
    _, first, person = np.unique(labels, axis=0, return_index=True, return_inverse=True)
    person = person.reshape(-1)
    is_first = first[person] == np.arange(people)
    tables = [np.meshgrid(rows, rows[is_first[rows]], indexing="ij") for rows in annotations.rows_by_image()]
    owner, other = (np.concatenate([table[side].ravel() for table in tables]) for side in (0, 1))
    apart = person[owner] != person[other]
    owner, other = owner[apart], other[apart]
    affines = geometry.crop_affine(annotations.boxes[owner], crop_size, box_margin)
    joints = annotations.keypoints[other]
    points = geometry.image_to_normalized(affines, joints[..., :2], crop_size).numpy()
    inside = np.sum(np.all(np.abs(points) <= 1.0, axis=-1) & (joints[..., 2] != UNLABELLED), axis=1)
    order = np.lexsort((-inside, owner))
    owner, other, inside = owner[order], other[order], inside[order]
    place = np.arange(len(owner)) - np.searchsorted(owner, owner)
    kept = (place < OTHERS) & (inside > 0)
    result[owner[kept], place[kept]] = other[kept]
    return result

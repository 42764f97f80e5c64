"""Reader of MPII in the JSON form that HRNet and MMPose use: [{image, joints 16 x 2, joints_vis 16, center, scale}].

The official annotation is a MATLAB file of nested structs, which is not read: convert it first, or take the JSON files
of the HRNet release. Their positions keep MATLAB's count from 1, so 1 is subtracted. ``joints_vis`` says whether a
joint is labelled and not whether it is seen: labelled joints get v = 2, and all an unknown ``visibility``. The box is
the square of 200 pixels * ``scale`` around ``center``, the person's size in MPII's words; image sizes are not given.
"""

from __future__ import annotations

import os

import numpy as np

from opec_tf.common import files, records
from opec_tf.data.annotations.image_names import group_by_image
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.skeletons import MPII16, UNKNOWN, UNLABELLED, VISIBLE

_PIXELS_PER_SCALE = 200.0


def read(path: os.PathLike[str] | str, image_folder: os.PathLike[str] | str) -> PoseAnnotations:
    """Reads an MPII JSON file -> ``PoseAnnotations`` of 16 joints; ids are counted from 1, or the images' numbers."""
    people = records.Records(path, "person", files.read_json(path), "image")
    side = people.numbers("scale") * _PIXELS_PER_SCALE
    center = people.numbers("center", (2,), "x, y") - 1.0
    boxes = np.concatenate([center + 0.5 - side[:, None] / 2.0, np.stack([side, side], axis=-1)], axis=-1)
    joints = people.numbers("joints", (MPII16.num_joints, 2), "x, y of the 16 joints of mpii16") - 1.0
    labelled = people.numbers("joints_vis", (MPII16.num_joints,), "0 or 1 for the 16 joints of mpii16") != 0
    names, image_ids, image_index = group_by_image(people.texts("image"))
    visibility = np.where(labelled, VISIBLE, UNLABELLED)
    return PoseAnnotations(
        skeleton=MPII16,
        image_ids=image_ids,
        image_paths=np.array([os.path.join(image_folder, name) for name in names]),
        image_sizes=np.zeros((len(names), 2)),
        crowd_index=np.full(len(names), np.nan),
        annotation_ids=np.arange(1, len(people) + 1),
        image_index=image_index,
        boxes=boxes,
        areas=side**2,
        keypoints=np.concatenate([np.where(labelled[..., None], joints, 0.0), visibility[..., None]], axis=-1),
        is_crowd=np.zeros(len(people)),
        visibility=np.full(labelled.shape, UNKNOWN),
    )

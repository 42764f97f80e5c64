"""Reader of MPII in the JSON form that HRNet and MMPose use: [{image, joints 16 x 2, joints_vis 16, center, scale}].

The official annotation is a MATLAB file of nested structs, which is not read: convert it first, or take the JSON files
of the HRNet release. Their positions keep MATLAB's count from 1, so 1 is subtracted. ``joints_vis`` says whether a
joint is labelled and not whether it is seen: labelled joints get v = 2, and all an unknown ``visibility``. The box is
the square of 200 pixels * ``scale`` around ``center``, the person's size in MPII's words; image sizes are not given.
"""

from __future__ import annotations

import dataclasses
import os

import numpy as np

from opec_tf.common import files, records
from opec_tf.data.annotations.people_lists import listed_people
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.skeletons import MPII16, UNKNOWN, UNLABELLED, VISIBLE

_PIXELS_PER_SCALE = 200.0


def read(path: os.PathLike[str] | str, image_folder: os.PathLike[str] | str) -> PoseAnnotations:
    """Reads an MPII JSON file; ids are counted from 1, or the images' numbers."""
    people = records.Records(path, "person", files.read_json(path), "image")
    side = people.numbers("scale") * _PIXELS_PER_SCALE
    center = people.numbers("center", (2,), "x, y") - 1.0
    boxes = np.concatenate([center + 0.5 - side[:, None] / 2.0, np.stack([side, side], axis=-1)], axis=-1)
    joints = people.numbers("joints", (MPII16.num_joints, 2), "x, y of the 16 joints of mpii16") - 1.0
    labelled = people.flags("joints_vis", (MPII16.num_joints,), "0 or 1 for the 16 joints of mpii16")
    visibility = np.where(labelled, VISIBLE, UNLABELLED)
    keypoints = np.concatenate([np.where(labelled[..., None], joints, 0.0), visibility[..., None]], axis=-1)
    names = people.texts("image")
    annotations = listed_people(MPII16, names, image_folder, boxes=boxes, areas=side**2, keypoints=keypoints)
    return dataclasses.replace(annotations, visibility=np.full(labelled.shape, UNKNOWN))

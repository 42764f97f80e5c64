"""Tolerant reader of OCPose: the two list forms of the authors' release, or COCO's form; told apart by their content.

* Training list: [{img_name, pair: [{gt: 12 x 3 (x, y, flag), yolo_bbox: [left, top, right, bottom], score, dt}]}].
* Test list: [{image_id: "N.jpg", bbox: [left, top, right, bottom], keypoints: 36 numbers, score}].

The release does not describe its flags, so they are read by what they hold. Where most people have a 2 among theirs,
they are COCO's v. Else 1 is a visible joint and 0 an occluded one, which OCPose's annotators placed too; a 0 at the
position (0, 0) is unlabelled. Other values (a 2 too where most people have none) are no labels, perhaps a detector's
scores: all joints of a person who has one are unlabelled, and a warning counts these people.
"""

from __future__ import annotations

import logging
import os

import numpy as np

from opec_tf.common import files, records
from opec_tf.common.errors import UserError
from opec_tf.data.annotations import coco
from opec_tf.data.annotations.people_lists import listed_people
from opec_tf.poses.boxes import from_corners
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.skeletons import BODY12, OCCLUDED, UNLABELLED, VISIBLE


def read(path: os.PathLike[str] | str, image_folder: os.PathLike[str] | str) -> PoseAnnotations:
    """Reads OCPose in any of its forms."""
    data = files.read_json(path)
    if isinstance(data, dict):
        return coco.from_json(data, path, image_folder, BODY12)
    entries = records.Records(path, "entry", data)
    if entries.has("pair").any():
        people, fields = _people_of_pairs(entries), ("img_name", "yolo_bbox", "gt")
    elif entries.has("keypoints").any():
        people, fields = entries, ("image_id", "bbox", "keypoints")
    else:
        raise UserError(
            f"{path}: entries have neither 'pair' nor 'keypoints'; give an OCPose list or a COCO-format file"
        )
    name_field, box_field, joint_field = fields
    corners = people.numbers(box_field, (4,), "left, top, right, bottom")
    joints = people.numbers(joint_field, (3 * BODY12.num_joints,), "x, y, flag of 12 joints")
    boxes = from_corners(corners)
    return listed_people(
        BODY12,
        people.texts(name_field),
        image_folder,
        boxes=boxes,
        areas=boxes[:, 2] * boxes[:, 3],
        keypoints=_with_visibility(people, joints.reshape(-1, BODY12.num_joints, 3)),
    )


def _people_of_pairs(entries: records.Records) -> records.Records:
    """The people of the training list, each with its image's name and its joints as one flat list."""
    people = []
    for index, (name, pair) in enumerate(zip(entries.texts("img_name"), entries.values("pair"))):
        if not isinstance(pair, list) or not all(isinstance(person, dict) for person in pair):
            entries.fail(index, "'pair' is not a list of objects")
        for person in pair:
            joints = person.get("gt")
            nested = isinstance(joints, list) and all(isinstance(joint, list) for joint in joints)
            people.append({**person, "img_name": name, "gt": sum(joints, []) if nested else joints})
    return records.Records(entries.path, "person", people, "img_name")


def _with_visibility(people: records.Records, joints: np.ndarray) -> np.ndarray:
    """The joints [N, 12, 3] of ``Records`` with their flags as v (see the module's docstring)."""
    flags = joints[..., 2]
    usable = np.isin(flags, (0, 1, 2)).all(axis=1)
    has_two = usable & np.any(flags == 2, axis=1)
    if 2 * has_two.sum() > usable.sum():
        visibility, expected = flags, "0, 1 or 2"
    else:
        placed = np.any(joints[..., :2] != 0, axis=-1)
        visibility, expected = np.where(flags == 1, VISIBLE, np.where(placed, OCCLUDED, UNLABELLED)), "0 or 1"
        usable &= ~has_two
    if not usable.all():
        logging.getLogger(__name__).warning(
            "%s: %d of %d people (first: %s) have a joint whose flag is not %s; their joints count as unlabelled",
            people.path,
            np.sum(~usable),
            len(people),
            people.name(int(np.argmin(usable))),
            expected,
        )
    visibility = np.where(usable[:, None], visibility, UNLABELLED)
    return np.concatenate([joints[..., :2], visibility[..., None]], axis=-1)

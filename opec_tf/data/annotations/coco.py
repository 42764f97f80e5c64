"""Reader of COCO-format keypoint files: COCO itself, CrowdPose, and whatever is exported in their form.

The joint set follows from the names of the person category where the file lists them, else from the number of joints.
Optional: ``area`` (else the box's), ``iscrowd`` (else 0), image ``height`` and ``width`` (else 0, unknown),
CrowdPose's ``crowdIndex`` (else NaN), and ``joint_visibility`` (else by the labels), which ``PoseAnnotations.to_coco``
writes of people whose labels do not tell it, such as MPII's. ``num_keypoints`` is recounted from the joints. In a file
of generated couples, known by its ``info``, the visibility of head and neck is true too, and an unlabelled joint is
outside the picture.
"""

from __future__ import annotations

import dataclasses
import logging
import os

import numpy as np

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.common.records import Records
from opec_tf.poses import skeletons
from opec_tf.poses.pose_annotations import VISIBILITY_FIELD, PoseAnnotations, visibility_of_labels
from opec_tf.poses.skeletons import Skeleton

# What ``data.synthetic`` writes as the generator in a file's ``info``.
GENERATOR = "opec_tf synthetic couples"

# What files call a joint that has another name in skeletons.py.
_ALIASES = {"top_head": "head", "head_top": "head", "upper_neck": "neck"}


def read(path: os.PathLike[str] | str, image_folder: os.PathLike[str] | str) -> PoseAnnotations:
    """Reads a COCO-format file of any known joint set."""
    return from_json(files.read_json(path), path, image_folder)


def read_crowdpose(path: os.PathLike[str] | str, image_folder: os.PathLike[str] | str) -> PoseAnnotations:
    """Reads a CrowdPose file: COCO's form, 14 joints, crowdIndex, no areas."""
    return from_json(files.read_json(path), path, image_folder, skeletons.CROWDPOSE14)


def from_json(
    data: object, path: os.PathLike[str] | str, image_folder: os.PathLike[str] | str, skeleton: Skeleton | None = None
) -> PoseAnnotations:
    """The annotations in a parsed COCO-format file.

    Args:
      data: the parsed JSON.
      path: where it came from, for messages.
      image_folder: folder that ``file_name`` is relative to.
      skeleton: the joint set the file must have; None: any known one.

    Raises:
      UserError: the file is malformed (see the package's docstring).
    """
    content = _object(data, path)
    images = Records(path, "image", content["images"], "id")
    people = Records(path, "annotation", content["annotations"], "id")
    if skeleton is None:
        skeleton = _infer_skeleton(content.get("categories"), people)
    image_ids = images.unique_integers("id")
    boxes = people.numbers("bbox", (4,), "x, y, width, height")
    areas = people.numbers("area", default=np.nan)
    annotations = PoseAnnotations(
        skeleton=skeleton,
        image_ids=image_ids,
        image_paths=np.array([os.path.join(image_folder, name) for name in images.texts("file_name")]),
        image_sizes=np.stack([images.integers("height", default=0), images.integers("width", default=0)], axis=-1),
        crowd_index=images.numbers("crowdIndex", default=np.nan),
        annotation_ids=people.unique_integers("id"),
        image_index=_image_index(people, image_ids),
        boxes=boxes,
        areas=np.where(np.isnan(areas), np.prod(boxes[:, 2:], axis=1), areas),
        keypoints=read_keypoints(people, "keypoints", skeleton),
        is_crowd=people.integers("iscrowd", default=0),
    )
    _warn_about_counts(annotations, people)
    return _with_told_visibility(annotations, content, people)


def _with_told_visibility(annotations: PoseAnnotations, content: dict, people: Records) -> PoseAnnotations:
    """The annotations with what the file says of visibility beyond the labels, where it does."""
    info = content.get("info")
    if isinstance(info, dict) and info.get("generator") == GENERATOR:
        return dataclasses.replace(annotations, visibility=visibility_of_labels(annotations.keypoints))
    if people.has(VISIBILITY_FIELD).any():
        return dataclasses.replace(annotations, visibility=_told_visibility(people, annotations.visibility))
    return annotations


def read_keypoints(people: Records, field: str, skeleton: Skeleton) -> np.ndarray:
    """The joints of ``Records``: float64 [N, K, 3], (x, y, v); checks their number and that v is 0, 1 or 2."""
    count = skeleton.num_joints
    keypoints = people.numbers(field, (3 * count,), f"x, y, v of the {count} joints of {skeleton.name}").reshape(
        -1, count, 3
    )
    faulty = ~np.isin(keypoints[..., 2], (skeletons.UNLABELLED, skeletons.OCCLUDED, skeletons.VISIBLE)).all(axis=1)
    if faulty.any():
        people.fail(int(np.argmax(faulty)), f"{field!r} has a visibility v other than 0, 1 or 2")
    return keypoints


def _told_visibility(people: Records, labelled: np.ndarray) -> np.ndarray:
    """What the field for it says of a person's joints, else what the labels do; int [N, K]."""
    known, visibility = (*skeletons.VISIBILITY_CLASSES, None), labelled.copy()
    for row in np.flatnonzero(people.has(VISIBILITY_FIELD)):
        names = people.items[row][VISIBILITY_FIELD]
        if not isinstance(names, list) or len(names) != visibility.shape[1] or any(name not in known for name in names):
            expected = f"{visibility.shape[1]} of {', '.join(skeletons.VISIBILITY_CLASSES)} or null"
            people.fail(row, f"{VISIBILITY_FIELD!r} is not a list of {expected}")
        visibility[row] = [skeletons.UNKNOWN if name is None else known.index(name) for name in names]
    return visibility


def _object(data: object, path: os.PathLike[str] | str) -> dict:
    """The parsed JSON, which must be an object that has images and annotations."""
    if not isinstance(data, dict):
        kind = "list" if isinstance(data, list) else "single value"
        raise UserError(
            f"{path}: is a JSON {kind}, expected an object with 'images' and 'annotations'; give an annotation file, "
            "not a results file"
        )
    for section in ("images", "annotations"):
        if section not in data:
            raise UserError(f"{path}: has no '{section}'; give a COCO-format annotation file")
    return data


def _infer_skeleton(categories: object, people: Records) -> Skeleton:
    """The joint set that the first category names, or else the only one with as many joints as the first person."""
    names = None
    if isinstance(categories, list) and categories and isinstance(categories[0], dict):
        names = categories[0].get("keypoints")
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        joints = tuple(_ALIASES.get(name, name) for name in (name.lower().replace(" ", "_") for name in names))
        known = [skeleton for skeleton in skeletons.SKELETONS.values() if skeleton.joints == joints]
        if not known:
            raise UserError(
                f"{people.path}: the category's joints ({', '.join(names)}) are none of the known joint sets "
                f"{', '.join(skeletons.SKELETONS)}; reorder them to one of these"
            )
        return known[0]
    first = people.values("keypoints")[0]
    values = len(first) if isinstance(first, list) else 0
    skeleton = None if values % 3 else skeletons.with_num_joints(values // 3)
    if skeleton is None:
        people.fail(0, f"'keypoints' has {values or 'no list of'} values, expected x, y, v for 12, 14, 16 or 17 joints")
    return skeleton


def _image_index(people: Records, image_ids: np.ndarray) -> np.ndarray:
    """Row of each person's image; int [N]."""
    wanted = people.integers("image_id")
    order = np.argsort(image_ids)
    position = np.minimum(np.searchsorted(image_ids, wanted, sorter=order), len(image_ids) - 1)
    index = order[position]
    lost = image_ids[index] != wanted
    if lost.any():
        first = int(np.argmax(lost))
        fault = f"'image_id' {wanted[first]} is not among the images"
        people.fail(first, fault, "add the image or remove the annotation")
    return index


def _warn_about_counts(annotations: PoseAnnotations, people: Records) -> None:
    """num_keypoints decides which people are scored; a file that disagrees with its own joints should be known."""
    counts = people.integers("num_keypoints", default=-1)
    wrong = (counts >= 0) & ((counts == 0) != (annotations.num_keypoints == 0))
    if wrong.any():
        logging.getLogger(__name__).warning(
            "%s: %d people (first: annotation %d) have a 'num_keypoints' that contradicts their joints; these decide",
            people.path,
            wrong.sum(),
            annotations.annotation_ids[np.argmax(wrong)],
        )

"""Reader of COCO-format keypoint files: COCO itself, CrowdPose, and whatever is exported in their form.

People are the annotations of the category that is named person (``categories``). Their joint set follows from the names
that it lists, else from the number of joints; ``keypoints`` of [] are unlabelled. Optional: ``bbox`` (else that around
the labelled joints, with a warning), ``area`` (else, or of 0, the box's, with a warning), ``iscrowd`` (else 0; true or
false will do), image ``height`` and ``width`` (else 0, unknown),
CrowdPose's ``crowdIndex`` (else NaN), and ``joint_visibility`` (else by the labels), which ``PoseAnnotations.to_coco``
writes of people whose labels do not tell it, such as MPII's; and ``hidden_by``, who hides each joint (else unknown),
of generated and pasted pairs. ``num_keypoints`` is recounted from the joints. In a file
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
from opec_tf.data.annotations import categories
from opec_tf.poses import predictions, skeletons
from opec_tf.poses.boxes import check as check_boxes
from opec_tf.poses.pose_annotations import HIDER_FIELD, VISIBILITY_FIELD, PoseAnnotations, visibility_of_labels
from opec_tf.poses.skeletons import Skeleton

# What ``data.synthetic`` writes as the generator in a file's ``info``.
GENERATOR = "opec_tf synthetic couples"


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
    people, names = categories.people_of(
        content.get("categories"), Records(path, "annotation", content["annotations"], "id")
    )
    expected, skeleton = skeleton, categories.skeleton_of(names, people, skeleton)
    image_ids = images.unique_integers("id")
    image_index = _image_index(people, image_ids)
    image_sizes = np.stack([images.integers("height", default=0), images.integers("width", default=0)], axis=-1)
    keypoints = read_keypoints(people, "keypoints", skeleton)
    boxes = _boxes(people, keypoints)
    check_boxes(path, boxes, image_sizes[image_index])
    annotations = PoseAnnotations(
        skeleton=skeleton,
        image_ids=image_ids,
        image_paths=np.array([os.path.join(image_folder, name) for name in images.texts("file_name")]),
        image_sizes=image_sizes,
        crowd_index=images.numbers("crowdIndex", default=np.nan),
        annotation_ids=people.unique_integers("id"),
        image_index=image_index,
        boxes=boxes,
        # Only COCO's protocol takes a person's own area; files of CrowdPose have none.
        areas=_areas(people, boxes, is_missed=expected is None and skeleton == skeletons.COCO17),
        keypoints=keypoints,
        is_crowd=people.flags("iscrowd", default=0),
    )
    _warn_about_counts(annotations, people)
    return dataclasses.replace(_with_told_visibility(annotations, content, people), hidden_by=_hiders(people, skeleton))


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
    if any(item.get(field) == [] for item in people.items):  # a frame of a track in which nothing is labelled
        empty = {field: [0] * (3 * count)}
        people = people.with_items([{**item, **empty} if item.get(field) == [] else item for item in people.items])
    keypoints = people.numbers(field, (3 * count,), f"x, y, v of the {count} joints of {skeleton.name}").reshape(
        -1, count, 3
    )
    faulty = ~np.isin(keypoints[..., 2], (skeletons.UNLABELLED, skeletons.OCCLUDED, skeletons.VISIBLE)).all(axis=1)
    if faulty.any():
        people.fail(int(np.argmax(faulty)), f"{field!r} has a visibility v other than 0, 1 or 2")
    return keypoints


def _boxes(people: Records, keypoints: np.ndarray) -> np.ndarray:
    """The boxes, float64 [N, 4]; whose is missing gets that around the labelled joints, with a counted warning."""
    missing = ~people.has("bbox") & np.any(keypoints[..., 2] != skeletons.UNLABELLED, axis=1)
    if missing.any():
        around = predictions.joint_boxes(keypoints, scored_only=True).tolist()
        items = [{**item, "bbox": box} if lacks else item for item, lacks, box in zip(people.items, missing, around)]
        _warn(people, missing, "have no 'bbox'; the box around their labelled joints is taken")
        people = people.with_items(items)
    return people.numbers("bbox", (4,), "x, y, width, height")


def _areas(people: Records, boxes: np.ndarray, is_missed: bool) -> np.ndarray:
    """The areas, float64 [N]; where there is none, or 0, the box's. A warning counts the latter, or both."""
    areas = people.numbers("area", default=np.nan)
    none = ~(areas > 0)
    counted = none & (is_missed | ~np.isnan(areas))
    if counted.any():
        _warn(people, counted, "have no 'area', or one of 0; the area of their box is taken")
    return np.where(none, np.prod(boxes[:, 2:], axis=1), areas)


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


def _hiders(people: Records, skeleton: Skeleton) -> np.ndarray:
    """What the field for it says of who hides a person's joints, else unknown; int [N, K]."""
    known = (*range(len(skeletons.HIDERS)), skeletons.UNKNOWN)
    hidden_by = np.full((len(people), skeleton.num_joints), skeletons.UNKNOWN)
    for row in np.flatnonzero(people.has(HIDER_FIELD)):
        codes = people.items[row][HIDER_FIELD]
        is_list = isinstance(codes, list) and len(codes) == skeleton.num_joints
        if not is_list or any(type(code) is not int or code not in known for code in codes):
            meanings = ", ".join(f"{code} {name}" for code, name in enumerate(skeletons.HIDERS))
            people.fail(row, f"{HIDER_FIELD!r} is not a list of {skeleton.num_joints} of -1 unknown, {meanings}")
        hidden_by[row] = codes
    return hidden_by


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
        _warn(people, wrong, "have a 'num_keypoints' that contradicts their joints; these decide")


def _warn(people: Records, counted: np.ndarray, what: str) -> None:
    """One line that counts people, bool [N], of whom at least one, and names the first."""
    logging.getLogger(__name__).warning(
        "%s: %d people (first: %s) %s", people.path, counted.sum(), people.name(int(np.argmax(counted))), what
    )

"""Reader of OCHuman: the native file (ochuman.json) or its COCO-format export, told apart by their content.

The native file is read as the authors' exporter (OCHumanApi, toCocoFormart) reads it, so that people, ids and scores
are those of the official COCO-format files: only people with joints and a mask, only images with such a person, ids
counted from 1; visible and self-occluded joints are visible, joints occluded by another are occluded; the area is the
box's. Head and neck of its 19 joints are not among COCO's 17.
"""

from __future__ import annotations

import itertools
import os
from typing import Any

import numpy as np

from opec_tf.common import files, records
from opec_tf.common.errors import UserError
from opec_tf.data.annotations import coco
from opec_tf.poses import skeletons
from opec_tf.poses.boxes import from_corners
from opec_tf.poses.pose_annotations import PoseAnnotations

VALIDATION_IMAGES = 2500  # the first images are the validation split, all others the test split

# Native visibility (missing, visible, self-occluded, occluded by another) -> ours.
_VISIBILITY = np.array([skeletons.UNLABELLED, skeletons.VISIBLE, skeletons.VISIBLE, skeletons.OCCLUDED])


def read(path: os.PathLike[str] | str, image_folder: os.PathLike[str] | str) -> PoseAnnotations:
    """Reads OCHuman in either form, with COCO's joints."""
    data = files.read_json(path)
    if not isinstance(data, dict) or "keypoint_names" not in data:
        return coco.from_json(data, path, image_folder, skeletons.COCO17)
    order = _joint_order(data["keypoint_names"], path)
    if "images" not in data:
        raise UserError(f"{path}: has no 'images'; give the ochuman.json of the release")
    images = records.Records(path, "image", data["images"], "image_id")
    people_of_image = [
        _labelled_people(images, index, people) for index, people in enumerate(images.values("annotations"))
    ]
    kept = [index for index, people in enumerate(people_of_image) if people]
    people = records.Records(path, "annotation", list(itertools.chain.from_iterable(people_of_image)), "file_name")
    corners = people.numbers("bbox", (4,), "left, top, right, bottom")
    boxes = from_corners(corners)
    sizes = np.stack([images.integers("height", default=0), images.integers("width", default=0)], axis=-1)
    names = images.texts("file_name")
    return PoseAnnotations(
        skeleton=skeletons.COCO17,
        image_ids=np.arange(1, len(kept) + 1),
        image_paths=np.array([os.path.join(image_folder, names[index]) for index in kept]),
        image_sizes=sizes[kept],
        crowd_index=np.full(len(kept), np.nan),
        annotation_ids=np.arange(1, len(people) + 1),
        image_index=np.repeat(np.arange(len(kept)), [len(people_of_image[index]) for index in kept]),
        boxes=boxes,
        areas=boxes[:, 2] * boxes[:, 3],
        keypoints=_keypoints(people, len(data["keypoint_names"]), order),
        is_crowd=np.zeros(len(people)),
    )


def split(annotations: PoseAnnotations) -> dict[str, PoseAnnotations]:
    """The whole data set as its two splits, "val" and "test", with ids counted from 1 as in the official files.

    Raises:
      UserError: there are no more images than the validation split has, so this is not the whole data set.
    """
    if annotations.num_images <= VALIDATION_IMAGES:
        raise UserError(
            f"OCHuman has {VALIDATION_IMAGES} validation images and others for testing, but the file has "
            f"{annotations.num_images} images with labelled people; give the ochuman.json of the release"
        )
    validation = np.arange(annotations.num_images) < VALIDATION_IMAGES
    return {
        "val": annotations.select_images(validation).with_new_ids(),
        "test": annotations.select_images(~validation).with_new_ids(),
    }


def _joint_order(names: object, path: os.PathLike[str] | str) -> list[int]:
    """Index of each of COCO's joints among the file's names."""
    texts = names if isinstance(names, list) else []
    index = {skeletons.joint_name(name): i for i, name in enumerate(texts) if isinstance(name, str)}
    lacking = [joint for joint in skeletons.COCO17.joints if joint not in index]
    if lacking:
        raise UserError(f"{path}: 'keypoint_names' lacks {', '.join(lacking)}; give the ochuman.json of the release")
    return [index[joint] for joint in skeletons.COCO17.joints]


def _labelled_people(images: records.Records, index: int, people: Any) -> list[dict]:
    """The people of one image that the official export keeps."""
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        images.fail(index, "'annotations' is not a list of objects")
    name = images.items[index].get("file_name")
    return [{**person, "file_name": name} for person in people if person.get("keypoints") and person.get("segms", True)]


def _keypoints(people: records.Records, count: int, order: list[int]) -> np.ndarray:
    """The people's joints as COCO has them: float64 [N, 17, 3]."""
    keypoints = people.numbers("keypoints", (3 * count,), f"x, y, v of {count} joints").reshape(-1, count, 3)[:, order]
    faulty = ~np.isin(keypoints[..., 2], np.arange(len(_VISIBILITY))).all(axis=1)
    if faulty.any():
        people.fail(int(np.argmax(faulty)), "'keypoints' has a visibility other than 0, 1, 2 or 3")
    keypoints[..., 2] = _VISIBILITY[keypoints[..., 2].astype(np.int64)]
    return keypoints

"""The people of a COCO-format file with masks: who can be cut out, who can stand behind, and how large they are."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib

import numpy as np

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.data.annotations import coco
from opec_tf.data.pasted import masks
from opec_tf.poses import skeletons
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.skeletons import Skeleton

# Of the longer side of a box, pixels, and of labelled joints within the picture.
_MIN_SIDE, _MIN_JOINTS = 80, 8
# What a limb's length is of a person's height (Drillis and Contini 1966, from joint to joint).
_SHARES_OF_HEIGHT = {
    ("shoulder", "hip"): 0.29,
    ("hip", "knee"): 0.245,
    ("knee", "ankle"): 0.246,
    ("shoulder", "elbow"): 0.186,
    ("elbow", "wrist"): 0.146,
}
# How wide limbs are, clothes included, of a person's height, and how much of a mask may be none.
_LIMB_WIDTH, _MAX_EXCESS = 0.24, 0.12


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """A file's people.

    Attributes:
      path: the file.
      digest: SHA-1 of its content.
      people: all N of them.
      segmentations: N; None for who has none.
      heights: float64 [N], see ``body_heights``.
      can_stand_behind: bool [N], who is large enough and has enough joints, in a picture without crowd regions, whose
        people nobody labelled one by one.
      may_be_cut_out: bool [N], who is large enough, has enough joints, a knee and an ankle among them, and a mask;
        whether that is whole is for ``can_be_cut_out`` to say.
    """

    path: pathlib.Path
    digest: str
    people: PoseAnnotations
    segmentations: list[masks.Segmentation | None]
    heights: np.ndarray
    can_stand_behind: np.ndarray
    may_be_cut_out: np.ndarray

    def mask(self, row: int) -> np.ndarray:
        """The mask of a person who has one, over its picture, uint8 [h, w].

        Raises:
          UserError: it is malformed.
        """
        segmentation = self.segmentations[row]
        assert segmentation is not None
        height, width = self.people.image_sizes[self.people.image_index[row]].tolist()
        name = f"{self.path}: annotation {self.people.annotation_ids[row]}"
        return masks.decode(segmentation, height, width, name)

    def can_be_cut_out(self, row: int) -> bool:
        """Whether a person may be cut out, is whole in the mask (``masks.is_whole``) and alone in it."""
        if not self.may_be_cut_out[row]:
            return False
        mask, joints = self.mask(row), self.people.keypoints[row]
        labelled, edges = joints[:, 2] != skeletons.UNLABELLED, self.people.skeleton.edges
        limbs = joints[edges[labelled[edges].all(axis=1)], :2]
        is_alone = masks.excess(mask, limbs, _LIMB_WIDTH * self.heights[row]) <= _MAX_EXCESS
        return is_alone and masks.is_whole(mask, joints[labelled, :2])


def read(path: os.PathLike[str] | str, image_folder: os.PathLike[str] | str) -> Source:
    """Reads a COCO-format file.

    Raises:
      UserError: it has no joints, no masks, or images without a size, or is malformed.
    """
    path = pathlib.Path(path)
    data = files.read_json(path)
    _check_joints(data, path)
    people = coco.from_json(data, path, image_folder)
    sizes_known = (people.image_sizes > 0).all(axis=1)
    if not sizes_known.all():
        image = people.image_ids[int(np.argmin(sizes_known))]
        raise UserError(f"{path}: image {image}: has no 'height' and 'width'; add them, masks need them")
    by_id = {annotation.get("id"): annotation.get("segmentation") or None for annotation in data["annotations"]}
    segmentations = [by_id[annotation_id] for annotation_id in people.annotation_ids.tolist()]
    if not any(segmentations):
        raise UserError(f"{path}: no annotation has a 'segmentation'; give a file with masks, such as COCO's own")
    heights = body_heights(people.keypoints, people.skeleton)
    large, masked = _is_large(people, heights), np.array([segmentation is not None for segmentation in segmentations])
    return Source(
        path=path,
        digest=hashlib.sha1(path.read_bytes()).hexdigest(),
        people=people,
        segmentations=segmentations,
        heights=heights,
        can_stand_behind=large & ~_in_crowd_pictures(people),
        may_be_cut_out=large & masked & _has(people, "knee") & _has(people, "ankle"),
    )


def body_heights(keypoints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """How tall people would stand, in pixels, from the lengths of their limbs; float64 [N], NaN with fewer than three.

    A limb's length over its share of a person's height is an estimate of it. The third largest counts: that a limb
    points at the camera only shortens it, and one joint that is labelled wrongly lengthens two at most.

    Args:
      keypoints: [N, K, 3], (x, y, v).
      skeleton: the joint set.
    """
    estimates = []
    for (first, second), share in _SHARES_OF_HEIGHT.items():
        for side in ("left", "right"):
            ends = [skeleton.joints.index(f"{side}_{part}") for part in (first, second)]
            limb = keypoints[:, ends]
            length = np.linalg.norm(limb[:, 0, :2] - limb[:, 1, :2], axis=-1)
            labelled = (limb[..., 2] != skeletons.UNLABELLED).all(axis=1)
            estimates.append(np.where(labelled, length / share, -1.0))
    third = np.sort(estimates, axis=0)[-3]
    return np.where(third > 0, third, np.nan)


def _check_joints(data: object, path: pathlib.Path) -> None:
    """A file of masks alone, such as COCO's instances, has no joints in any annotation."""
    annotations = data.get("annotations") if isinstance(data, dict) else None
    if isinstance(annotations, list) and annotations:
        if not any(isinstance(annotation, dict) and annotation.get("keypoints") for annotation in annotations):
            raise UserError(
                f"{path}: no annotation has 'keypoints'; give a file with joints and masks, such as COCO's "
                "person_keypoints_train2017.json"
            )


def _is_large(people: PoseAnnotations, heights: np.ndarray) -> np.ndarray:
    """Who has enough pixels and joints to be one of a pair; bool [N]."""
    height_width = people.image_sizes[people.image_index].astype(np.float64)
    points = people.keypoints[..., :2]
    inside = ((points >= -0.5) & (points <= height_width[:, None, ::-1] - 0.5)).all(axis=-1)
    joints = np.sum(inside & (people.keypoints[..., 2] != skeletons.UNLABELLED), axis=1)
    large = (people.boxes[:, 2:].max(axis=1) >= _MIN_SIDE) & (joints >= _MIN_JOINTS)
    return large & people.has_usable_box & ~people.is_crowd & np.isfinite(heights)


def _has(people: PoseAnnotations, part: str) -> np.ndarray:
    """Who has a part of the body labelled on one side at least; without legs the cut-out is half a person. bool [N]."""
    sides = [people.skeleton.joints.index(f"{side}_{part}") for side in ("left", "right")]
    return (people.keypoints[:, sides, 2] != skeletons.UNLABELLED).any(axis=1)


def _in_crowd_pictures(people: PoseAnnotations) -> np.ndarray:
    """Who is in a picture that has a crowd region; bool [N]."""
    return np.isin(people.image_index, people.image_index[people.is_crowd])

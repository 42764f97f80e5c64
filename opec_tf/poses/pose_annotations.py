"""The in-memory form of every pose data set: a struct of arrays."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

import numpy as np

from opec_tf.common import records
from opec_tf.poses import skeletons
from opec_tf.poses.skeletons import Skeleton

# CrowdPose's num_keypoints leaves these out, and every label of them carries v = 1 there.
_UNCOUNTED_JOINTS = ("head", "neck")

# What is known of a person's joints beyond v, in our own COCO-format files: for each a name of
# skeletons.VISIBILITY_CLASSES, or null. Other readers pass over it.
VISIBILITY_FIELD = "joint_visibility"
# Who hides each joint, where it is known: for each an index into skeletons.HIDERS, or UNKNOWN.
HIDER_FIELD = "hidden_by"

_OUTSIDE = skeletons.VISIBILITY_CLASSES.index("outside")

_NAME_OF_CLASS = {skeletons.UNKNOWN: None, **dict(enumerate(skeletons.VISIBILITY_CLASSES))}

# Stands for a column that is not given.
_NOT_GIVEN = np.zeros((0, 0), np.int8)

_DTYPES = {
    "image_ids": np.int64,
    "image_paths": str,
    "image_sizes": np.int32,
    "crowd_index": np.float64,
    "annotation_ids": np.int64,
    "image_index": np.int32,
    "boxes": np.float64,
    "areas": np.float64,
    "keypoints": np.float64,
    "is_crowd": bool,
    "visibility": np.int8,
    "hidden_by": np.int8,
}


@dataclasses.dataclass(frozen=True, eq=False)
class PoseAnnotations:
    """People and their joints in M images: N persons of K joints. Coordinates are image pixels (geometry.py).

    Numbers are float64: evaluation must see the file's own decimals to agree with the published tools, and a file that
    is read and written again keeps them. Arrays are cast to the types below when the object is made.

    Attributes:
      skeleton: the joint set; its order is the order of the K axis.
      image_ids: int64 [M].
      image_paths: text [M], full paths.
      image_sizes: int32 [M, 2], (height, width); 0 where the file does not say.
      crowd_index: float64 [M], CrowdPose's crowdIndex; NaN where the file does not say.
      annotation_ids: int64 [N], who it is; of several training proposals of one person the same.
      image_index: int32 [N], row of the image each person is in.
      boxes: float64 [N, 4], (x, y, w, h).
      areas: float64 [N], pixels^2, for OKS: what the file says, the box's area where it says nothing.
      keypoints: float64 [N, K, 3], (x, y, v), v one of skeletons.UNLABELLED, OCCLUDED, VISIBLE.
      is_crowd: bool [N], a region of many people rather than a person.
      given_poses: float64 [N, K, 3], (x, y, score), what another system takes each person's pose for; None where
        nobody was asked.
      visibility: int8 [N, K], index into skeletons.VISIBILITY_CLASSES or UNKNOWN. If not given, what the labels say:
        visible, occluded or, for a joint labelled beyond its image, outside; unlabelled joints, head and neck are
        unknown. Readers that know more or less give it.
      hidden_by: int8 [N, K], index into skeletons.HIDERS or UNKNOWN, which all are if not given.
    """

    skeleton: Skeleton
    image_ids: np.ndarray
    image_paths: np.ndarray
    image_sizes: np.ndarray
    crowd_index: np.ndarray
    annotation_ids: np.ndarray
    image_index: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    keypoints: np.ndarray
    is_crowd: np.ndarray
    given_poses: np.ndarray | None = None
    visibility: np.ndarray = dataclasses.field(default_factory=lambda: _NOT_GIVEN)
    hidden_by: np.ndarray = dataclasses.field(default_factory=lambda: _NOT_GIVEN)

    def __post_init__(self) -> None:
        if self.visibility is _NOT_GIVEN:
            object.__setattr__(self, "visibility", self._labelled_visibility())
        if self.hidden_by is _NOT_GIVEN:
            object.__setattr__(self, "hidden_by", np.full(np.shape(self.visibility), skeletons.UNKNOWN))
        for name, dtype in _DTYPES.items():
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype))
        images, people = self.num_images, self.num_people
        shapes = {
            "image_paths": (images,),
            "image_sizes": (images, 2),
            "crowd_index": (images,),
            "image_index": (people,),
            "boxes": (people, 4),
            "areas": (people,),
            "keypoints": (people, self.skeleton.num_joints, 3),
            "is_crowd": (people,),
            "visibility": (people, self.skeleton.num_joints),
            "hidden_by": (people, self.skeleton.num_joints),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, expected {shape}")

    @property
    def num_images(self) -> int:
        return len(self.image_ids)

    @property
    def num_people(self) -> int:
        return len(self.annotation_ids)

    @property
    def num_keypoints(self) -> np.ndarray:
        """Labelled joints of each person as CrowdPose counts them, without head and neck; int64 [N].

        For COCO's joints, which have neither, this is COCO's num_keypoints. People with none are ignored in evaluation.
        """
        counted = np.array([joint not in _UNCOUNTED_JOINTS for joint in self.skeleton.joints])
        return np.count_nonzero(self.keypoints[:, counted, 2] != skeletons.UNLABELLED, axis=1)

    @property
    def has_usable_box(self) -> np.ndarray:
        """Whether a person can be cropped: its box has area and meets the image (where its size is known); bool [N]."""
        low, high = self.boxes[:, :2], self.boxes[:, :2] + self.boxes[:, 2:]
        height_width = self.image_sizes[self.image_index].astype(np.float64)
        size = np.where(height_width > 0, height_width, np.inf)[:, ::-1]
        return np.all((self.boxes[:, 2:] > 0) & (low < size) & (high > 0), axis=1)

    @property
    def is_scoreable(self) -> np.ndarray:
        """Whose annotated box is cropped: people with a usable box and a labelled joint, no crowd regions; bool [N]."""
        return self.has_usable_box & ~self.is_crowd & (self.num_keypoints > 0)

    def rows_by_image(self) -> list[np.ndarray]:
        """The rows of the people of each image: a list of M int arrays."""
        return records.split_by_group(self.image_index, self.num_images)

    def with_skeleton(self, skeleton: Skeleton) -> PoseAnnotations:
        """The same people in another joint set; joints it has and this one lacks are unlabelled and unknown."""
        if skeleton == self.skeleton:
            return self
        source = skeleton.mapping_from(self.skeleton)
        keypoints = np.where(source[None, :, None] >= 0, self.keypoints[:, source], 0.0)
        known = {
            name: np.where(source >= 0, getattr(self, name)[:, source], skeletons.UNKNOWN)
            for name in ("visibility", "hidden_by")
        }
        return dataclasses.replace(self, skeleton=skeleton, keypoints=keypoints, **known)

    def select(self, people: np.ndarray) -> PoseAnnotations:
        """The given people (bool mask [N] or indices); all images are kept."""
        names = ("annotation_ids", "image_index", "boxes", "areas", "keypoints", "is_crowd", "visibility", "hidden_by")
        given = None if self.given_poses is None else self.given_poses[people]
        return dataclasses.replace(self, given_poses=given, **{name: getattr(self, name)[people] for name in names})

    def select_images(self, images: np.ndarray) -> PoseAnnotations:
        """The given images (bool mask [M] or indices) and the people in them."""
        row = np.full(self.num_images, -1)
        rows = np.arange(self.num_images)[images]
        row[rows] = np.arange(len(rows))
        part = self.select(row[self.image_index] >= 0)
        names = ("image_ids", "image_paths", "image_sizes", "crowd_index")
        columns = {name: getattr(self, name)[rows] for name in names}
        return dataclasses.replace(part, image_index=row[part.image_index], **columns)

    def with_new_ids(self) -> PoseAnnotations:
        """The same with image and annotation ids counted from 1."""
        image_ids, annotation_ids = np.arange(1, self.num_images + 1), np.arange(1, self.num_people + 1)
        return dataclasses.replace(self, image_ids=image_ids, annotation_ids=annotation_ids)

    def to_coco(self, image_root: os.PathLike[str] | str | None = None) -> dict[str, list[dict]]:
        """The annotations as a COCO-format JSON object, with CrowdPose's crowdIndex where it is known.

        People whose visibility is not what their labels say have a field for it, and so have those of whom it is known
        who hides a joint; ``coco.read`` reads both.

        Args:
          image_root: folder that ``file_name`` is relative to; None: full paths (any reader that joins a folder and an
            absolute path gets the absolute path).
        """
        paths = self.image_paths.tolist()
        if image_root is not None:
            paths = [os.path.relpath(path, image_root) for path in paths]
        images = []
        for row, path in enumerate(paths):
            image = {"id": int(self.image_ids[row]), "file_name": path}
            if self.image_sizes[row].all():
                image["height"], image["width"] = self.image_sizes[row].tolist()
            if not np.isnan(self.crowd_index[row]):
                image["crowdIndex"] = float(self.crowd_index[row])
            images.append(image)
        category = {
            "id": 1,
            "name": "person",
            "supercategory": "person",
            "keypoints": list(self.skeleton.joints),
            "skeleton": (self.skeleton.edges + 1).tolist(),  # COCO counts joints from 1
        }
        return {"images": images, "annotations": self._coco_people(), "categories": [category]}

    def _labelled_visibility(self) -> np.ndarray:
        """``visibility`` as the labels have it."""
        keypoints = np.asarray(self.keypoints, np.float64)
        height_width = np.asarray(self.image_sizes, np.float64)[np.asarray(self.image_index, np.int32)]
        size = np.where(height_width > 0, height_width, np.inf)[:, None, ::-1]
        inside = np.all((keypoints[..., :2] >= -0.5) & (keypoints[..., :2] <= size - 0.5), axis=-1)
        known = (keypoints[..., 2] != skeletons.UNLABELLED) & self.skeleton.has_visibility
        classes = np.where(inside, visibility_of_labels(keypoints), _OUTSIDE)
        return np.where(known, classes, skeletons.UNKNOWN)

    def _coco_people(self) -> list[dict]:
        columns = zip(
            self.annotation_ids.tolist(),
            self.image_ids[self.image_index].tolist(),
            self.boxes.tolist(),
            self.areas.tolist(),
            self.keypoints.tolist(),
            self.num_keypoints.tolist(),
            self.is_crowd.tolist(),
        )
        people = [
            {
                "id": annotation_id,
                "image_id": image_id,
                "category_id": 1,
                "bbox": box,
                "area": area,
                "keypoints": [number for x, y, v in joints for number in (x, y, int(v))],
                "num_keypoints": count,
                "iscrowd": int(crowd),
            }
            for annotation_id, image_id, box, area, joints, count, crowd in columns
        ]
        for row in np.flatnonzero(np.any(self.visibility != self._labelled_visibility(), axis=1)):
            people[row][VISIBILITY_FIELD] = [_NAME_OF_CLASS[known] for known in self.visibility[row].tolist()]
        for row in np.flatnonzero(np.any(self.hidden_by != skeletons.UNKNOWN, axis=1)):
            people[row][HIDER_FIELD] = self.hidden_by[row].tolist()
        return people


def visibility_of_labels(keypoints: np.ndarray) -> np.ndarray:
    """[N, K, 3] (x, y, v) -> index into skeletons.VISIBILITY_CLASSES, int [N, K]; an unlabelled joint is outside."""
    return skeletons.VISIBLE - keypoints[..., 2].astype(int)


def concatenate(parts: Sequence[PoseAnnotations]) -> PoseAnnotations:
    """Joins data sets of one skeleton. Several get new ids, counted from 1; a single one is returned as it is."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if any(part.skeleton != first.skeleton for part in parts):
        raise ValueError("data sets of different skeletons cannot be joined; map them with with_skeleton first")
    starts = np.cumsum([0] + [part.num_images for part in parts[:-1]])
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _DTYPES}
    columns["image_index"] = np.concatenate([part.image_index + start for part, start in zip(parts, starts)])
    return PoseAnnotations(skeleton=first.skeleton, **columns).with_new_ids()

"""The annotations of pasted pairs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from opec_tf.data.pasted import placement
from opec_tf.data.pasted.placement import Placement
from opec_tf.evaluation import occlusion
from opec_tf.poses import skeletons
from opec_tf.poses.pose_annotations import PoseAnnotations

_NOBODY, _PARTNER = (skeletons.HIDERS.index(name) for name in ("nobody", "partner"))
_OCCLUDED, _OUTSIDE = (skeletons.VISIBILITY_CLASSES.index(name) for name in ("occluded", "outside"))


@dataclasses.dataclass(frozen=True, eq=False)
class Pair:
    """A picture that was made.

    Attributes:
      image_id: its id.
      path: its file.
      behind: row of the person whose picture it was.
      in_front: row of the person laid over it.
      placement: from the picture of ``in_front`` to this one.
      hidden: bool [P, K], whose joints the cut-out covers, for ``people_of`` the picture.
    """

    image_id: int
    path: str
    behind: int
    in_front: int
    placement: Placement
    hidden: np.ndarray


def people_of(people: PoseAnnotations, behind: int) -> np.ndarray:
    """Rows of everybody in a person's picture, that person first; int [P]."""
    rows = np.flatnonzero(people.image_index == people.image_index[behind])
    return np.concatenate([[behind], rows[rows != behind]])


def annotate(people: PoseAnnotations, pairs: Sequence[Pair], first_id: int = 1) -> PoseAnnotations:
    """The people of pasted pairs: of each picture the one behind, the one laid over, then whoever else is in it.

    A joint that the cut-out covers is occluded, v = 1, head and neck too, and hidden by the partner; what was known of
    the others stays, and nobody hides those labelled as visible. Of who is laid over, joints outside the picture are
    dropped, v = 0, and left and right change places where it is mirrored.

    Boxes and areas are the file's. Those of people in their own picture stay, however much of them is hidden now; the
    box of who is laid over moves with the cut-out and is cut where the picture ends, its area with it. Boxes that hug
    what is visible, as COCO's do, hug the cut-out so; boxes around all joints stay around all of them.

    Args:
      people: those of the file.
      pairs: the pictures, at least one.
      first_id: id of the first annotation; the others follow.
    """
    parts = [_annotate_one(people, pair) for pair in pairs]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    image_index = np.repeat(np.arange(len(pairs)), [len(part["areas"]) for part in parts])
    crowd_index = [occlusion.crowd_index(part["boxes"], part["keypoints"], part["is_crowd"]) for part in parts]
    return PoseAnnotations(
        skeleton=people.skeleton,
        image_ids=np.array([pair.image_id for pair in pairs]),
        image_paths=np.array([pair.path for pair in pairs]),
        image_sizes=people.image_sizes[people.image_index[[pair.behind for pair in pairs]]],
        crowd_index=np.round(crowd_index, 4),
        annotation_ids=first_id + np.arange(len(image_index)),
        image_index=image_index,
        **columns,
    )


def _annotate_one(people: PoseAnnotations, pair: Pair) -> dict[str, np.ndarray]:
    """The columns of a picture's people."""
    rows = people_of(people, pair.behind)
    keypoints, visibility = people.keypoints[rows].copy(), people.visibility[rows].copy()
    covered = pair.hidden & (keypoints[..., 2] != skeletons.UNLABELLED)
    keypoints[covered, 2] = skeletons.OCCLUDED
    visibility[covered] = _OCCLUDED
    hidden_by = np.where(covered, _PARTNER, _hiders(people, rows))
    height, width = people.image_sizes[people.image_index[pair.behind]].tolist()
    guest = _guest(people, pair, (width, height))
    host = {
        "boxes": people.boxes[rows],
        "areas": people.areas[rows],
        "keypoints": keypoints,
        "visibility": visibility,
        "hidden_by": hidden_by,
        "is_crowd": people.is_crowd[rows],
    }
    return {name: np.insert(column, 1, guest[name], axis=0) for name, column in host.items()}


def _guest(people: PoseAnnotations, pair: Pair, picture: tuple[int, int]) -> dict[str, np.ndarray]:
    """What belongs to the person laid over a picture of (width, height)."""
    row = pair.in_front
    keypoints, visibility = people.keypoints[row].copy(), people.visibility[row].copy()
    hidden_by = _hiders(people, row)
    keypoints[:, :2] = np.round(pair.placement.points(keypoints[:, :2]), 2)
    labelled = keypoints[:, 2] != skeletons.UNLABELLED
    inside = ((keypoints[:, :2] >= -0.5) & (keypoints[:, :2] <= np.array(picture) - 0.5)).all(axis=1)
    visibility[labelled & ~inside] = _OUTSIDE
    keypoints[~(labelled & inside)] = 0.0
    if pair.placement.mirrored:
        order = people.skeleton.flip_order
        keypoints, visibility, hidden_by = keypoints[order], visibility[order], hidden_by[order]
    whole = pair.placement.box(people.boxes[row])
    box = placement.clip(whole, picture)
    growth = np.prod(whole[2:]) / np.prod(people.boxes[row, 2:])
    area = people.areas[row] * growth * np.prod(box[2:]) / np.prod(whole[2:])
    return {
        "boxes": np.round(box, 2),
        "areas": np.round(area, 2),
        "keypoints": keypoints,
        "visibility": visibility,
        "hidden_by": hidden_by,
        "is_crowd": np.array(False),
    }


def _hiders(people: PoseAnnotations, rows: np.ndarray | int) -> np.ndarray:
    """Who hides joints in the people's own pictures: nobody those labelled as visible, else what the file says."""
    return np.where(people.keypoints[rows][..., 2] == skeletons.VISIBLE, _NOBODY, people.hidden_by[rows])

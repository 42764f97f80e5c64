"""What data sets that are made here have in common: names and ids of pictures, when a split is whole, its figures."""

from __future__ import annotations

import os
import pathlib

import numpy as np

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.evaluation import occlusion
from opec_tf.poses import skeletons
from opec_tf.poses.pose_annotations import PoseAnnotations

_IDS_PER_SPLIT = 10_000_000


def image_id(split: int, index: int) -> int:
    """The id of a picture, from the numbers of its split and of itself; no two splits share one."""
    return split * _IDS_PER_SPLIT + index + 1


def file_name(split: int, index: int) -> str:
    """The file of a picture."""
    return f"{image_id(split, index):08d}.jpg"


def split_images(people: PoseAnnotations, shares: dict[str, float]) -> dict[str, PoseAnnotations]:
    """Deals the pictures, in the order of their ids, to splits in proportion to their shares."""
    due = dict.fromkeys(shares, 0.0)
    images: dict[str, list[int]] = {name: [] for name in shares}
    for image in np.argsort(people.image_ids).tolist():
        due = {name: due[name] + share / sum(shares.values()) for name, share in shares.items()}
        name = max(due, key=due.__getitem__)
        due[name] -= 1.0
        images[name].append(image)
    return {name: people.select_images(np.array(rows, np.int64)) for name, rows in images.items()}


def is_finished(folder: pathlib.Path, settings: dict, size: int) -> bool:
    """Whether a split's folder was written whole, with ``size`` pictures, under the same settings."""
    path = folder / "annotations.json"
    if not path.exists():
        return False
    try:
        written = files.read_json(path)
    except UserError:
        return False
    if not isinstance(written, dict) or written.get("info") != settings:
        return False
    names = set(os.listdir(folder / "images")) if (folder / "images").is_dir() else set()
    return len(written["images"]) == size and all(image["file_name"] in names for image in written["images"])


def summarize(crowdpose: dict) -> dict[str, float]:
    """Occlusion figures of a CrowdPose-format dict.

    Returns:
      The Table 1 statistic (``occlusion.table1_statistics``), ``people``, ``hidden_joints`` (share of the labelled
      joints) and ``crowd_index`` (mean).
    """
    boxes: dict[int, list] = {}
    hidden, labelled = 0, 0
    for annotation in crowdpose["annotations"]:
        boxes.setdefault(annotation["image_id"], []).append(annotation["bbox"])
        flags = np.array(annotation["keypoints"][2::3])
        hidden, labelled = hidden + (flags == skeletons.OCCLUDED).sum(), labelled + (flags > 0).sum()
    overlaps = [occlusion.max_pair_iou(np.array(boxes.get(image["id"], []))) for image in crowdpose["images"]]
    return {
        **occlusion.table1_statistics(np.array(overlaps)),
        "people": len(crowdpose["annotations"]),
        "hidden_joints": float(hidden / max(labelled, 1)),
        "crowd_index": float(np.mean([image["crowdIndex"] for image in crowdpose["images"]])),
    }

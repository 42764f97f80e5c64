"""Files of results as COCO results, whatever system wrote them, told apart by their content.

* COCO's own, Detectron2's ``coco_instances_results.json`` too: as they are.
* AlphaPose: COCO's, with file names (of a video's frames "0.jpg", "1.jpg", ...) as ``image_id`` and the box as ``box``.
* OpenPose (``--write_json``, models BODY_25 and COCO): a folder of ``NAME_keypoints.json``, or one such file; joints in
  COCO's order, without the neck, the middle of the hips and the feet.
* MMPose's inferencer (``--pred-out-dir``): a folder of ``NAME.json``, or one such file, of a picture or a video.
"""

from __future__ import annotations

import os
import pathlib
from typing import Any

import numpy as np

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.common.records import Records
from opec_tf.poses.boxes import from_corners

_OPENPOSE_END = "_keypoints"
# Number of OpenPose's joints -> the place of each of COCO's 17 among them.
_OPENPOSE_ORDERS = {
    25: [0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11],
    18: [0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10],
}

_OF_DETECTRON = {"pred_boxes", "pred_keypoints", "pred_classes"}
_NO_INSTANCES = "{}: has Detectron2's instances; take the coco_instances_results.json that its COCOEvaluator writes"


def read(path: os.PathLike[str] | str) -> Any:
    """The content of a JSON file, or of a folder of them, as COCO results where it is another system's.

    Raises:
      UserError: it cannot be read, or is a form of some system's results that cannot be understood.
    """
    if not os.path.isdir(path):
        return _as_coco(path, files.read_json(path))
    paths = sorted(pathlib.Path(path).glob("*.json"))
    if not paths:
        raise UserError(f"{path}: the folder holds no .json file; give the results' file, or OpenPose's folder")
    parts = [_as_coco(part, files.read_json(part)) for part in paths]
    for part, content in zip(paths, parts):
        if not isinstance(content, list):
            raise UserError(
                f"{part}: is none of OpenPose's or MMPose's files, as a folder holds them; name the one file"
            )
    return [record for content in parts for record in content]


def _as_coco(path: os.PathLike[str] | str, content: Any) -> Any:
    """The results in one parsed file; what is no other system's stays as it is."""
    if isinstance(content, dict) and "people" in content and "annotations" not in content:
        return _from_openpose(path, content["people"])
    if isinstance(content, dict) and "annotations" not in content:
        _refuse_known_objects(path, content)
    if not isinstance(content, list) or not content or not isinstance(content[0], dict):
        return content
    if not _OF_DETECTRON.isdisjoint(content[0]) or "instances" in content[0] and "frame_id" not in content[0]:
        raise UserError(_NO_INSTANCES.format(path))
    if "instances" in content[0]:
        frames = Records(path, "frame", content)
        numbers = frames.integers("frame_id").tolist()
        return [
            {"image_id": number, **record}
            for number, people in zip(numbers, frames.values("instances"))
            for record in _from_mmpose(path, people)
        ]
    if "keypoint_scores" in content[0]:
        return [{"file_name": _stem(path), **record} for record in _from_mmpose(path, content)]
    return [{"bbox": item["box"], **item} if isinstance(item, dict) and "box" in item else item for item in content]


def _refuse_known_objects(path: os.PathLike[str] | str, content: dict[str, Any]) -> None:
    """Names the system whose file this is, where it has a form that is read."""
    parts = [part for part in content.values() if isinstance(part, dict)]
    if "bodies" in content or any("bodies" in part or "people" in part for part in parts):
        raise UserError(f"{path}: is of AlphaPose's --format cmu or open; run it without --format, for COCO's form")
    if "instance_info" in content:
        raise UserError(f"{path}: is of MMPose's demo script; take what its inferencer writes by --pred-out-dir")
    if not _OF_DETECTRON.isdisjoint(content) or "instances" in content:
        raise UserError(_NO_INSTANCES.format(path))


def _from_openpose(path: os.PathLike[str] | str, people: Any) -> list[dict[str, Any]]:
    """The people of one picture; a person's score is the mean of the joints that are found."""
    if people == []:
        return []
    records = Records(path, "person", people)
    first = records.values("pose_keypoints_2d")[0]
    count = len(first) // 3 if isinstance(first, list) else 0
    if count not in _OPENPOSE_ORDERS:
        raise UserError(f"{path}: has poses of {count} joints; of OpenPose those of BODY_25 and COCO (18) are read")
    joints = records.numbers("pose_keypoints_2d", (3 * count,), f"x, y, score of OpenPose's {count} joints")
    joints = joints.reshape(-1, count, 3)[:, _OPENPOSE_ORDERS[count]]
    if joints.size and np.abs(joints[..., :2]).max() <= 1.0 and joints[..., 2].max() > 0:
        raise UserError(
            f"{path}: has joints between -1 and 1, shares of a picture; run OpenPose without --keypoint_scale"
        )
    found = []
    for keypoints in joints[np.any(joints[..., 2] > 0, axis=1)]:
        seen = keypoints[keypoints[:, 2] > 0]
        corners = np.concatenate([seen[:, :2].min(axis=0), seen[:, :2].max(axis=0)])
        found.append(_record(keypoints, from_corners(corners), seen[:, 2].mean()))
    return [{"file_name": _stem(path), **record} for record in found]


def _from_mmpose(path: os.PathLike[str] | str, instances: Any) -> list[dict[str, Any]]:
    """The people of one picture; a person's score is the box's times the mean of the joints', as MMPose scores."""
    if instances == []:
        return []
    people = Records(path, "instance", instances)
    first = people.values("keypoint_scores")[0]
    count = len(first) if isinstance(first, list) else 0
    scores = people.numbers("keypoint_scores", (count,), f"scores of {count} joints")
    points = people.numbers("keypoints", (count, 2), f"x, y of {count} joints")
    corners = _corners_of_mmpose(people, points)
    sure = people.numbers("bbox_score", default=1.0)
    joints = np.concatenate([points, scores[..., None]], axis=-1)
    return [_record(*columns) for columns in zip(joints, from_corners(corners), sure * scores.mean(axis=1))]


def _corners_of_mmpose(people: Records, points: np.ndarray) -> np.ndarray:
    """The boxes, [N, 4]; networks that find joints before people have none, and get those around all joints."""
    if not people.has("bbox").any():
        return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=-1)
    boxes = [box[0] if isinstance(box, list) and len(box) == 1 else box for box in people.values("bbox")]
    boxed = people.with_items([{**item, "bbox": box} for item, box in zip(people.items, boxes)])
    return boxed.numbers("bbox", (4,), "left, top, right, bottom")


def _record(keypoints: np.ndarray, box: np.ndarray, score: float) -> dict[str, Any]:
    return {"keypoints": keypoints.ravel().tolist(), "bbox": box.tolist(), "score": float(score)}


def _stem(path: os.PathLike[str] | str) -> str:
    """The name of the picture that a file is of, without its suffix."""
    return pathlib.Path(path).stem.removesuffix(_OPENPOSE_END)

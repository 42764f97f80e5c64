"""Hand labels that a strong network contradicts, found and mended before anybody learns from them.

Public pose labels are not all right: in LSP-extended left and right are swapped on one person in ten. What a network
says confidently of a person whom nothing hides tells most of these faults, and nothing else is touched.
"""

from __future__ import annotations

import collections
import copy
import dataclasses
import os
import pathlib
from typing import Any

import cv2
import numpy as np

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.data.annotations import coco
from opec_tf.poses import drawing, oks, predictions
from opec_tf.poses.pose_annotations import HIDER_FIELD, VISIBILITY_FIELD, PoseAnnotations
from opec_tf.poses.predictions import PosePredictions
from opec_tf.poses.skeletons import OCCLUDED, UNLABELLED

# A person's left and right are exchanged where the OKS is better by this; who fits worse than this is left out. Both
# only where the network's mean score is this high: of people upside down it is often the network that is wrong.
_SWAP_GAIN, _LEAST_OKS, _SURE_OF_PERSON = 0.2, 0.35, 0.2
# A joint is left out where the network is so sure, and the label has at most this OKS.
_SURE_OF_JOINT, _CONTRADICTED_OKS = 0.5, 0.1
_SHOWN, _COLUMNS, _CELL = 24, 6, 240


@dataclasses.dataclass(frozen=True, eq=False)
class Findings:
    """What was found in a file of N people of K joints.

    Attributes:
      swapped: bool [N], left and right are exchanged.
      left_out: bool [N], people whose labels do not fit.
      contradicted: bool [N, K], joints of the other people; after the exchange.
      compared: bool [N], who has a prediction; of others nothing is said.
    """

    swapped: np.ndarray
    left_out: np.ndarray
    contradicted: np.ndarray
    compared: np.ndarray

    def counts(self) -> dict[str, int]:
        """Name -> number of people or joints."""
        return {
            "compared": int(self.compared.sum()),
            "swapped": int(self.swapped.sum()),
            "left out": int(self.left_out.sum()),
            "contradicted joints": int(self.contradicted.sum()),
        }


def check(people: PoseAnnotations, predicted: PosePredictions) -> Findings:
    """Compares labels with a network's poses in the same boxes.

    Joints labelled as occluded are nobody's to judge by what is seen, so they are not compared.

    Args:
      people: the labels.
      predicted: poses of the same joints, a score of 0 for those the network lacks; matched by image and box.
    """
    rows = _matched(people, predicted)
    compared = rows >= 0
    poses = predicted.keypoints[rows]
    seen = ~np.isin(people.keypoints[..., 2], (UNLABELLED, OCCLUDED)) & (poses[..., 2] > 0) & compared[:, None]

    def fit(order: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray]:
        labels = people.keypoints[:, order]
        joints = oks.joint_oks(labels[..., :2], poses[..., :2], people.areas, people.skeleton.sigmas)
        return joints, oks.mean_oks(joints, seen[:, order])

    joints, as_labelled = fit(slice(None))
    exchanged, other_way = fit(people.skeleton.flip_order)
    scores = np.sum(poses[..., 2] * seen, axis=1) / np.maximum(seen.sum(axis=1), 1)
    sure = scores > _SURE_OF_PERSON
    swapped = sure & (other_way > as_labelled + _SWAP_GAIN)
    joints = np.where(swapped[:, None], exchanged, joints)
    seen = np.where(swapped[:, None], seen[:, people.skeleton.flip_order], seen)
    left_out = sure & (oks.mean_oks(joints, seen) < _LEAST_OKS)
    contradicted = seen & (joints < _CONTRADICTED_OKS) & (poses[..., 2] > _SURE_OF_JOINT) & ~left_out[:, None]
    return Findings(swapped & ~left_out, left_out, contradicted, compared)


def write(
    output_dir: os.PathLike[str] | str,
    annotations: os.PathLike[str] | str,
    images: os.PathLike[str] | str,
    poses: os.PathLike[str] | str,
) -> Findings:
    """Writes a COCO-format file anew without what the network's poses contradict, and a contact sheet of that.

    ``output_dir`` gets NAME.json for NAME.json: whatever the file says beside joints stays, the masks too. Who is left
    out takes the own picture along, unless others are in it. ``contradicted.jpg`` shows people who are left out or
    swapped: labels beside the network's pose.

    Args:
      annotations: the COCO-format file.
      images: its image folder.
      poses: COCO results JSON of a network's poses in the annotated boxes, as ``evaluate`` writes it.

    Raises:
      UserError: a file is malformed, or no pose belongs to a person of the file.
    """
    source = pathlib.Path(annotations)
    content = files.read_json(source)
    people = coco.from_json(content, source, images)
    predicted, _ = predictions.map_to(predictions.read(poses, images=people), people, poses)
    found = check(people, predicted)
    if not found.compared.any():
        raise UserError(f"{poses}: no pose is of a box in {source}; give what evaluate wrote for this file's boxes")
    folder = files.make_folder(output_dir)
    files.write_json(folder / source.name, _mended(content, people, found))
    _draw(folder / "contradicted.jpg", people, predicted, found)
    return found


def _matched(people: PoseAnnotations, predicted: PosePredictions) -> np.ndarray:
    """Row of the prediction in each person's box, -1 for none; int [N]."""
    keys = collections.defaultdict(list)
    for row, (image, box) in enumerate(zip(predicted.image_ids.tolist(), predicted.boxes.round(1).tolist())):
        keys[(image, *box)].append(row)
    wanted = zip(people.image_ids[people.image_index].tolist(), people.boxes.round(1).tolist())
    return np.array([keys.get((image, *box), [-1])[0] for image, box in wanted], np.int64)


def _mended(content: dict[str, Any], people: PoseAnnotations, found: Findings) -> dict[str, Any]:
    """The file's content without what was found."""
    keypoints = people.keypoints.copy()
    keypoints[found.swapped] = keypoints[found.swapped][:, people.skeleton.flip_order]
    keypoints[found.contradicted] = 0.0
    row_of_id = {row_id: row for row, row_id in enumerate(people.annotation_ids.tolist())}
    result = copy.copy(content)
    result["annotations"] = []
    for item in content["annotations"]:
        row = row_of_id.get(item.get("id"))
        if row is None:  # not a person
            result["annotations"].append(item)
        elif not found.left_out[row]:
            joints = keypoints[row]
            count = int((joints[:, 2] != UNLABELLED).sum())
            if found.swapped[row]:
                told = (field for field in (VISIBILITY_FIELD, HIDER_FIELD) if item.get(field) is not None)
                item = {**item, **{field: [item[field][i] for i in people.skeleton.flip_order] for field in told}}
            result["annotations"].append({**item, "keypoints": joints.ravel().tolist(), "num_keypoints": count})
    emptied = set(people.image_ids[people.image_index[found.left_out]].tolist())
    emptied -= {item["image_id"] for item in result["annotations"]}
    result["images"] = [item for item in content["images"] if item["id"] not in emptied]
    return result


def _draw(path: pathlib.Path, people: PoseAnnotations, predicted: PosePredictions, found: Findings) -> None:
    """Labels and the network's poses of people who are left out, then of those who are swapped."""
    rows, cells, titles = _matched(people, predicted), [], []
    for finding, chosen in (("left out", found.left_out), ("swapped", found.swapped)):
        for row in np.flatnonzero(chosen)[: _SHOWN // 2].tolist():
            picture = cv2.imread(str(people.image_paths[people.image_index[row]]))
            if picture is None:
                continue
            picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
            for keypoints in (people.keypoints[row], predicted.keypoints[rows[row]]):
                cells.append(drawing.draw_people(picture, keypoints[None], people.skeleton))
            titles += [f"{people.annotation_ids[row]}: {finding}", "network"]
    if cells:
        drawing.write_image(path, drawing.contact_sheet(cells, _COLUMNS, titles, (_CELL, _CELL)))

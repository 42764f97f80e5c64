"""``Poses``: the people of one picture, as ``PoseModel.predict`` gives them."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from typing import Any

import numpy as np

from opec_tf.poses import drawing
from opec_tf.poses.skeletons import Skeleton


@dataclasses.dataclass(frozen=True, eq=False)
class Poses:
    """N people in one picture, K joints each. Coordinates are (x, y), pixels of the upright picture.

    Attributes:
      keypoints: float64 [N, K, 2].
      joint_scores: float64 [N, K], 0..1.
      scores: float64 [N], one number a person as COCO has it: the mean of the joint scores, times the detector's score
        where a detector found the person.
      boxes: float64 [N, 4], (x, y, w, h), the boxes that the people were looked for in.
      visibility: float64 [N, K, 3], probabilities of skeletons.VISIBILITY_CLASSES (visible, occluded, outside the
        picture); None of a model that says nothing of it.
      skeleton: names of the joints, and the bones.
      image: RGB uint8 [h, w, 3], or the picture's file.
      name: the file's name; "" of a picture that was an array.
      track_ids: int64 [N], from 1 on, who is who from frame to frame; None of people who were not followed.
    """

    keypoints: np.ndarray
    joint_scores: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    visibility: np.ndarray | None
    skeleton: Skeleton
    image: np.ndarray | pathlib.Path = dataclasses.field(repr=False)
    name: str = ""
    track_ids: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.keypoints)

    def draw(self, path: os.PathLike[str] | str | None = None, hidden_score: float = 0.3) -> np.ndarray:
        """The people drawn over the picture, RGB uint8 [h, w, 3]; written to a file where a path is given.

        A joint that the model calls occluded is a hollow ring, one outside the picture is left out. Colours follow the
        ``track_ids`` where there are any, else the order.

        Args:
          path: image file to write; its suffix chooses the format.
          hidden_score: where the model says nothing of visibility, joints of a lower score are drawn as occluded.

        Raises:
          UserError: the file cannot be written.
        """
        keypoints, hidden = drawing.mark_joints(self._with_scores(), hidden_score, self.visibility)
        colors = None if self.track_ids is None else drawing.track_colors(self.track_ids)
        drawn = drawing.draw_people(self._pixels(), keypoints, self.skeleton, hidden, colors)
        if path is not None:
            drawing.write_image(path, drawn)
        return drawn

    def to_coco(self, image_id: int = 1) -> list[dict[str, Any]]:
        """COCO results of the people, with the file's name and, where they are known, each joint's visibility and the
        ``track_id``."""
        columns = self.scores, self.boxes, self.visibility, image_id, self.name, self.track_ids
        return coco_results(self._with_scores(), *columns)

    def _with_scores(self) -> np.ndarray:
        """float64 [N, K, 3], (x, y, score)."""
        return np.concatenate([self.keypoints, self.joint_scores[..., None]], axis=-1)

    def _pixels(self) -> np.ndarray:
        if isinstance(self.image, np.ndarray):
            return self.image
        from opec_tf.poses import images  # TensorFlow decodes: needed for files alone, and slow to start

        return images.decode(self.image.read_bytes()).numpy()


def coco_results(
    keypoints: np.ndarray,
    scores: np.ndarray,
    boxes: np.ndarray,
    visibility: np.ndarray | None,
    image_id: int = 1,
    name: str = "",
    track_ids: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """COCO results of N people of one picture.

    Args:
      keypoints: [N, K, 3], (x, y, score), pixels.
      scores: [N].
      boxes: [N, 4], (x, y, w, h).
      visibility: [N, K, 3], see ``Poses``; None: the results have none.
      name: the picture's file name; "": the results have none.
      track_ids: int [N], see ``Poses``; None: the results have none.
    """
    results: list[dict[str, Any]] = [
        {
            **({"file_name": name} if name else {}),
            "image_id": int(image_id),
            "category_id": 1,
            "keypoints": np.round(joints.astype(float), 3).ravel().tolist(),
            "score": round(score, 5),
            "bbox": box,
        }
        for joints, score, box in zip(keypoints, scores.tolist(), boxes.tolist())
    ]
    if visibility is not None:
        for result, classes in zip(results, visibility.astype(float)):
            result["visibility"] = np.round(classes, 4).tolist()
    if track_ids is not None:
        for result, track_id in zip(results, track_ids.tolist()):
            result["track_id"] = track_id
    return results

"""The people a detector finds in image files, as COCO detection results."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.common.progress import Progress
from opec_tf.inference import frames
from opec_tf.inference.detectors import named


def write(
    path: os.PathLike[str] | str,
    detector: named.Detector,
    image_paths: Sequence[str] | np.ndarray,
    image_ids: Sequence[int] | np.ndarray,
    strict: bool = False,
) -> None:
    """Finds the people in image files and writes [{image_id, category_id, bbox, score}].

    Args:
      path: the file.
      detector: see ``opec_tf.inference.detectors``.
      image_paths: [M].
      image_ids: int [M].
      strict: an unreadable image is an error instead of a warning.

    Raises:
      UserError: nobody is found anywhere, an image cannot be read under ``strict``, or the file cannot be written.
    """
    source = frames.ImageFiles([str(path) for path in image_paths], "", strict)
    found: list[dict[str, Any]] = []
    without: list[str] = []
    with Progress("detecting people", "images", len(source)) as meter:
        for row, image in source.start_at(0):
            boxes, scores = detector(image)
            if not len(boxes):
                without.append(str(image_paths[row]))
            found += [
                {"image_id": int(image_ids[row]), "category_id": 1, "bbox": box, "score": score}
                for box, score in zip(np.round(boxes, 2).tolist(), np.round(scores, 5).tolist())
            ]
            meter.update(1)
    if not found:
        raise UserError(
            f"the detector found nobody in {len(source)} images; lower --detector_score or use another detector"
        )
    named.warn_about_nobody(without, len(source))
    files.write_json(path, found)

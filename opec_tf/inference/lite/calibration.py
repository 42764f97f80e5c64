"""Crops of people by which a network's numbers are scaled to whole ones."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from opec_tf.common.errors import UserError
from opec_tf.config import DetectorConfig
from opec_tf.inference import frames, people as who
from opec_tf.inference.people_names import NANODET
from opec_tf.inference.pose_model import PoseModel
from opec_tf.poses import geometry, images

# More change the ranges of what convolutions give no further, and cost time.
_PEOPLE = 200


def crops_of_people(pictures: str, model: PoseModel) -> list[np.ndarray]:
    """The crops of the people whom the package's detector finds in pictures.

    Args:
      pictures: file, folder or pattern; their order counts where they show more people than are needed.
      model: whose crops are made.

    Returns:
      Up to 200 crops float32 [H, W, 3], RGB, 0..255; at least one.

    Raises:
      UserError: there is no picture, or nobody in them.
    """
    found = list(itertools.islice(_crops(pictures, model), _PEOPLE))
    if not found:
        raise UserError(f"{pictures}: the detector finds nobody there; give pictures of people")
    return found


def _crops(pictures: str, model: PoseModel) -> Iterator[np.ndarray]:
    source = frames.open_source(pictures, strict=False, flag="--calibration_images")
    people = who.by_detector(NANODET, DetectorConfig())
    config = model.model_config
    for row, picture in source.start_at(0):
        boxes = people.in_frame(row, picture).boxes.astype(np.float32)
        if len(boxes):
            affines = geometry.crop_affine(boxes, config.crop_size, model.box_margin)
            yield from images.crop(picture, affines, config.crop_size, config.crop_offset).numpy()

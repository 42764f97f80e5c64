"""Loading of data sets named as FORMAT:ANNOTATIONS:IMAGES."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Sequence

import numpy as np

from opec_tf.common import settings
from opec_tf.common.errors import UserError
from opec_tf.data.annotations import coco, mpii, ochuman, ocpose
from opec_tf.poses.pose_annotations import PoseAnnotations, concatenate
from opec_tf.poses.skeletons import Skeleton

# Format -> function (annotation path, image folder) -> PoseAnnotations.
_READERS = {
    "coco": coco.read,
    "crowdpose": coco.read_crowdpose,
    "ochuman": ochuman.read,
    "ocpose": ocpose.read,
    "mpii": mpii.read,
}
FORMATS = tuple(_READERS)


@dataclasses.dataclass(frozen=True)
class DatasetSource:
    """Where a data set lies: its format, its annotation file and its image folder."""

    format: str
    annotations: str
    images: str

    @classmethod
    def parse(cls, text: str) -> DatasetSource:
        """FORMAT:ANNOTATIONS:IMAGES -> ``DatasetSource``; a path with a colon or comma stands in double quotes.

        Raises:
          UserError: there are not three parts, or the format is unknown.
        """
        parts = settings.split(text, ":")
        if text.count('"') % 2 == 0:
            parts = [part.replace('"', "") for part in parts]
        if len(parts) != 3 or not all(parts):
            raise UserError(
                f"data set {text!r} must be written FORMAT:ANNOTATIONS:IMAGES, e.g. crowdpose:val.json:images, and a "
                'path with a colon or comma in double quotes, as coco:"a,b.json":images'
            )
        if parts[0] not in _READERS:
            raise UserError(f"data set {text!r}: format {parts[0]!r} is not known; choose from {', '.join(FORMATS)}")
        return cls(*parts)


def read(
    annotation_format: str, annotation_path: os.PathLike[str] | str, image_folder: os.PathLike[str] | str
) -> PoseAnnotations:
    """Reads one annotation file of a format in ``FORMATS``; people who cannot be cropped are counted in a warning."""
    annotations = _READERS[annotation_format](annotation_path, image_folder)
    unusable = ~annotations.has_usable_box & ~annotations.is_crowd
    if unusable.any():
        logging.getLogger(__name__).warning(
            "%s: %d people (first: annotation %d) have a 'bbox' without area or outside their image; "
            "they are scored, never cropped",
            annotation_path,
            unusable.sum(),
            annotations.annotation_ids[np.argmax(unusable)],
        )
    return annotations


def load(
    source: DatasetSource | str, data_root: os.PathLike[str] | str, skeleton: Skeleton | None = None
) -> PoseAnnotations:
    """Loads one data set.

    Args:
      source: where it lies; as text FORMAT:ANNOTATIONS:IMAGES.
      data_root: folder that relative paths start from.
      skeleton: joint set to map the people to; None: the file's own.
    """
    source = DatasetSource.parse(source) if isinstance(source, str) else source
    path = os.path.join(data_root, source.annotations)
    if not os.path.exists(path):
        raise UserError(
            f"{path}: cannot be read (No such file or directory); check the path and --data_root; docs/data.md says "
            "where the data sets come from and how they are laid out"
        )
    annotations = read(source.format, path, os.path.join(data_root, source.images))
    return annotations if skeleton is None else annotations.with_skeleton(skeleton)


def load_all(
    sources: Sequence[DatasetSource | str], data_root: os.PathLike[str] | str, skeleton: Skeleton
) -> PoseAnnotations:
    """Loads several data sets, mapped to one skeleton and joined; several get new, unique ids (``concatenate``)."""
    if not sources:
        raise UserError(
            "no data set is given; name one as FORMAT:ANNOTATIONS:IMAGES (--train_data, --val_data, --test_data)"
        )
    return concatenate([load(source, data_root, skeleton) for source in sources])


def require_one(sources: Sequence[DatasetSource | str], split: str, flag: str) -> None:
    """Raises a ``UserError`` unless there is one data set, since the images of several get ids that no file knows.

    Args:
      sources: the data sets of a split.
      split: "train", "val" or "test".
      flag: the flag, with its value, of the file that knows the images by their ids.
    """
    if len(sources) != 1:
        raise UserError(
            f"{flag} knows the images of one data set by their ids, and --{split}_data names "
            f"{'several' if sources else 'none'}; name one, or leave the flag out"
        )

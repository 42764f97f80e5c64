"""CrowdPose's crowdIndex written into a COCO-format file that lacks it."""

from __future__ import annotations

import copy
import os
import pathlib
from typing import NamedTuple

import numpy as np

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.data.annotations import coco
from opec_tf.evaluation import occlusion

_FIELD = "crowdIndex"
_AGREES = 0.01


class Written(NamedTuple):
    """What ``write`` did.

    Attributes:
      path: the file that was written.
      added: images that lacked the index.
      stated: images that had it, and keep it.
      agreeing: of these, whose index is within 0.01 of what the labels give.
    """

    path: pathlib.Path
    added: int
    stated: int
    agreeing: int


def write(output_dir: os.PathLike[str] | str, annotations: os.PathLike[str] | str) -> Written:
    """Writes a COCO-format file anew, as OUTPUT_DIR/NAME.json, every image with a crowdIndex; nothing else changes.

    Raises:
      UserError: the file is malformed, or would be written over itself.
    """
    source = pathlib.Path(annotations)
    content = files.read_json(source)
    people = coco.from_json(content, source, "")
    computed = occlusion.crowd_indices(people)
    stated = ~np.isnan(people.crowd_index)
    target = files.make_folder(output_dir) / source.name
    if target.resolve() == source.resolve():
        raise UserError(f"{target}: would be written over itself; choose another --output_dir")
    result = copy.copy(content)
    result["images"] = [
        image if known else {**image, _FIELD: value}
        for image, known, value in zip(content["images"], stated.tolist(), computed.tolist())
    ]
    files.write_json(target, result)
    agreeing = np.abs(computed - people.crowd_index)[stated] <= _AGREES
    return Written(target, int(np.sum(~stated)), int(stated.sum()), int(agreeing.sum()))

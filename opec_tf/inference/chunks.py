"""Frames with their people, in chunks of bounded memory, and the poses of a chunk one frame after the other.

Whose crops share a batch moves a pose's last digits. No batch goes beyond a group of ``GROUP_FRAMES`` frames, so that a
group gives the same numbers wherever it is estimated, with the others or alone (``beam_pipeline``).
"""

from __future__ import annotations

import dataclasses
import logging
import os
import pathlib
from collections.abc import Iterator

import numpy as np

from opec_tf.inference import person_boxes
from opec_tf.inference.estimates import Estimates
from opec_tf.inference.frames import Source
from opec_tf.inference.people import People
from opec_tf.inference.person_boxes import PersonBoxes
from opec_tf.inference.pose_estimator import Estimator
from opec_tf.poses.picture_poses import Poses
from opec_tf.poses.skeletons import Skeleton

# Frames 0 to 63 of a source are a group, 64 to 127 the next one, readable or not.
GROUP_FRAMES = 64
# Within its group a chunk ends at this many bytes of decoded frames, or with as many people as two batches.
_CHUNK_BYTES = 128 * 2**20
_CHUNK_BATCHES = 2


@dataclasses.dataclass(frozen=True, eq=False)
class Chunk:
    """Some frames of a source, one after the other.

    Attributes:
      rows: int [M], the frames' places in the source.
      images: RGB uint8 [h, w, 3] each.
      people: who is in them; ``image_index`` counts within the chunk.
    """

    rows: np.ndarray
    images: list[np.ndarray]
    people: PersonBoxes


def estimated(
    estimator: Estimator, source: Source, people: People, first: int = 0
) -> Iterator[tuple[Chunk, Estimates]]:
    """The chunks of a source, from frame ``first`` on, with the poses of their people."""
    for chunk in _chunks(source, first, people, _CHUNK_BATCHES * estimator.batch_size):
        yield chunk, estimator.estimate_frames(chunk.images, source.ids[chunk.rows], chunk.people)


def poses_of_frame(
    chunk: Chunk, estimates: Estimates, position: int, skeleton: Skeleton, picture: np.ndarray | pathlib.Path, name: str
) -> Poses:
    """The final poses of the people of one frame.

    Args:
      chunk, estimates: as ``estimated`` gives them.
      position: which of the chunk's frames.
      skeleton: the model's joints.
      picture: the frame, or its file, for a later drawing.
      name: the frame's file name; "" where it has none.
    """
    rows = estimates.rows[estimates.final]
    mine = chunk.people.image_index[rows] == position
    found = estimates.predictions[estimates.final].select(mine)
    visibility, track_ids = estimates.visibility, estimates.track_ids
    return Poses(
        keypoints=found.keypoints[..., :2],
        joint_scores=found.keypoints[..., 2],
        scores=found.scores,
        boxes=found.boxes,
        visibility=None if visibility is None else visibility[rows[mine]].astype(np.float64),
        skeleton=skeleton,
        image=picture,
        name=name,
        track_ids=None if track_ids is None else track_ids[rows[mine]],
    )


def _chunks(source: Source, first: int, people: People, max_people: int) -> Iterator[Chunk]:
    rows: list[int] = []
    images: list[np.ndarray] = []
    parts: list[PersonBoxes] = []
    outside = 0
    without: list[str] = []
    for row, image in source.start_at(first):
        if rows and row // GROUP_FRAMES != rows[0] // GROUP_FRAMES:
            yield _chunk(rows, images, parts)
            rows, images, parts = [], [], []
        found = people.in_frame(row, image)
        if not len(found):
            without.append(os.fspath(source.names[row]))
        met = person_boxes.inside(found.boxes, image.shape[:2])
        outside += int(np.sum(~met))
        found = found.select(met)
        rows.append(row)
        images.append(image)
        parts.append(dataclasses.replace(found, image_index=np.full(len(found), len(rows) - 1)))
        if sum(image.nbytes for image in images) >= _CHUNK_BYTES or sum(map(len, parts)) >= max_people:
            yield _chunk(rows, images, parts)
            rows, images, parts = [], [], []
    if rows:
        yield _chunk(rows, images, parts)
    if outside:
        logging.getLogger(__name__).warning("left out %d boxes that lie outside their image", outside)
    people.warn_about_nobody(without, len(source) - first)


def _chunk(rows: list[int], images: list[np.ndarray], parts: list[PersonBoxes]) -> Chunk:
    return Chunk(np.array(rows), images, person_boxes.concatenate(parts))

"""People followed through the frames of a source: their ids, and poses smoothed over time where that is asked for."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np

from opec_tf.common.errors import UserError
from opec_tf.config import TrackingConfig
from opec_tf.inference.chunks import Chunk
from opec_tf.inference.estimates import Estimates
from opec_tf.inference.frames import ImageFiles, Video
from opec_tf.inference.smoothing import OneEuroFilter
from opec_tf.inference.tracking import Tracker
from opec_tf.poses.skeletons import Skeleton

_ASSUMED_RATE = 25.0  # pictures a second of a folder, for smoothing


class Follower:
    """Gives the people of successive chunks of a source their ids and smooths their last pose.

    Args:
      skeleton: the model's joints.
      rate: frames a second; None of pictures whose times nobody knows.
      smooths: whether poses are smoothed.
    """

    def __init__(self, skeleton: Skeleton, rate: float | None, smooths: bool) -> None:
        self._skeleton, self._rate = skeleton, rate or _ASSUMED_RATE
        self._tracker = Tracker(skeleton.sigmas, rate)
        self._filter = OneEuroFilter() if smooths else None

    def follow(self, chunk: Chunk, estimates: Estimates) -> Estimates:
        """The estimates of a chunk with ``track_ids`` and smoothed poses."""
        rows, people = estimates.rows[estimates.final], estimates.predictions[estimates.final]
        ids, keypoints = np.zeros(len(chunk.people), np.int64), people.keypoints.copy()
        for position, frame in enumerate(chunk.rows.tolist()):
            mine = chunk.people.image_index[rows] == position
            boxes, points = people.boxes[mine], keypoints[mine, :, :2]
            ids[rows[mine]] = found = self._tracker.update(boxes, points, frame)
            if self._filter:
                sizes = np.sqrt(boxes[:, 2] * boxes[:, 3])
                keypoints[mine, :, :2] = self._filter.update(found, points, sizes, frame / self._rate)
        last = dataclasses.replace(people, keypoints=keypoints)
        predictions = {**estimates.predictions, estimates.final: last}
        return dataclasses.replace(estimates, predictions=predictions, track_ids=ids)

    def go_on_behind(self, results: Iterable[dict[str, Any]], frame_ids: np.ndarray) -> None:
        """Follows the people of COCO results of the first frames, which were not smoothed, again.

        Args:
          results: ordered by frame.
          frame_ids: int, one a frame of the source.
        """
        frame_of_id = {frame_id: frame for frame, frame_id in enumerate(frame_ids.tolist())}
        for image_id, group in itertools.groupby(results, lambda result: result["image_id"]):
            people = list(group)
            points = np.reshape([person["keypoints"] for person in people], [len(people), -1, 3])[..., :2]
            self._tracker.update(np.array([person["bbox"] for person in people]), points, frame_of_id[image_id])


def follower(source: ImageFiles | Video, skeleton: Skeleton, tracking_config: TrackingConfig) -> Follower | None:
    """What follows the people of a source; None where nothing does.

    Raises:
      UserError: poses are to be smoothed, but people are not followed.
    """
    is_video, smooths = isinstance(source, Video), tracking_config.smooth != "none"
    if tracking_config.track == "on" or (tracking_config.track == "auto" and is_video):
        return Follower(skeleton, source.rate if isinstance(source, Video) else None, smooths)
    if smooths:
        raise UserError(
            f"--smooth={tracking_config.smooth} smooths tracked people, who are not tracked here; add --track=on where "
            "the pictures, by name, follow each other in time"
        )
    return None

"""Who is who from frame to frame: a greedy tracker of boxes and poses.

A track guesses where its person is by a constant velocity. Its affinity with a pose of the next frame is the mean of
the boxes' IoU and the poses' OKS; the pair of the highest affinity is the same person, then the highest of the rest,
down to a lowest one. Of two people who cross the boxes lie on each other, while velocities stay apart. What people look
like is not compared: who is gone for longer than tracks are kept comes back as somebody new.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from opec_tf.poses import boxes as boxes_module, oks

# Somebody who has gone on by half a box's width is still met (IoU 0.33), by another stride no more.
_LOWEST_AFFINITY = 0.15
# A track without a match is kept for so many seconds, and for so many frames at least.
_KEPT_SECONDS, _KEPT_FRAMES = 0.6, 5
# Share of a new measurement in a velocity: one of two frames has the noise of two poses.
_VELOCITY_GAIN = 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class Track:
    """Somebody as seen last.

    Attributes:
      number: the id, from 1 on.
      box: float64 [4], (x, y, w, h), pixels.
      points: float64 [K, 2], (x, y), pixels.
      velocity: float64 [2], pixels a frame, of the body as a whole; None of who was seen once.
      frame: which frame it was.
    """

    number: int
    box: np.ndarray
    points: np.ndarray
    velocity: np.ndarray | None
    frame: int

    def shift(self, frame: int) -> np.ndarray:
        """How far the person has gone until a later frame, if it goes on as it did; float64 [2], pixels."""
        return np.zeros(2) if self.velocity is None else self.velocity * (frame - self.frame)

    def seen_again(self, box: np.ndarray, points: np.ndarray, frame: int) -> Track:
        """The same person in a later frame."""
        velocity = np.mean(points - self.points, axis=0) / (frame - self.frame)
        if self.velocity is not None:
            velocity = self.velocity + _VELOCITY_GAIN * (velocity - self.velocity)
        return Track(self.number, box, points, velocity, frame)


class Tracker:
    """Gives people of successive frames their ids: 1, 2, ... in order of appearance, none of them to two.

    Args:
      sigmas: [K], of OKS.
      rate: frames a second; None: nobody knows, and tracks are kept by frames alone.
    """

    def __init__(self, sigmas: np.ndarray, rate: float | None = None) -> None:
        self._sigmas = sigmas
        self._kept_frames = max(_KEPT_FRAMES, _KEPT_SECONDS * (rate or 0.0))
        self._tracks: list[Track] = []
        self._last = 0

    def update(self, boxes: np.ndarray, points: np.ndarray, frame: int) -> np.ndarray:
        """Takes the people of a frame.

        Args:
          boxes: [N, 4], (x, y, w, h), pixels.
          points: [N, K, 2], (x, y), pixels.
          frame: its number, above that of the frame before.

        Returns:
          int64 [N], their ids.
        """
        boxes, points = np.asarray(boxes, np.float64), np.asarray(points, np.float64)
        self._tracks = [track for track in self._tracks if frame - track.frame <= self._kept_frames]
        matches = match(affinities(self._tracks, boxes, points, frame, self._sigmas))
        ids = np.zeros(len(boxes), np.int64)
        for i, (box, pose) in enumerate(zip(boxes, points)):
            if i in matches:
                track = self._tracks[matches[i]] = self._tracks[matches[i]].seen_again(box, pose, frame)
            else:
                self._last += 1
                track = Track(self._last, box, pose, None, frame)
                self._tracks.append(track)
            ids[i] = track.number
        return ids


def affinities(
    tracks: list[Track], boxes: np.ndarray, points: np.ndarray, frame: int, sigmas: np.ndarray
) -> np.ndarray:
    """The mean of box IoU and OKS at the guess of each track: float64 [T, N], see ``Tracker.update``."""
    if not tracks or not len(boxes):
        return np.zeros([len(tracks), len(boxes)])
    shifts = np.stack([track.shift(frame) for track in tracks])
    guessed_boxes = np.stack([track.box for track in tracks]) + np.pad(shifts, [(0, 0), (0, 2)])
    guessed_points = np.stack([track.points for track in tracks]) + shifts[:, None]
    areas = guessed_boxes[:, 2] * guessed_boxes[:, 3]
    return 0.5 * (boxes_module.iou(guessed_boxes, boxes) + oks.pairwise_oks(guessed_points, points, areas, sigmas))


def match(affinity: np.ndarray) -> dict[int, int]:
    """Pairs tracks with poses, the highest affinity [T, N] first: pose -> track, each once."""
    rest, matches = affinity.copy(), {}
    while rest.size and rest.max() >= _LOWEST_AFFINITY:
        track, pose = np.unravel_index(np.argmax(rest), rest.shape)
        matches[int(pose)] = int(track)
        rest[track], rest[:, pose] = -1.0, -1.0
    return matches

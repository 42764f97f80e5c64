"""The one-euro filter (Casiez et al., CHI 2012) on the joints of tracked people: still ones calm, fast ones followed.

A low-pass filter whose cutoff frequency rises with the joint's speed: f = f_min + beta |v|. Two things differ from the
description. Speed is counted in sizes of the person a second, the size being the square root of the box's area, so that
the constants mean the same near and far. And x and y share the cutoff of the speed's length, so that nothing depends on
the direction.
"""

from __future__ import annotations

import dataclasses

import numpy as np

# Hz, Hz for one size a second, Hz. Chosen among 45 triples by generated motion at 25 frames a second, for a person of
# 150 pixels: noise of 1.5 pixels falls by 2.4; a wrist that swings at up to 300 pixels a second lags by 6 pixels, at up
# to 750 by 13, one that starts at 300 by 7. An exponential filter of the same noise lags by 23, 36 and 28.
_MIN_CUTOFF, _BETA, _SPEED_CUTOFF = 0.7, 3.0, 4.0


@dataclasses.dataclass(frozen=True, eq=False)
class _State:
    """One person's filtered joints [K, 2], pixels, and velocities [K, 2], sizes a second, at a time in seconds."""

    points: np.ndarray
    velocity: np.ndarray
    time: float


class OneEuroFilter:
    """Smooths the poses of tracked people, frame by frame; a new id starts with its pose as it is."""

    def __init__(self) -> None:
        self._states: dict[int, _State] = {}

    def update(self, ids: np.ndarray, points: np.ndarray, sizes: np.ndarray, time: float) -> np.ndarray:
        """Takes the people of the next frame.

        Args:
          ids: int [N], see ``tracking.Tracker``.
          points: [N, K, 2], (x, y), pixels.
          sizes: [N], pixels, the square roots of the areas of their boxes.
          time: of the frame, seconds; later than that of the frame before.

        Returns:
          float64 [N, K, 2], pixels.
        """
        smoothed = np.array(points, np.float64)
        for row, (number, size) in enumerate(zip(ids.tolist(), sizes)):
            state, velocity = self._states.get(number), np.zeros(smoothed.shape[1:])
            if state is not None:
                smoothed[row], velocity = _filtered(state, smoothed[row], size, time)
            self._states[number] = _State(smoothed[row].copy(), velocity, time)
        return smoothed


def _filtered(state: _State, points: np.ndarray, size: float, time: float) -> tuple[np.ndarray, np.ndarray]:
    """Filtered joints [K, 2] and velocities [K, 2] of a person seen again."""
    seconds, size = time - state.time, max(size, 1.0)
    measured = (points - state.points) / size / seconds
    velocity = state.velocity + _gain(_SPEED_CUTOFF, seconds) * (measured - state.velocity)
    speed = np.linalg.norm(velocity, axis=-1, keepdims=True)
    return state.points + _gain(_MIN_CUTOFF + _BETA * speed, seconds) * (points - state.points), velocity


def _gain(cutoff: np.ndarray | float, seconds: float) -> np.ndarray | float:
    """The weight of a new value in a low-pass filter of a cutoff in Hz, ``seconds`` after the one before."""
    return 1.0 / (1.0 + 1.0 / (2.0 * np.pi * cutoff * seconds))

"""The pixels of a pair: a person cut out by its mask, made to suit the place, and laid over it. Pictures are BGR."""

from __future__ import annotations

import cv2
import numpy as np

from opec_tf.data.pasted.placement import Placement

# Of the blur of a mask's edge, pixels of the picture it is cut from.
_FEATHER = 1.0
# A blurred mask's value at which the cut-out begins to show and where it is opaque: within the mask's outline, whose
# outermost pixels are half background.
_CLEAR, _OPAQUE = 0.4, 0.9
# How much of the difference in brightness, and in colour beyond it, to the place is made up for, and at most by what
# exponent of the pixel values.
_BRIGHTNESS, _COLOUR, _MAX_EXPONENT = 0.5, 0.4, 1.3
_GREY = 4.0  # mean difference between the channels of a picture that has no colours


def paste(
    picture: np.ndarray, other: np.ndarray, mask: np.ndarray, placement: Placement
) -> tuple[np.ndarray, np.ndarray]:
    """Lays a part of another picture over a picture.

    Args:
      picture: uint8 [H, W, 3]; stays as it is.
      other: uint8 [h, w, 3].
      mask: uint8 [h, w], 1 where the part is.
      placement: from ``other`` to ``picture``.

    Returns:
      (uint8 [H, W, 3], and how opaque the part is at each of its pixels, float32 [H, W])
    """
    opacity = np.zeros(picture.shape[:2], np.float32)
    result = picture.copy()
    here, there = _meeting(placement, picture.shape)
    if here[0].start >= here[0].stop or here[1].start >= here[1].stop:
        return result, opacity
    part, soft = _cut(other, mask, placement)
    part, soft = part[there], soft[there]
    place = picture[here]
    part = _suit(part, _window(other, placement.window), place)
    result[here] = np.round(place + soft[..., None] * (part.astype(np.float32) - place)).astype(np.uint8)
    opacity[here] = soft
    return result, opacity


def _window(picture: np.ndarray, window: np.ndarray) -> np.ndarray:
    x, y, width, height = window.tolist()
    return picture[y : y + height, x : x + width]


def _cut(other: np.ndarray, mask: np.ndarray, placement: Placement) -> tuple[np.ndarray, np.ndarray]:
    """The window in its new size: its pixels, and their opacity with a soft edge, float32 0..1."""
    width, height = placement.size.tolist()
    shrinks = width < placement.window[2]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    part = cv2.resize(_window(other, placement.window), (width, height), interpolation=how)
    soft = cv2.GaussianBlur(_window(mask, placement.window).astype(np.float32), (0, 0), _FEATHER)
    soft = cv2.resize(soft, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    soft = np.clip((soft - _CLEAR) / (_OPAQUE - _CLEAR), 0.0, 1.0)
    if placement.mirrored:
        part, soft = part[:, ::-1], soft[:, ::-1]
    return part, soft


def _meeting(placement: Placement, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where the part and a picture meet, as slices of the picture and of the part; empty where they do not."""
    extent = np.array([shape[1], shape[0]])
    low = np.clip(placement.corner, 0, extent)
    high = np.clip(placement.corner + placement.size, 0, extent)
    start, stop = low - placement.corner, high - placement.corner
    return (
        (slice(low[1], high[1]), slice(low[0], high[0])),
        (slice(start[1], stop[1]), slice(start[0], stop[0])),
    )


def _suit(part: np.ndarray, surroundings: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The part as it might look in the light of the place.

    The light is told by the mean of the whole window, background included, since clothes are of any colour. Each
    channel is raised to the power that takes its mean in the surroundings some of the way to that of the place.

    Args:
      part: uint8 [h, w, 3].
      surroundings: uint8 [.., .., 3], the window it is cut from.
      place: uint8 [.., .., 3], what it is laid over.
    """
    old, new = (np.clip(np.array(cv2.mean(pixels)[:3]), 8.0, 247.0) for pixels in (surroundings, place))
    brighter = new.mean() / old.mean()
    target = old * brighter**_BRIGHTNESS * (new / old / brighter) ** _COLOUR
    exponent = np.log(np.clip(target, 8.0, 247.0) / 255.0) / np.log(old / 255.0)
    exponent = np.clip(exponent, 1.0 / _MAX_EXPONENT, _MAX_EXPONENT)
    values = np.round(255.0 * (np.arange(256)[:, None] / 255.0) ** exponent).astype(np.uint8)
    suited = cv2.LUT(np.ascontiguousarray(part), values[None])
    if np.ptp(place, axis=-1).mean() < _GREY:
        suited = cv2.cvtColor(cv2.cvtColor(suited, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return suited

"""Drawings of poses and contact sheets. Images are RGB uint8 [h, w, 3] throughout.

A person has one hue: the limbs of the left side in its light shade, those of the right side in its dark one. A joint
that is seen is a filled disc; one that is inferred behind an occluder is a hollow ring with dashed limbs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import cv2
import numpy as np

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.poses.skeletons import OCCLUDED, UNLABELLED, VISIBILITY_CLASSES, Skeleton

# One a person, again from the start after the last. Chosen to stay apart from each other and from skin and grass.
_PALETTE = np.array(
    [
        [255, 122, 26],
        [22, 142, 255],
        [226, 40, 140],
        [20, 190, 120],
        [250, 200, 20],
        [140, 82, 255],
        [0, 196, 214],
        [235, 60, 50],
    ],
    np.float64,
)
_Color = tuple[float, ...]  # RGB, 0..255
_OUTLINE = (24, 24, 28)
_PAPER = (250, 250, 248)
_INK = (40, 40, 46)
_OPACITY = 0.9
# cv2 draws at 1 / 16 pixel with this.
_SHIFT = 4
_FONT = cv2.FONT_HERSHEY_DUPLEX


def draw_people(
    image: np.ndarray,
    keypoints: np.ndarray,
    skeleton: Skeleton,
    hidden: np.ndarray | None = None,
    colors: np.ndarray | None = None,
) -> np.ndarray:
    """Draws people over a copy of an image.

    Args:
      image: RGB uint8 [h, w, 3].
      keypoints: [N, K, 3], (x, y) in image pixels and a score or visibility; a joint whose third number is not above
        0, or that is not finite or far outside the image, is not drawn.
      skeleton: whose K joints they are.
      hidden: bool [N, K], joints to be drawn as occluded.
      colors: int [N], each person's place in the palette; by default its row.

    Returns:
      RGB uint8 [h, w, 3].
    """
    keypoints = np.asarray(keypoints, np.float64).reshape(-1, skeleton.num_joints, 3)
    hidden = np.zeros(keypoints.shape[:2], bool) if hidden is None else np.asarray(hidden, bool)
    colors = np.arange(len(keypoints)) if colors is None else colors
    extent = np.array([image.shape[1], image.shape[0]], np.float64)
    overlay = image.copy()
    for person, person_hidden, color in zip(keypoints, hidden, colors):
        near = np.all(np.abs(person[:, :2] - extent / 2.0) < 1.5 * extent, axis=-1)
        drawn = np.isfinite(person).all(axis=-1) & (person[:, 2] > 0) & near
        if drawn.any():
            _draw_person(overlay, person[:, :2], drawn, person_hidden, skeleton, _PALETTE[color % len(_PALETTE)])
    return cv2.addWeighted(overlay, _OPACITY, image, 1.0 - _OPACITY, 0.0)


def track_colors(track_ids: np.ndarray) -> np.ndarray:
    """The ``colors`` of ``draw_people`` that follow ids, which count from 1: int [N] -> int [N]."""
    return np.asarray(track_ids) - 1


def mark_joints(
    keypoints: np.ndarray, hidden_score: float, visibility: np.ndarray | None = None, labels: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """What ``draw_people`` makes of predicted joints.

    Which are hidden is what the network says, where it does; else what the labels say; else those of a low score.

    Args:
      keypoints: [N, K, 3], (x, y, score); a joint of the lowest score is drawn too.
      hidden_score: the score below which a joint counts as hidden, where nothing better is known.
      visibility: [N, K, 3], probabilities of skeletons.VISIBILITY_CLASSES, or None. The likeliest counts; joints
        outside the picture are not drawn.
      labels: [N, K, 3], (x, y, v), or None.

    Returns:
      (keypoints [N, K, 3] whose third number is 1, or 0 where the joint is not to be drawn; hidden bool [N, K])
    """
    hidden, drawn = keypoints[..., 2] < hidden_score, np.ones(keypoints.shape[:2])
    if visibility is not None:
        likeliest = np.argmax(visibility, axis=-1)
        hidden = likeliest == VISIBILITY_CLASSES.index("occluded")
        drawn = likeliest != VISIBILITY_CLASSES.index("outside")
    elif labels is not None:
        hidden = np.where(labels[..., 2] == UNLABELLED, hidden, labels[..., 2] == OCCLUDED)
    return np.concatenate([keypoints[..., :2], drawn[..., None]], axis=-1), hidden


def contact_sheet(
    images: Sequence[np.ndarray],
    columns: int,
    titles: Sequence[str] | None = None,
    cell_size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Images in rows on light paper, each scaled to fit its cell, with a title above it.

    Args:
      images: RGB uint8 [h, w, 3] each, of any sizes; at least one.
      columns: images in a row.
      titles: a text an image.
      cell_size: (height, width) of a cell in pixels; by default the largest height and width of the images.

    Returns:
      RGB uint8 [h, w, 3].
    """
    columns = min(columns, len(images))
    height, width = cell_size or np.max([image.shape[:2] for image in images], axis=0)
    gap = max(4, width // 40)
    text_height = max(10, width // 32)
    band = 0 if titles is None else 2 * text_height
    rows = -(-len(images) // columns)
    sheet = np.full([gap + rows * (height + band + gap), gap + columns * (width + gap), 3], _PAPER, np.uint8)
    for i, image in enumerate(images):
        top, left = gap + (i // columns) * (height + band + gap), gap + (i % columns) * (width + gap)
        if titles is not None:
            _write_title(sheet, titles[i], (left, top), width, text_height)
        fitted = _fit(image, height, width)
        top, left = top + band + (height - fitted.shape[0]) // 2, left + (width - fitted.shape[1]) // 2
        sheet[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return sheet


def check_suffix(path: os.PathLike[str] | str) -> None:
    """Refuses a path whose suffix is that of no image format that can be written, before its image is made.

    Raises:
      UserError: it is.
    """
    try:
        writable = cv2.haveImageWriter(os.fspath(path))
    except cv2.error:  # a format that is switched off
        writable = False
    if not writable:
        raise UserError(f"{path}: no image can be written in a format of this suffix; choose .jpg or .png")


def write_image(path: os.PathLike[str] | str, image: np.ndarray) -> None:
    """Writes an RGB uint8 image whole or not at all; the suffix chooses the format.

    Raises:
      UserError: the file cannot be written.
    """
    check_suffix(path)
    with files.atomic_path(path) as temporary:
        if not cv2.imwrite(temporary, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92]):
            raise UserError(f"{path}: cannot be written; free some space or choose another folder")


def _draw_person(
    overlay: np.ndarray,
    points: np.ndarray,
    drawn: np.ndarray,
    hidden: np.ndarray,
    skeleton: Skeleton,
    color: np.ndarray,
) -> None:
    """Draws one person's bones, then its joints, in place. ``points`` [K, 2] are image pixels."""
    # Line widths follow the person's size, within what can be seen and what hides the picture.
    size = np.sqrt(np.prod(np.maximum(np.ptp(points[drawn], axis=0), 4.0)))
    width = float(np.clip(0.028 * size, 1.6, 9.0))
    radius = 0.95 * width + 0.6
    shades = [_shade(color, joint) for joint in skeleton.joints]
    for outline in (True, False):
        for first, second in skeleton.edges:
            if drawn[first] and drawn[second]:
                same_side = skeleton.joints[first].split("_")[0] == skeleton.joints[second].split("_")[0]
                shade = _OUTLINE if outline else shades[first] if same_side else tuple(color)
                bone_width = width * (1.0 if same_side else 0.7)
                # A limb ends at the ring of a hidden joint, which stays hollow so.
                gaps = radius * hidden[[first, second]]
                _draw_bone(overlay, points[first], points[second], gaps, bone_width, shade, outline)
    for joint in np.flatnonzero(drawn):
        _draw_joint(overlay, points[joint], radius, shades[joint], hidden[joint])


def _shade(color: np.ndarray, joint: str) -> _Color:
    """The person's colour for a joint or limb: light on the left, dark on the right, as it is in the middle."""
    side = joint.split("_")[0]
    if side == "left":
        return tuple(0.5 * color + 0.5 * 255.0)
    return tuple(0.72 * color if side == "right" else color)


def _draw_bone(
    overlay: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    gaps: np.ndarray,
    width: float,
    color: _Color,
    outline: bool,
) -> None:
    """A straight limb, slimmer towards both ends; dashed and thinner where it keeps a gap to a hidden joint."""
    length = float(np.linalg.norm(end - start)) - sum(gaps)
    if length < 1e-3:
        return
    along = (end - start) / np.linalg.norm(end - start)
    start = start + along * gaps[0]
    dashed = any(gaps)
    margin = max(0.6, 0.2 * width) if outline else 0.0
    across = np.array([-along[1], along[0]]) * (0.5 * width * (0.6 if dashed else 1.0) + margin)
    count = max(2, round(length / max(3.2 * width, 5.0))) if dashed else 1
    filled = 0.6 if dashed else 1.0
    for i in range(count):
        low = start + along * (length * (i + 0.5 - filled / 2) / count - margin)
        high = start + along * (length * (i + 0.5 + filled / 2) / count + margin)
        waist, taper = (low + high) / 2, 1.0 if dashed else 0.6
        corners = [low + taper * across, waist + across, high + taper * across]
        corners += [high - taper * across, waist - across, low - taper * across]
        cv2.fillConvexPoly(overlay, _fixed(corners), color, cv2.LINE_AA, _SHIFT)


def _draw_joint(overlay: np.ndarray, point: np.ndarray, radius: float, color: _Color, hidden: bool) -> None:
    """A disc, or a ring for a hidden joint, with a dark outline."""
    center = tuple(int(c) for c in _fixed(point))
    if hidden:
        ring = max(1, round(0.4 * radius))
        for thickness, shade in ((ring + max(1, ring // 2 + 1), _OUTLINE), (ring, color)):
            cv2.circle(overlay, center, int(_fixed(max(radius, 3.2))), shade, thickness, cv2.LINE_AA, _SHIFT)
    else:
        for extra, shade in ((max(0.6, 0.25 * radius), _OUTLINE), (0.0, color)):
            cv2.circle(overlay, center, int(_fixed(0.9 * radius + extra)), shade, -1, cv2.LINE_AA, _SHIFT)


def _fixed(values: np.ndarray | Sequence[np.ndarray] | float) -> np.ndarray:
    """Pixels -> cv2's fixed-point integers."""
    return np.round(np.asarray(values) * 2**_SHIFT).astype(np.int32)


def _fit(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The image scaled, aspect kept, to fit [height, width]."""
    scale = min(height / image.shape[0], width / image.shape[1])
    if scale == 1.0:
        return image
    size = max(1, int(image.shape[1] * scale + 1e-6)), max(1, int(image.shape[0] * scale + 1e-6))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1.0 else cv2.INTER_CUBIC)


def _write_title(sheet: np.ndarray, title: str, corner: tuple[int, int], width: int, text_height: int) -> None:
    """Writes a title into the band above a cell, smaller where it would be too long."""
    # OpenCV's fonts have ASCII only; anything else would come out as question marks of its own choosing.
    title = title.encode("ascii", "replace").decode()
    scale = cv2.getFontScaleFromHeight(_FONT, text_height)
    (text_width, _), _ = cv2.getTextSize(title, _FONT, scale, 1)
    scale *= min(1.0, width / max(text_width, 1))
    thickness = max(1, round(scale))
    position = int(corner[0]), int(corner[1] + 1.4 * text_height)
    cv2.putText(sheet, title, position, _FONT, scale, _INK, thickness, cv2.LINE_AA)

"""Light and colour of what is in front at each pixel."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from opec_tf.data.synthetic import textures
from opec_tf.data.synthetic.camera import Camera
from opec_tf.data.synthetic.clothing import Face
from opec_tf.data.synthetic.raycasting import Buffers
from opec_tf.data.synthetic.solids import Material, Polygon, SolidArrays


@dataclasses.dataclass(frozen=True)
class Lighting:
    """A directional light and the sky: direction [3] towards the light (camera frame), strengths, tint RGB."""

    direction: np.ndarray
    key: float
    ambient: float
    tint: tuple[float, ...]


def shade(
    buffers: Buffers,
    solids: SolidArrays,
    polygons: Sequence[Polygon],
    materials: Sequence[Material],
    camera: Camera,
    lighting: Lighting,
    faces: Sequence[Face],
) -> tuple[np.ndarray, np.ndarray]:
    """Colours what is in front.

    Args:
      solids: in the camera's frame.
      faces: painted on solids whose ``face`` is their index.

    Returns:
      color float32 [H, W, 3], 0..1, premultiplied by the mask, and the mask uint8 [H, W], 0 or 1.
    """
    pixel, surface, points = _points_in_front(buffers, camera)
    normal, local = _normals_and_local_points(buffers, surface, points)
    color = _albedo(buffers.solid[surface], local, solids, polygons, materials, faces)
    brightness = _brightness(lighting, points[:, :3], normal)
    brightness *= _crevices(buffers.depth).ravel()[pixel]
    color *= brightness[:, None] * np.asarray(lighting.tint, np.float32)
    height, width = camera.size
    picture = np.zeros((height * width, 3), np.float32)
    picture[pixel] = color
    mask = (buffers.surface >= 0).astype(np.uint8)
    return picture.reshape(height, width, 3), mask


def _points_in_front(buffers: Buffers, camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pixels that show something [N], in the order of their surfaces [N], and the points there [N, 4] with a 1."""
    x, y = camera.rays()
    pixel = np.flatnonzero(buffers.surface.ravel() >= 0)
    surface = buffers.surface.ravel()[pixel]
    order = np.argsort(surface, kind="stable")
    pixel, surface = pixel[order], surface[order]
    z = buffers.depth.ravel()[pixel]
    points = np.empty((len(pixel), 4), np.float32)
    row, width = pixel // camera.size[1], camera.size[1]
    points[:, 0], points[:, 1] = x.astype(np.float32)[pixel - row * width] * z, y.astype(np.float32)[row] * z
    points[:, 2], points[:, 3] = z, 1.0
    return pixel, surface, points


def _normals_and_local_points(
    buffers: Buffers, surface: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Unit normals and local coordinates, [N, 3] each, of points as ``_points_in_front`` orders them."""
    both = np.empty((len(points), 6), np.float32)
    # Each surface's points are one slice, and its maps one small matrix product.
    present, starts = np.unique(surface, return_index=True)
    for q, start, stop in zip(present.tolist(), starts.tolist(), [*starts[1:].tolist(), len(points)]):
        np.matmul(points[start:stop], buffers.point_maps[q], out=both[start:stop])
    normal, local = np.ascontiguousarray(both[:, :3]), np.ascontiguousarray(both[:, 3:])
    normal /= np.sqrt(np.einsum("ni,ni->n", normal, normal))[:, None] + 1e-12
    return normal, local


def _brightness(lighting: Lighting, points: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """How much light points [N, 3] of the camera's frame send to the camera, [N]."""
    light = np.asarray(lighting.direction, np.float32)
    # Half Lambert: skin and cloth scatter light past the terminator, and limbs stay readable in their shade.
    wrapped = np.clip(0.6 * (normal @ light) + 0.4, 0.0, None)
    distance = np.sqrt(np.einsum("ni,ni->n", points, points))
    facing = np.clip(-np.einsum("ni,ni->n", normal, points) / distance, 0.0, 1.0)
    brightness = lighting.key * wrapped + lighting.ambient * (0.8 - 0.2 * normal[:, 1])
    brightness *= 0.62 + 0.38 * facing  # edges darken a little, which parts limb from limb
    return brightness


def _crevices(depth: np.ndarray) -> np.ndarray:
    """Darkening [H, W] of pixels that lie behind their surroundings (Luft et al. 2006, unsharp masking the depth)."""
    side = max(depth.shape[0] // 24, 3) | 1
    known = np.isfinite(depth)
    far = np.max(depth, where=known, initial=1.0) + 0.3
    filled = np.where(known, depth, far).astype(np.float32)
    behind = np.clip(filled - cv2.blur(filled, (side, side)), 0.0, 0.35)
    return 1.0 - 1.3 * behind


def _albedo(
    solid: np.ndarray,
    local: np.ndarray,
    solids: SolidArrays,
    polygons: Sequence[Polygon],
    materials: Sequence[Material],
    faces: Sequence[Face],
) -> np.ndarray:
    """Colour without light, float32 [N, 3], of points with local coordinates [N, 3] on the solids ``solid`` [N]."""
    flat = np.array([material for _, material, _ in polygons], int)
    first = np.concatenate([solids.material, flat])
    beyond = np.concatenate([solids.beyond, flat])
    split = np.concatenate([solids.split, np.full(len(flat), np.inf)]).astype(np.float32)
    girth = np.concatenate([solids.stretch[:, 0] * solids.radius_start, np.zeros(len(flat))]).astype(np.float32)
    index = np.where(local[:, 1] < split[solid], first[solid], beyond[solid])
    base = np.array([m.color for m in materials], np.float32)
    second = np.array([m.second or m.color for m in materials], np.float32)
    tile = np.array([m.tile for m in materials])
    density = np.array([textures.SIDE / m.scale for m in materials], np.float32)
    # Round solids are wrapped: the tile's u runs with the angle round the axis; flat ones use the plane's x.
    size = girth[solid]
    # Not np.arctan2: it may take another code path, and round otherwise, depending on where its arrays lie in memory.
    angle = cv2.phase(-local[:, 2], -local[:, 0])[:, 0]  # from the back, so that the seam is there
    across = np.where(size > 0, angle * size, local[:, 0])
    step = density[index]
    u = (across * step).astype(np.int32) & (textures.SIDE - 1)
    v = (local[:, 1] * step).astype(np.int32) & (textures.SIDE - 1)
    mix = textures.TILES[tile[index], v, u][:, None]
    color = base[index]
    color += (second[index] - color) * mix
    # Folds and unevenness that every material has.
    color *= textures.FOLDS[v, u][:, None]
    marked = np.concatenate([solids.face, np.full(len(flat), -1)])[solid]
    for number, face in enumerate(faces):
        rows = np.flatnonzero(marked == number)
        color[rows] = face.paint(local[rows], color[rows])
    return color

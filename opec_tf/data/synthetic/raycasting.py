"""Ray-casting solids into a z-buffer.

Every surface is met analytically in float32 over its own bounding rectangle, one surface after the other: no triangle
meshes, no per-pixel Python. The depth buffer decides what is seen, and so every joint's true visibility.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from opec_tf.data.synthetic.camera import Camera
from opec_tf.data.synthetic.solids import Polygon, Quadrics, SolidArrays, cross

NEAR = 0.15  # solids nearer to the camera than this are left out, metres


@dataclasses.dataclass(frozen=True)
class Buffers:
    """What is in front at each pixel: depth float32 [H, W], metres (inf: nothing), surface int16 [H, W] (-1: nothing).

    ``point_maps`` [Q, 4, 6] take a point (x, y, z, 1) of surface q in the camera's frame to its outward normal (not of
    unit length) and its solid's local coordinates in metres; ``solid`` [Q] is the row of the solid in ``SolidArrays``,
    followed by the polygons.
    """

    depth: np.ndarray
    surface: np.ndarray
    point_maps: np.ndarray
    solid: np.ndarray


def rasterize(solids: SolidArrays, camera: Camera, polygons: Sequence[Polygon] = ()) -> Buffers:
    """Draws solids (``SolidArrays`` in the camera's frame) and flat polygons (world corners) into ``Buffers``."""
    quadrics = solids.quadrics()
    height, width = camera.size
    depth = np.full((height, width), np.inf, np.float32)
    surface = np.full((height, width), -1, np.int16)
    x, y = camera.rays()
    with np.errstate(invalid="ignore", divide="ignore"):
        _cast(quadrics, _windows(solids, quadrics, camera), x, y, depth, surface)
        flat = [
            _fill(corners, camera, x, y, depth, surface, len(quadrics.solid) + i)
            for i, (corners, _, _) in enumerate(polygons)
        ]
    shift = quadrics.linear - np.einsum("qij,qj->qi", quadrics.matrix, quadrics.center)
    frame = solids.frame[quadrics.solid]
    local_shift = -np.einsum("qij,qj->qi", frame, solids.origin[quadrics.solid])
    normal_maps = np.concatenate([quadrics.matrix, shift[:, :, None]], 2)
    local_maps = np.concatenate([frame, local_shift[:, :, None]], 2)
    if flat:
        normal_maps = np.concatenate([normal_maps, [n for n, _ in flat]])
        local_maps = np.concatenate([local_maps, [m for _, m in flat]])
    solid = np.concatenate([quadrics.solid, len(solids.origin) + np.arange(len(flat))]).astype(np.int32)
    point_maps = np.concatenate([normal_maps, local_maps], 1).transpose(0, 2, 1).astype(np.float32)
    return Buffers(depth, surface, np.ascontiguousarray(point_maps), solid)


def _windows(solids: SolidArrays, quadrics: Quadrics, camera: Camera) -> np.ndarray:
    """Pixel rectangle of each quadric, int [Q, 4]: first column, last + 1, first row, last + 1; empty where unseen."""
    low, high = solids.plane_boxes()
    reach = np.maximum(solids.radius_start, solids.radius_end) * solids.stretch.max(1)
    nearest = (
        np.minimum(solids.origin[:, 2], (solids.origin + solids.frame[:, 1] * solids.length[:, None])[:, 2]) - reach
    )
    height, width = camera.size
    first = np.ceil(np.clip(low * camera.focal + camera.center, -1, [width, height])).astype(int).clip(0)
    last = np.floor(np.clip(high * camera.focal + camera.center, -1, [width, height])).astype(int) + 1
    last = np.minimum(last, [width, height])
    last[nearest < NEAR] = 0
    return np.stack([first[:, 0], last[:, 0], first[:, 1], last[:, 1]], 1)[quadrics.solid]


def _cast(
    quadrics: Quadrics, windows: np.ndarray, x: np.ndarray, y: np.ndarray, depth: np.ndarray, surface: np.ndarray
) -> None:
    """Solves A z^2 + 2 B z + C = 0 along every ray (x, y, 1) z of each quadric's window; the nearer root is the entry.

    The discriminant B^2 - A C, -B, A and the coordinate along the clipping axis are polynomials in the ray of degree
    at most two. They are expanded about the window's middle in float64, since the discriminant would drown in
    cancellation in float32, and evaluated in float32 as (1, dy, dy^2) coefficients (1, dx, dx^2)^T.
    """
    middle = np.stack(
        [x[(windows[:, :2].sum(1) // 2).clip(0, len(x) - 1)], y[(windows[:, 2:].sum(1) // 2).clip(0, len(y) - 1)]], 1
    )
    coefficients = _ray_polynomials(quadrics, middle).astype(np.float32)
    offset = -(quadrics.axis * quadrics.center).sum(1)
    low, high = (np.where(np.isfinite(limit), limit - offset, limit) for limit in quadrics.clip.T)
    clipped = np.isfinite(quadrics.clip[:, 0])
    columns, rows = np.ones((3, len(x)), np.float32), np.ones((3, len(y)), np.float32)  # reused by every window
    for q in np.flatnonzero((windows[:, 1] > windows[:, 0]) & (windows[:, 3] > windows[:, 2])):
        left, right, top, bottom = windows[q]
        x_powers, y_powers = columns[:, : right - left], rows[:, : bottom - top]
        np.subtract(x[left:right], middle[q, 0], out=x_powers[1], casting="same_kind")
        np.multiply(x_powers[1], x_powers[1], out=x_powers[2])
        np.subtract(y[top:bottom], middle[q, 1], out=y_powers[1], casting="same_kind")
        np.multiply(y_powers[1], y_powers[1], out=y_powers[2])
        values = np.matmul(y_powers.T @ coefficients[q, : 4 if clipped[q] else 3], x_powers)
        z = np.sqrt(values[0], out=values[0])  # NaN where the ray misses, and NaN is never nearer
        np.subtract(values[1], z, out=z)
        z /= values[2]
        window = depth[top:bottom, left:right]
        closer = z < window
        if clipped[q]:
            along = np.multiply(values[3], z, out=values[3])
            closer &= along > low[q]
            closer &= along < high[q]
        np.copyto(window, z, where=closer)
        np.copyto(surface[top:bottom, left:right], np.int16(q), where=closer)


def _ray_polynomials(quadrics: Quadrics, middle: np.ndarray) -> np.ndarray:
    """Coefficients [Q, 4, 3, 3] of B^2 - A C, -B, A and the axial coordinate per depth; [i, j] goes with dy^i dx^j.

    dx and dy are a ray's x / z and y / z less ``middle`` [Q, 2].
    """
    matrix, center = quadrics.matrix, quadrics.center
    half_b = quadrics.linear - np.einsum("qij,qj->qi", matrix, center)
    rest = (
        np.einsum("qi,qij,qj->q", center, matrix, center) - 2.0 * (quadrics.linear * center).sum(1) + quadrics.constant
    )
    discriminant = half_b[:, :, None] * half_b[:, None, :] - rest[:, None, None] * matrix
    ray = np.concatenate([middle, np.ones((len(middle), 1))], 1)
    result = np.zeros((len(middle), 4, 3, 3))
    for row, form in ((0, discriminant), (2, matrix)):
        slope = np.einsum("qij,qj->qi", form, ray)
        result[:, row, 0, 0] = (slope * ray).sum(1)
        result[:, row, 0, 1], result[:, row, 1, 0] = 2.0 * slope[:, 0], 2.0 * slope[:, 1]
        result[:, row, 0, 2], result[:, row, 2, 0] = form[:, 0, 0], form[:, 1, 1]
        result[:, row, 1, 1] = 2.0 * form[:, 0, 1]
    for row, vector in ((1, -half_b), (3, quadrics.axis)):
        result[:, row, 0, 0] = (vector * ray).sum(1)
        result[:, row, 0, 1], result[:, row, 1, 0] = vector[:, 0], vector[:, 1]
    return result


def _fill(
    corners: np.ndarray,
    camera: Camera,
    x: np.ndarray,
    y: np.ndarray,
    depth: np.ndarray,
    surface: np.ndarray,
    index: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws one flat polygon; returns its normal map and local map (x, y in the plane, z = 0 on it)."""
    points = camera.to_camera(corners)
    edge, other = points[1] - points[0], points[-1] - points[0]
    normal = cross(edge, other)
    normal /= np.sqrt(normal @ normal) + 1e-12
    along = edge / (np.sqrt(edge @ edge) + 1e-12)
    frame = np.stack([along, cross(normal, along), normal])
    maps = (
        np.concatenate([np.zeros((3, 3)), normal[:, None]], 1),
        np.concatenate([frame, -(frame @ points[0])[:, None]], 1),
    )
    if points[:, 2].min() < NEAR or normal @ points[0] >= 0:  # too near, or seen from behind
        return maps
    pixels = points[:, :2] / points[:, 2:] * camera.focal + camera.center
    height, width = camera.size
    left, top = np.floor(pixels.min(0)).astype(int).clip(0)
    right, bottom = np.minimum(np.ceil(pixels.max(0)).astype(int) + 1, [width, height])
    if right <= left or bottom <= top:
        return maps
    mask = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillConvexPoly(mask, np.round((pixels - [left, top]) * 16).astype(np.int32), 1, shift=4)
    across = (normal[0] * x[left:right] + normal[2]).astype(np.float32)
    z = np.float32(normal @ points[0]) / (across + (normal[1] * y[top:bottom, None]).astype(np.float32))
    window = depth[top:bottom, left:right]
    closer = (mask > 0) & (z < window) & (z > NEAR)
    np.copyto(window, z, where=closer)
    np.copyto(surface[top:bottom, left:right], np.int16(index), where=closer)
    return maps

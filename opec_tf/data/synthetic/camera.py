"""The pinhole camera. Camera frame: x right, y down, z forward (depth), metres; pixels as in poses/geometry.py."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    Attributes:
      rotation: [3, 3] world -> camera; rows are the camera's right, down and forward in world.
      position: [3] world, metres.
      focal: focal length, pixels.
      center: (x, y) of the principal point, pixels.
      size: (height, width) of the picture, pixels.
    """

    rotation: np.ndarray
    position: np.ndarray
    focal: float
    center: tuple[float, float]
    size: tuple[int, int]

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """World points [..., 3] -> camera frame [..., 3]."""
        return (points - self.position) @ self.rotation.T

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World points [..., 3] -> pixels (x, y) [..., 2] and depth [...], metres along the viewing direction."""
        local = self.to_camera(points)
        return local[..., :2] / local[..., 2:] * self.focal + self.center, local[..., 2]

    def scaled(self, factor: float) -> Camera:
        """The same view drawn at ``factor`` times the resolution (pixel centres stay at integers)."""
        x, y = ((c + 0.5) * factor - 0.5 for c in self.center)
        height, width = (int(round(side * factor)) for side in self.size)
        return dataclasses.replace(self, focal=self.focal * factor, center=(x, y), size=(height, width))

    def rays(self) -> tuple[np.ndarray, np.ndarray]:
        """x / z of every column [W] and y / z of every row [H]: the ray of pixel (i, j) is (x[j], y[i], 1)."""
        height, width = self.size
        return (np.arange(width) - self.center[0]) / self.focal, (np.arange(height) - self.center[1]) / self.focal


def look_at(
    target: np.ndarray, azimuth: float, elevation: float, distance: float, roll: float, size: tuple[int, int]
) -> Camera:
    """A camera at ``distance`` from ``target``, seen from ``azimuth`` and ``elevation``; degrees. Focal length 1 pixel.

    Azimuth 0 stands on the +z side of the target, 90 on the +x side; the camera never goes below the ground.
    """
    azimuth, elevation, roll = np.radians([azimuth, elevation, roll])
    offset = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    position = target + distance * offset
    position[1] = max(position[1], 0.08)
    forward = target - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    cosine, sine = np.cos(roll), np.sin(roll)
    rotation = np.stack([cosine * right + sine * down, cosine * down - sine * right, forward])
    height, width = size
    return Camera(rotation, position, 1.0, ((width - 1) / 2.0, (height - 1) / 2.0), size)


def frame(
    target: np.ndarray,
    points: np.ndarray,
    azimuth: float,
    elevation: float,
    distance: float,
    roll: float,
    size: tuple[int, int],
    fill: float,
    jitter: np.ndarray,
) -> Camera:
    """``look_at`` with the focal length and the principal point that make ``points`` [N, 3] fill the picture.

    Args:
      fill: longer side of the points' bounding box as a share of the picture's side; above 1 crops.
      jitter: (x, y) shift of the bounding box's centre as a share of the picture's sides.
    """
    camera = look_at(target, azimuth, elevation, distance, roll, size)
    local = camera.to_camera(points)
    plane = local[:, :2] / local[:, 2:]
    low, high = plane.min(0), plane.max(0)
    height, width = size
    focal = fill / max((high[0] - low[0]) / width, (high[1] - low[1]) / height)
    middle = (low + high) / 2.0 * focal
    center = ((width - 1) / 2.0 + jitter[0] * width - middle[0], (height - 1) / 2.0 + jitter[1] * height - middle[1])
    return dataclasses.replace(camera, focal=focal, center=center)

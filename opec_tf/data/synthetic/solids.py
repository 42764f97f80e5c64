"""Solids of a scene, and the quadric surfaces that they are ray-cast as.

A solid is a rounded cone (the convex hull of two spheres), an ellipsoid, or a convex flat polygon. A rounded cone may
be flattened: it is round in a local frame whose x and z axes are stretched. Its surface is made of three quadrics,
two end caps and a cone clipped along its axis; an ellipsoid is one. Quadrics keep perspective, depth and normals exact.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from opec_tf.data.synthetic.camera import Camera

Color = tuple[float, float, float]  # RGB, 0..1


@dataclasses.dataclass(frozen=True)
class Material:
    """Two colours (RGB, 0..1) mixed by a tile of ``textures.TILES``; ``scale`` is the tile's side in metres."""

    color: Color
    second: Color | None = None
    tile: int = 0
    scale: float = 0.2


def cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cross product of [..., 3] arrays; ``np.cross`` costs several times as much on small ones."""
    a, b, c = first[..., 0], first[..., 1], first[..., 2]
    d, e, f = second[..., 0], second[..., 1], second[..., 2]
    return np.stack([b * f - c * e, c * d - a * f, a * e - b * d], -1)


def _bits(joints: Iterable[int]) -> int:
    return sum(1 << joint for joint in joints)


class Polygon(NamedTuple):
    """A flat convex polygon: corners [N, 3], world, counterclockwise as seen; index of its material; owner."""

    corners: np.ndarray
    material: int
    owner: int


class Solids:
    """A growing list of solids. ``owner`` is the index of a person, or -1 for things.

    Each solid takes ``material`` up to the axial coordinate ``split`` (metres from its start or centre) and ``beyond``
    from there on (a sleeve's end, a hairline). ``joints`` are the indices (crowdpose14) of the joints that a body part
    ends in: it never hides those.
    """

    def __init__(self) -> None:
        self.materials: list[Material] = []
        self.polygons: list[Polygon] = []
        self._rows: list[tuple] = []

    def copy(self) -> Solids:
        """The same solids, to add others to."""
        other = Solids()
        other.materials, other.polygons, other._rows = list(self.materials), list(self.polygons), list(self._rows)
        return other

    def material(self, material: Material) -> int:
        """Adds a material; returns its index."""
        self.materials.append(material)
        return len(self.materials) - 1

    def cone(
        self,
        start: np.ndarray,
        end: np.ndarray,
        radii: tuple[float, float],
        hint: np.ndarray,
        material: int,
        owner: int = -1,
        wide: float = 1.0,
        deep: float = 1.0,
        split: float = np.inf,
        beyond: int = 0,
        face: int = -1,
        joints: tuple[int, ...] = (),
        caps: tuple[bool, bool] = (True, True),
    ) -> None:
        """A rounded cone from ``start`` to ``end`` (spheres of the two ``radii``), stretched ``wide`` times sideways
        and ``deep`` times towards ``hint``, the direction of its local z axis. ``caps``: whether start and end are
        rounded; an end inside another solid need not be, and a skirt's are not."""
        axis = end - start
        height = np.sqrt(axis @ axis)
        self._rows.append(
            (
                start,
                axis / height,
                hint,
                (wide, 1.0, deep),
                radii[0],
                radii[1],
                height,
                material,
                beyond,
                split,
                owner,
                face,
                _bits(joints),
                caps,
            )
        )

    def ellipsoid(
        self,
        center: np.ndarray,
        up: np.ndarray,
        hint: np.ndarray,
        radii: tuple[float, float, float],
        material: int,
        owner: int = -1,
        split: float = np.inf,
        beyond: int = 0,
        face: int = -1,
        joints: tuple[int, ...] = (),
    ) -> None:
        """An ellipsoid with half axes ``radii`` (across, along ``up``, towards ``hint``)."""
        self._rows.append(
            (center, up, hint, radii, 1.0, 1.0, 0.0, material, beyond, split, owner, face, _bits(joints), (True, True))
        )

    def polygon(self, corners: np.ndarray, material: int, owner: int = -1) -> None:
        """A flat convex polygon, seen from the side on which its corners [N, 3] run counterclockwise."""
        self.polygons.append(Polygon(np.asarray(corners, float), material, owner))

    def box(
        self,
        low: tuple[float, float, float],
        high: tuple[float, float, float],
        turn: np.ndarray,
        origin: np.ndarray,
        material: int,
    ) -> None:
        """A box from ``low`` to ``high`` in a frame turned by the rotation ``turn`` [3, 3] and moved to ``origin``."""
        x, y, z = zip(low, high)
        corners = np.array([[x[i], y[j], z[k]] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) @ turn.T + origin
        for face in ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)):
            self.polygon(corners[list(face)], material)

    def arrays(self) -> SolidArrays:
        """The rounded solids as a ``SolidArrays`` in world coordinates."""
        columns = list(zip(*self._rows))
        origin, axis, hint, stretch = (np.array(column, float) for column in columns[:4])
        z = hint - (hint * axis).sum(1, keepdims=True) * axis
        z /= np.sqrt((z**2).sum(1, keepdims=True)) + 1e-12
        numbers = [np.array(column) for column in columns[4:]]
        return SolidArrays(origin, np.stack([cross(axis, z), axis, z], 1), stretch, *numbers)


@dataclasses.dataclass(frozen=True)
class SolidArrays:
    """S rounded solids: origin [S, 3]; frame [S, 3, 3], rows are the local axes; stretch [S, 3]; caps [S, 2];
    the others [S]."""

    origin: np.ndarray
    frame: np.ndarray
    stretch: np.ndarray
    radius_start: np.ndarray
    radius_end: np.ndarray
    length: np.ndarray
    material: np.ndarray
    beyond: np.ndarray
    split: np.ndarray
    owner: np.ndarray
    face: np.ndarray
    joints: np.ndarray
    caps: np.ndarray

    def in_camera(self, camera: Camera) -> SolidArrays:
        """The same solids in the camera's frame."""
        return dataclasses.replace(self, origin=camera.to_camera(self.origin), frame=self.frame @ camera.rotation.T)

    def plane_boxes(self) -> tuple[np.ndarray, np.ndarray]:
        """Silhouette bounds of solids in the camera's frame: (low, high), [S, 2] each, in x / z and y / z.

        Exact for the end caps, by their dual conics; the hull of two caps has the union of their bounds.
        """
        end = self.origin + self.frame[:, 1] * self.length[:, None]
        lows, highs = [], []
        for center, radius, cap in zip((self.origin, end), (self.radius_start, self.radius_end), self.caps.T):
            # An open end is a disc: an ellipsoid without thickness along the axis.
            thickness = self.stretch**2 * np.where(cap[:, None], 1.0, [1.0, 0.0, 1.0])
            covariance = np.einsum("sij,si,sik->sjk", self.frame, thickness, self.frame)
            dual = covariance * (radius**2)[:, None, None] - center[:, :, None] * center[:, None, :]
            middle, last = dual[:, :2, 2], dual[:, 2:, 2]
            root = np.sqrt(np.maximum(middle**2 - dual[:, [0, 1], [0, 1]] * last, 0.0))
            lows.append((middle + root) / last)
            highs.append((middle - root) / last)
        return np.minimum(*lows), np.maximum(*highs)

    def quadrics(self) -> Quadrics:
        """The surfaces of solids in the camera's frame, as ``Quadrics``."""
        local = self.frame / self.stretch[:, :, None]
        gram = local.transpose(0, 2, 1) @ local
        hollow = np.zeros_like(self.origin)
        end = self.origin + self.frame[:, 1] * self.length[:, None]
        long, (start_cap, end_cap) = self.length > 0, self.caps.T
        end_cap = end_cap & long
        index = np.arange(len(self.origin))
        # The cone through both tangent circles: x^2 + z^2 = (apex - slope y)^2 between the circles' heights.
        sine = np.clip((self.radius_start - self.radius_end) / np.maximum(self.length, 1e-9), -0.95, 0.95)
        cosine = np.sqrt(1.0 - sine**2)
        apex, slope = self.radius_start / cosine, sine / cosine
        axis = local[:, 1]
        cone = gram - (1.0 + slope**2)[:, None, None] * axis[:, :, None] * axis[:, None, :]
        clip = np.full((len(index), 2), (-np.inf, np.inf))
        side = np.stack([self.radius_start * sine, self.length + self.radius_end * sine], 1) + [-1e-4, 1e-4]

        def join(start: np.ndarray, end: np.ndarray, body: np.ndarray) -> np.ndarray:
            return np.concatenate([start[start_cap], end[end_cap], body[long]])

        return Quadrics(
            matrix=join(gram, gram, cone),
            center=join(self.origin, end, self.origin),
            linear=join(hollow, hollow, (apex * slope)[:, None] * axis),
            constant=-(join(self.radius_start, self.radius_end, apex) ** 2),
            axis=join(axis, axis, axis),
            clip=join(clip, clip, side),
            solid=join(index, index, index),
        )


@dataclasses.dataclass(frozen=True)
class Quadrics:
    """Q surfaces (p - center)^T matrix (p - center) + 2 linear . (p - center) + constant = 0 in the camera's frame.

    Of each only the part with axis . (p - center) within ``clip`` counts; ``solid`` is the solid it belongs to.
    """

    matrix: np.ndarray
    center: np.ndarray
    linear: np.ndarray
    constant: np.ndarray
    axis: np.ndarray
    clip: np.ndarray
    solid: np.ndarray

"""A person to be built: measures and materials, and solids that belong to it."""

from __future__ import annotations

import dataclasses

import numpy as np

from opec_tf.data.synthetic.body import Pose, Posing
from opec_tf.data.synthetic.clothing import Outfit
from opec_tf.data.synthetic.solids import Solids

# Which ends of a cone are rounded: those that lie inside another part need not be.
START_ROUND, END_ROUND, OPEN = (True, False), (False, True), (False, False)
HEAD, NECK = 12, 13  # indices in crowdpose14; limbs are 0 to 11, in left and right pairs


@dataclasses.dataclass(frozen=True)
class Person:
    """A posed body in its clothes, and the ``Solids`` that it is added to as ``owner``.

    Sizes of parts are shares of ``height``, or of ``girth``, metres, where flesh is meant.
    """

    solids: Solids
    pose: Pose
    outfit: Outfit
    owner: int
    skin: int
    hair: int
    top: int
    bottom: int
    shoes: int
    gloves: int

    @classmethod
    def dressed(cls, solids: Solids, pose: Pose, outfit: Outfit, owner: int) -> Person:
        """A person whose materials are added to the solids."""
        worn = (outfit.skin, outfit.hair, outfit.top, outfit.bottom, outfit.shoes, outfit.gloves)
        return cls(solids, pose, outfit, owner, *(solids.material(material) for material in worn))

    @property
    def posing(self) -> Posing:
        """The rotations of pelvis, chest and head."""
        return self.pose.posing

    @property
    def height(self) -> float:
        """Standing height, metres."""
        return self.posing.shape.height

    @property
    def girth(self) -> float:
        """The height, metres, times the factor on the thickness of the parts."""
        return self.posing.shape.height * self.posing.shape.girth

    def cone(
        self,
        start: np.ndarray,
        end: np.ndarray,
        radii: tuple[float, float],
        hint: np.ndarray,
        material: int,
        *,
        wide: float = 1.0,
        deep: float = 1.0,
        split: float = np.inf,
        beyond: int = 0,
        joints: tuple[int, ...] = (),
        caps: tuple[bool, bool] = (True, True),
    ) -> None:
        """See ``Solids.cone``."""
        self.solids.cone(start, end, radii, hint, material, self.owner, wide, deep, split, beyond, -1, joints, caps)

    def ellipsoid(
        self,
        frame: np.ndarray,
        center: np.ndarray,
        radii: tuple[float, float, float],
        material: int,
        *,
        split: float = np.inf,
        beyond: int = 0,
        face: int = -1,
        joints: tuple[int, ...] = (),
    ) -> None:
        """See ``Solids.ellipsoid``; the columns of ``frame`` [3, 3] are its axes."""
        up, forward = frame[:, 1], frame[:, 2]
        self.solids.ellipsoid(center, up, forward, radii, material, self.owner, split, beyond, face, joints)

"""From a posed skeleton and an outfit to the solids of a person."""

import numpy as np

from opec_tf.data.synthetic import clothing
from opec_tf.data.synthetic.body import rotation
from opec_tf.data.synthetic.solids import cross

_SIGN = (1.0, -1.0)
# Which ends of a cone are rounded: those that lie inside another part need not be.
_START, _END, _NEITHER = (True, False), (False, True), (False, False)
_HEAD, _NECK = 12, 13  # indices in crowdpose14; limbs are 0 to 11, in left and right pairs


def add_person(solids, faces, pose, outfit, owner):
    """Adds a person's solids to ``solids`` (``Solids``) and the painted parts of the head to ``faces``.

    Sizes below are shares of the body height, scaled by girth where flesh is meant.
    """
    figure = _Figure(solids, faces, pose, outfit, owner)
    figure.trunk()
    figure.head()
    for side in (0, 1):
        figure.arm(side)
        figure.leg(side)
    if outfit.skirt:
        figure.skirt()


class _Figure:
    def __init__(self, solids, faces, pose, outfit, owner):
        self.solids, self.faces, self.pose, self.outfit, self.owner = solids, faces, pose, outfit, owner
        self.posing, shape = pose.posing, pose.posing.shape
        self.height, self.female = shape.height, shape.femininity
        self.girth = shape.height * shape.girth
        self.skin, self.hair, self.top, self.bottom, self.shoes, self.gloves = (
            solids.material(m)
            for m in (outfit.skin, outfit.hair, outfit.top, outfit.bottom, outfit.shoes, outfit.gloves)
        )

    def cone(self, start, end, radii, hint, material, **options):
        self.solids.cone(start, end, radii, hint, material, owner=self.owner, **options)

    def ellipsoid(self, frame, center, radii, material, **options):
        self.solids.ellipsoid(center, frame[:, 1], frame[:, 2], radii, material, owner=self.owner, **options)

    def trunk(self):
        """Pelvis, belly, chest, shoulders, neck."""
        posing, g, h, female = self.posing, self.girth, self.height, self.female
        chest, pelvis = posing.chest_rotation, posing.pelvis_rotation
        loose = 1.0 + 0.5 * (self.outfit.loose - 1.0)
        hips = pelvis[:, 0] * 0.036 * g
        center = posing.pelvis + pelvis[:, 1] * 0.014 * h
        self.cone(center + hips, center - hips, (0.060 * g * (1 + 0.04 * female),) * 2, pelvis[:, 2], self.bottom)
        for s in () if self.outfit.skirt else _SIGN:
            self.ellipsoid(
                pelvis,
                posing.pelvis + pelvis @ np.array([s * 0.038, -0.012, -0.026]) * g,
                (0.045 * g, 0.052 * g, 0.044 * g),
                self.bottom,
            )
        belly = posing.pelvis + pelvis[:, 1] * 0.045 * h
        ribs = posing.waist + chest[:, 1] * 0.045 * h
        self.cone(
            belly,
            ribs,
            (0.059 * g * loose, 0.060 * g * loose),
            chest[:, 2],
            self.top,
            wide=1.27 - 0.13 * female,
            caps=_END,
        )
        top = posing.chest - chest[:, 1] * 0.042 * h
        self.cone(
            ribs,
            top,
            (0.059 * g * loose, 0.064 * g * loose),
            chest[:, 2],
            self.top,
            wide=1.36 - 0.09 * female,
            joints=(0, 1, _NECK),
            caps=_END,
        )
        neck, skull = self.pose.joint("neck"), self.pose.skull
        for side, s in enumerate(_SIGN):
            shoulder = self.pose.joints[side]
            self.cone(
                neck - chest[:, 1] * 0.012 * h + chest[:, 0] * s * 0.02 * h,
                shoulder,
                (0.034 * g, 0.033 * g),
                chest[:, 2],
                self.top,
                joints=(side, _NECK),
                caps=_END,
            )
            if female:
                bust = top + chest @ np.array([s * 0.040, -0.004, 0.040]) * g
                self.ellipsoid(chest, bust, (0.038 * g, 0.036 * g, (0.026 + 0.016 * female) * g), self.top)
        self.cone(
            neck - chest[:, 1] * 0.01 * h,
            skull + self.posing.head_rotation[:, 1] * 0.03 * h,
            (0.034 * g, 0.030 * g),
            chest[:, 2],
            self.skin,
            joints=(_NECK,),
            caps=_NEITHER,
        )

    def head(self):
        """Skull, jaw, nose, ears and hair."""
        h, frame, outfit = self.height, self.posing.head_rotation, self.outfit

        def at(x, y, z):
            return self.pose.skull + frame @ (np.array([x, y, z]) * h)

        number, top = len(self.faces), (_HEAD,)
        self.faces += [clothing.Face(outfit, h, jaw=False), clothing.Face(outfit, h, jaw=True)]
        hairy = outfit.hairstyle != "bald"
        self.ellipsoid(
            frame,
            at(0, 0.081, 0.002),
            (0.043 * h, 0.053 * h, 0.054 * h),
            self.skin,
            face=number,
            joints=top,
            split=0.034 * h if hairy else np.inf,
            beyond=self.hair,
        )
        self.ellipsoid(
            frame, at(0, 0.046, 0.014), (0.036 * h, 0.046 * h, 0.040 * h), self.skin, face=number + 1, joints=top
        )
        self.cone(at(0, 0.072, 0.053), at(0, 0.056, 0.062), (0.006 * h, 0.009 * h), frame[:, 0], self.skin)
        for s in _SIGN:
            self.ellipsoid(frame, at(s * 0.043, 0.066, 0.0), (0.007 * h, 0.016 * h, 0.011 * h), self.skin)
        if hairy:
            self._hair(at, frame)

    def _hair(self, at, frame):
        """Hair of the outfit's style on a head; ``at`` places points in the head's frame, in shares of the height."""
        h, style, top = self.height, self.outfit.hairstyle, (_HEAD,)
        self.ellipsoid(frame, at(0, 0.091, -0.009), (0.0475 * h, 0.051 * h, 0.054 * h), self.hair, joints=top)
        self.ellipsoid(frame, at(0, 0.058, -0.022), (0.043 * h, 0.046 * h, 0.037 * h), self.hair, joints=top)
        if style == "long":
            for s in _SIGN:
                self.cone(
                    at(s * 0.030, 0.085, -0.018),
                    at(s * 0.034, -0.015, -0.030),
                    (0.024 * h, 0.022 * h),
                    frame[:, 2],
                    self.hair,
                    joints=top,
                )
            self.cone(
                at(0, 0.07, -0.035),
                at(0, -0.03, -0.045),
                (0.036 * h, 0.026 * h),
                frame[:, 2],
                self.hair,
                wide=1.4,
                joints=top,
            )
        elif style == "tail":
            self.cone(
                at(0, 0.092, -0.062), at(0, 0.0, -0.082), (0.022 * h, 0.012 * h), frame[:, 2], self.hair, joints=top
            )
        elif style == "bun":
            self.ellipsoid(frame, at(0, 0.125, -0.045), (0.026 * h,) * 3, self.hair, joints=top)

    def arm(self, side):
        """Upper arm, forearm and hand, with sleeves."""
        g, outfit = self.girth, self.outfit
        shoulder, elbow, wrist = self.pose.joints[[side, 2 + side, 4 + side]]
        chest = self.posing.chest_rotation
        hint = chest[:, 2]
        lean = 1.0 - 0.1 * self.female
        upper, lower = np.clip([outfit.sleeve, outfit.sleeve - 1.0], 0.0, 1.0)
        shape = self.posing.shape
        wide = outfit.loose if outfit.sleeve > 0 else 1.0
        self.cone(
            shoulder,
            elbow,
            (0.0305 * g * lean * wide, 0.0225 * g * lean * (wide if upper == 1 else 1.0)),
            hint,
            self.top if upper > 0 else self.skin,
            split=upper * shape.length("upper_arm") if upper < 1 else np.inf,
            beyond=self.skin,
            joints=(side, 2 + side),
            caps=_START,
        )
        self.cone(
            elbow,
            wrist,
            (0.0235 * g * lean * (wide if lower > 0 else 1.0), 0.0150 * g * (wide if lower > 0 else 1.0)),
            hint,
            self.top if lower > 0 else self.skin,
            split=lower * shape.length("forearm") if lower > 0 else np.inf,
            beyond=self.skin,
            deep=1.1,
            joints=(2 + side, 4 + side),
        )
        self._hand(side, wrist, (wrist - elbow) / shape.length("forearm"))

    def _hand(self, side, wrist, forearm):
        """A hand or boxing glove at the end of a forearm of the given direction."""
        h, chest = self.height, self.posing.chest_rotation
        wanted = self.posing.hand_hints[side]
        axis = forearm if np.isnan(wanted[0]) else forearm + 0.9 * wanted / (np.linalg.norm(wanted) + 1e-9)
        axis = axis / np.linalg.norm(axis)
        if self.posing.gloves:
            self.cone(
                wrist, wrist + axis * 0.058 * h, (0.024 * h, 0.037 * h), chest[:, 2], self.gloves, joints=(4 + side,)
            )
            return
        thumb = chest[:, 2] + 0.3 * chest[:, 1]
        thumb = thumb - (thumb @ axis) * axis
        thumb /= np.linalg.norm(thumb) + 1e-9
        frame = np.stack([thumb, axis, cross(thumb, axis)], 1)
        self.ellipsoid(
            frame, wrist + axis * 0.034 * h, (0.0235 * h, 0.031 * h, 0.0125 * h), self.skin, joints=(4 + side,)
        )
        self.ellipsoid(frame, wrist + axis * 0.072 * h, (0.0205 * h, 0.032 * h, 0.0095 * h), self.skin)
        self.cone(
            wrist + (axis * 0.022 + thumb * 0.012) * h,
            wrist + (axis * 0.056 + thumb * 0.033) * h,
            (0.009 * h, 0.0075 * h),
            frame[:, 2],
            self.skin,
            caps=_END,
        )

    def leg(self, side):
        """Thigh, shin and foot, with trousers or shorts."""
        g, h, outfit = self.girth, self.height, self.outfit
        hip, knee, ankle = self.pose.joints[[6 + side, 8 + side, 10 + side]]
        shape, pelvis = self.posing.shape, self.posing.pelvis_rotation
        bare = bool(outfit.skirt)
        # Under a skirt the top of the thigh has the skirt's cloth, for where the thigh pushes it up.
        upper, lower = (0.35, 0.0) if bare else np.clip([outfit.leg, outfit.leg - 1.0], 0.0, 1.0)
        cuff = outfit.loose if lower > 0 else 1.0
        self.cone(
            hip,
            knee,
            (0.0505 * g * (1 + 0.05 * self.female), 0.033 * g * cuff),
            pelvis[:, 2],
            self.bottom if upper > 0 else self.skin,
            split=upper * shape.length("thigh") if upper < 1 else np.inf,
            beyond=self.skin,
            joints=(6 + side, 8 + side),
        )
        thick = (0.0315 * g * cuff, (0.0255 if lower > 0 else 0.0205) * g * cuff)
        cover, end = (self.bottom, lower * shape.length("shin")) if lower > 0 else (self.skin, np.inf)
        self.cone(
            knee,
            ankle,
            thick,
            pelvis[:, 2],
            cover,
            split=end,
            beyond=self.skin,
            joints=(8 + side, 10 + side),
            caps=_END,
        )
        shin = (ankle - knee) / shape.length("shin")
        forward, up = self._foot(side, shin)
        calf = knee + shin * 0.075 * h - forward * 0.011 * g
        self.solids.ellipsoid(
            calf,
            shin,
            forward,
            (0.0305 * g * cuff, 0.07 * h, 0.0315 * g * cuff),
            cover,
            owner=self.owner,
            joints=(8 + side, 10 + side),
        )
        self.cone(
            ankle - up * 0.021 * h - forward * 0.022 * h,
            ankle - up * 0.028 * h + forward * 0.095 * h,
            (0.0235 * h, 0.0165 * h),
            up,
            self.shoes,
            wide=1.25,
            joints=(10 + side,),
        )
        self.cone(
            ankle + up * 0.008 * h,
            ankle - up * 0.014 * h + forward * 0.045 * h,
            (0.0235 * h, 0.019 * h),
            up,
            self.shoes,
            joints=(10 + side,),
        )

    def _foot(self, side, shin):
        """(forward, up) of a foot: flat on the ground or heel up where it stands, else at an angle to the shin."""
        posing = self.posing
        pitch = posing.foot_pitch[side]
        if posing.grounded[side]:
            frame = rotation(pitch=pitch, yaw=posing.facing + _SIGN[side] * posing.foot_yaw[side])
            return frame[:, 2], frame[:, 1]
        forward = posing.pelvis_rotation[:, 2]
        # A thigh or shin that points forward carries its foot upwards: the body's up stands in.
        forward = forward - 0.8 * (forward @ shin) * posing.pelvis_rotation[:, 1]
        forward = forward - (forward @ shin) * shin
        forward /= np.linalg.norm(forward) + 1e-9
        turned = np.cos(np.radians(pitch)) * forward + np.sin(np.radians(pitch)) * shin
        return turned, np.sin(np.radians(pitch)) * forward - np.cos(np.radians(pitch)) * shin

    def skirt(self):
        """Two open cones, from the waist over the hips and on towards the knees."""
        posing, g = self.posing, self.girth
        knees = self.pose.joints[[8, 9]]
        spread = np.linalg.norm(knees[0] - knees[1]) / 2.0
        down = knees.mean(0) - posing.pelvis
        waist = posing.pelvis + posing.pelvis_rotation[:, 1] * 0.065 * self.height
        hips = posing.pelvis - posing.pelvis_rotation[:, 1] * 0.01 * self.height
        hem = posing.pelvis + down * self.outfit.skirt * 1.7
        width = max(0.095 * g, min(spread * self.outfit.skirt + 0.07 * g, 0.14 * g))
        for start, end, radii in ((waist, hips, (0.063 * g, 0.081 * g)), (hips, hem, (0.081 * g, width))):
            self.cone(start, end, radii, posing.pelvis_rotation[:, 2], self.bottom, wide=1.32, caps=_NEITHER)

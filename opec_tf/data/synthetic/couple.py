"""One picture of a couple: who, doing what, where, seen from where; and its exact annotations."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from opec_tf.data.synthetic import (
    background,
    camera as cameras,
    clothing,
    contact,
    figure,
    interactions,
    objects,
    shading,
    textures,
)
from opec_tf.data.synthetic.body import Pose
from opec_tf.data.synthetic.body_shape import sample_shape
from opec_tf.data.synthetic.raycasting import Buffers, rasterize
from opec_tf.data.synthetic.solids import SolidArrays, Solids
from opec_tf.poses import skeletons
from opec_tf.poses.boxes import iou

SUPERSAMPLE = 1.25  # figures are drawn at this multiple of the picture's resolution and averaged down
_BACKGROUND_SCALE = 0.7  # ... and the background at this one: a lens has the couple in focus

# Depth of each joint below the surface of its own body part, as a share of the height: what lies no more than this
# (and a little for clothes) in front of a joint is the joint's own part. Order of crowdpose14.
_DEPTHS = np.array([0.045, 0.045, 0.028, 0.028, 0.022, 0.022, 0.075, 0.075, 0.040, 0.040, 0.032, 0.032, 0.030, 0.045])
_TOLERANCE = 0.02  # metres
_NOBODY, _SELF, _PARTNER, _THING = range(len(skeletons.HIDERS))
_ATTACHED_DEPTH = 0.08  # how far a part that ends in a joint may lie in front of it, share of the height

_MIN_VISIBLE = 4  # joints of each person; with less nobody would take the picture, or could label it

# Chance of keeping a view by the IoU of the two boxes (first row: IoU).
_VIEW_CHANCE = ((0.0, 0.2, 0.32, 0.45, 0.6, 0.75, 1.0), (0.02, 0.08, 0.7, 1.0, 0.5, 0.1, 0.03))


@dataclasses.dataclass(frozen=True)
class Couple:
    """A finished picture.

    Attributes:
      image: uint8 [S, S, 3] RGB.
      keypoints: float [2, 14, 3] (x, y, v) in pixels; v 2 visible, 1 hidden, 0 outside the picture (then x = y = 0).
      hidden_by: int [2, 14], who hides each joint, an index into skeletons.HIDERS.
      boxes: float [2, 4] (x, y, w, h): bounds of each whole silhouette, hidden parts too, clipped to the picture.
      interaction: its kind.
    """

    image: np.ndarray
    keypoints: np.ndarray
    hidden_by: np.ndarray
    boxes: np.ndarray
    interaction: str


def make_couple(
    rng: np.random.Generator, image_size: int, new_kinds: bool = False, new_clothes: bool = False
) -> Couple:
    """Draws everything of one picture from ``rng``, with the reserved interaction kinds or clothes or without."""
    kind = interactions.draw_kind(rng, new_kinds)
    poses = interactions.pose_pair(rng, kind, (sample_shape(rng), sample_shape(rng)))
    solids, faces = Solids(), []
    for owner, pose in enumerate(poses):
        outfit = clothing.sample_outfit(rng, pose.posing.shape.femininity, new_clothes)
        figure.add_person(solids, faces, pose, outfit, owner)
        if pose.posing.seat:
            objects.seat(rng, solids, pose.posing)
    scene = _shoot(rng, solids, poses, (image_size, image_size))
    camera, fine, solids = scene.camera, scene.fine, scene.solids

    light = _light(rng, camera)
    lighting = shading.Lighting(
        camera.rotation @ light, rng.uniform(0.6, 1.05), rng.uniform(0.4, 0.7), tuple(1.0 + rng.normal(0, 0.05, 3))
    )
    color, mask = shading.shade(scene.buffers, scene.local, solids.polygons, solids.materials, fine, lighting, faces)
    shadows = [np.concatenate(parts) for parts in zip(*(contact.capsules(pose) for pose in poses))]
    target = np.concatenate([pose.joints for pose in poses]).mean(0)
    behind = background.paint(rng, camera.scaled(_BACKGROUND_SCALE), target, light, shadows)
    behind *= lighting.key * 0.55 + lighting.ambient * 0.75
    image = _develop(rng, color, mask, behind, (image_size, image_size))
    return Couple(image, scene.keypoints, scene.hidden_by, scene.boxes, kind)


@dataclasses.dataclass(frozen=True)
class _Scene:
    """A couple in its place: the picture's camera and the finer one that ``buffers`` were drawn with, all solids and
    the round ones in the finer camera's frame, and the labels."""

    camera: cameras.Camera
    fine: cameras.Camera
    solids: Solids
    local: SolidArrays
    buffers: Buffers
    boxes: np.ndarray
    keypoints: np.ndarray
    hidden_by: np.ndarray


def _shoot(
    rng: np.random.Generator, figures: Solids, poses: Sequence[Pose], size: tuple[int, int], attempts: int = 4
) -> _Scene:
    """Chooses a view and things around the couple (``Solids``) such that something of both people is seen."""
    people = figures.arrays()
    for _ in range(attempts):
        camera, boxes = _choose_view(rng, poses, people, size)
        solids = figures.copy()
        _add_objects(rng, solids, camera, poses)
        fine = camera.scaled(SUPERSAMPLE)
        local = solids.arrays().in_camera(fine)
        buffers = rasterize(local, fine, solids.polygons)
        labels = [annotate(pose, i, camera, fine, buffers, local) for i, pose in enumerate(poses)]
        keypoints, hidden_by = (np.stack(part) for part in zip(*labels))
        if (keypoints[..., 2] == skeletons.VISIBLE).sum(1).min() >= _MIN_VISIBLE:
            break
    return _Scene(camera, fine, solids, local, buffers, boxes, keypoints, hidden_by)


def annotate(
    pose: Pose,
    owner: int,
    camera: cameras.Camera,
    fine: cameras.Camera,
    buffers: Buffers,
    solids: SolidArrays,
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints [14, 3] (x, y, v) of a pose, and who hides each, int [14], an index into skeletons.HIDERS.

    A joint inside the picture is visible where nothing lies in front of the body part around it, or where what lies in
    front ends in this very joint and lies near (an upper arm that points at the camera does not hide its shoulder).

    Args:
      pose: ``Pose`` of person number ``owner``.
      camera: ``Camera`` of the picture: the frame of x and y.
      fine: the camera that ``buffers`` were drawn with.
      buffers: of the whole scene.
      solids: its ``SolidArrays``.
    """
    points, distance = camera.project(pose.joints)
    height, width = camera.size
    inside = ((points > -0.5) & (points < [width - 0.5, height - 0.5])).all(1)
    pixels = np.round(fine.project(pose.joints)[0]).astype(int)
    rows, columns = (pixels[:, axis].clip(0, buffers.depth.shape[1 - axis] - 1) for axis in (1, 0))
    # The last entry, -1, stands for polygons and for nothing at all: they end in no joint.
    front = buffers.solid[buffers.surface[rows, columns]]
    front = np.where((buffers.surface[rows, columns] >= 0) & (front < len(solids.joints)), front, -1)
    ends_here = (solids.joints[front] >> np.arange(len(front))) & 1
    whose = np.where(front >= 0, solids.owner[front], -1)  # flat things are nobody's
    attached = (whose == owner) & (ends_here == 1)
    shape = pose.posing.shape
    allowance = _DEPTHS * shape.height * max(shape.girth, 1.0) + _TOLERANCE + _ATTACHED_DEPTH * shape.height * attached
    visible = buffers.depth[rows, columns] > distance - allowance
    flag = np.where(visible, skeletons.VISIBLE, skeletons.OCCLUDED) * inside
    hider = np.where(whose == owner, _SELF, np.where(whose >= 0, _PARTNER, _THING))
    keypoints = np.concatenate([points * inside[:, None], flag[:, None]], 1)
    return keypoints, np.where(flag == skeletons.OCCLUDED, hider, _NOBODY)


def _choose_view(
    rng: np.random.Generator, poses: Sequence[Pose], people: SolidArrays, size: tuple[int, int], attempts: int = 12
) -> tuple[cameras.Camera, np.ndarray]:
    """A camera that has the couple in the picture, and the people's boxes [2, 4] in it.

    Views along the line of the two, where one covers the other, and views in which they hardly overlap are mostly
    drawn again: pictures of couples are taken where the interaction is seen.
    """
    points = np.concatenate([pose.joints for pose in poses])
    target = (points.min(0) + points.max(0)) / 2.0
    for _ in range(attempts):
        elevation = rng.uniform(-3, 12) if rng.random() < 0.6 else rng.uniform(8, 38)
        distance = np.exp(rng.uniform(np.log(2.6), np.log(8.0)))
        fill = rng.uniform(0.7, 0.93) if rng.random() < 0.87 else rng.uniform(0.93, 1.25)
        camera = cameras.frame(
            target,
            points,
            rng.uniform(0, 360),
            elevation,
            distance,
            rng.normal(0, 4.0),
            size,
            fill,
            rng.uniform(-0.04, 0.04, 2),
        )
        boxes = person_boxes(people, camera)
        if rng.random() < np.interp(iou(boxes[:1], boxes[1:])[0, 0], *_VIEW_CHANCE):
            break
    return camera, boxes


def person_boxes(people: SolidArrays, camera: cameras.Camera) -> np.ndarray:
    """Boxes [2, 4] (x, y, w, h) of the silhouettes of solids owned by person 0 and 1, clipped to the picture."""
    low, high = people.in_camera(camera).plane_boxes()
    edge = np.array(camera.center) + 0.5  # pixel coordinates to box coordinates, whose 0 is the picture's edge
    boxes = []
    for owner in (0, 1):
        corner = np.clip(low[people.owner == owner].min(0) * camera.focal + edge, 0, camera.size[::-1])
        opposite = np.clip(high[people.owner == owner].max(0) * camera.focal + edge, 0, camera.size[::-1])
        boxes.append(np.concatenate([corner, opposite - corner]))
    return np.stack(boxes)


def _add_objects(rng: np.random.Generator, solids: Solids, camera: cameras.Camera, poses: Sequence[Pose]) -> None:
    """Puts some things behind the couple and, in half of the pictures, one or two in front."""
    joints = np.concatenate([pose.joints for pose in poses])
    middle = joints.mean(0) * [1, 0, 1]
    towards = (camera.position - middle) * [1, 0, 1]
    distance = np.linalg.norm(towards)
    towards /= distance
    aside = np.array([towards[2], 0.0, -towards[0]])
    front = ((joints - middle) @ towards).max()
    for _ in range(rng.choice(3, p=(0.6, 0.3, 0.1))):
        near = front + rng.uniform(0.25, 0.25 + 0.3 * distance)
        if near < 0.6 * distance:
            place = middle + towards * near + aside * rng.normal(0.0, 0.5) * (1.0 - near / distance)
            objects.FOREGROUND[rng.choice(len(objects.FOREGROUND))](rng, solids, place)
    back = ((joints - middle) @ towards).min()
    for _ in range(rng.integers(0, 4)):
        place = middle + towards * (back - rng.uniform(0.5, 3.0)) + aside * rng.uniform(-1.8, 1.8)
        objects.BACKGROUND[rng.choice(len(objects.BACKGROUND))](rng, solids, place)


def _light(rng: np.random.Generator, camera: cameras.Camera) -> np.ndarray:
    """A direction towards the light, mostly from above and from the camera's side; world [3]."""
    turn = rng.uniform(-1.9, 1.9)
    back = -camera.rotation[2] * [1, 0, 1]
    side = camera.rotation[0] * [1, 0, 1]
    light = np.cos(turn) * back + np.sin(turn) * side + [0, rng.uniform(0.5, 1.6), 0]
    return light / np.linalg.norm(light)


def _develop(
    rng: np.random.Generator, color: np.ndarray, mask: np.ndarray, behind: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Puts the figures onto the background at ``size`` (width, height) and adds a camera's faults; uint8 [H, W, 3]."""
    alpha = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    picture = cv2.resize(behind, size, interpolation=cv2.INTER_LINEAR)
    picture *= 1.0 - alpha[:, :, None]
    picture += cv2.resize(color, size, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.35:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.1))
    gain, gamma = rng.uniform(0.8, 1.2), rng.uniform(0.8, 1.2)
    noise = rng.choice([0.0, rng.uniform(1, 5), rng.uniform(5, 11)], p=(0.3, 0.5, 0.2))
    levels = (np.clip(np.arange(256) / 200.0 * gain, 0, 1) ** gamma * 255.0).astype(np.float32)
    picture = cv2.LUT(cv2.convertScaleAbs(picture, alpha=200.0), levels)
    if noise:
        rows, columns = (
            (start + np.arange(side)) % len(textures.GRAIN)
            for start, side in zip(rng.integers(0, len(textures.GRAIN), 2), picture.shape)
        )
        picture += textures.GRAIN[rows[:, None], columns, None] * np.float32(noise)
    return np.clip(picture, 0, 255).astype(np.uint8)

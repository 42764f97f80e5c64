"""A tiny data set for tests of training: couples of stick figures in CrowdPose format, drawn in milliseconds."""

import json
import pathlib

import cv2
import numpy as np

from opec_tf.poses import skeletons

SKELETON = skeletons.CROWDPOSE14
SOURCE = "crowdpose:annotations.json:images"
_SIDE = 128
# A standing figure about the origin, y down, of height 1; CrowdPose's order.
_STANDING = np.array(
    [
        [0.1, -0.3],
        [-0.1, -0.3],
        [0.16, -0.12],
        [-0.16, -0.12],
        [0.2, 0.04],
        [-0.2, 0.04],
        [0.07, 0.05],
        [-0.07, 0.05],
        [0.08, 0.27],
        [-0.08, 0.27],
        [0.09, 0.5],
        [-0.09, 0.5],
        [0.0, -0.5],
        [0.0, -0.36],
    ]
)


def write(folder, num_images, seed=0):
    """Writes ``num_images`` pictures of two people each, and annotations.json; returns the folder."""
    folder = pathlib.Path(folder)
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(seed)
    images, people = [], []
    for image_id in range(1, num_images + 1):
        picture = rng.integers(20, 90, (_SIDE, _SIDE, 3), np.uint8)
        centers = _SIDE * (0.5 + np.array([[-0.13, 0.0], [0.13, 0.0]]) + rng.uniform(-0.03, 0.03, (2, 2)))
        couple = [center + 90 * (_STANDING + rng.normal(0, 0.04, _STANDING.shape)) for center in centers]
        for points, shade in zip(couple, (np.array([255, 160, 60]), np.array([60, 160, 255]))):
            for first, second in SKELETON.edges:
                start, end = (tuple(map(int, points[i])) for i in (first, second))
                cv2.line(picture, start, end, (0.6 * shade).tolist(), 5)
            for joint, point in enumerate(points):
                cv2.circle(picture, tuple(map(int, point)), 3, (shade * (0.5 + joint / 28)).tolist(), -1)
        cv2.imwrite(str(folder / "images" / f"{image_id}.png"), picture)
        size = {"height": _SIDE, "width": _SIDE}
        images.append({"id": image_id, "file_name": f"{image_id}.png", **size, "crowdIndex": 0.5})
        # The second figure is drawn over the first, whose nearby joints are hidden.
        hidden = np.linalg.norm(couple[0][:, None] - couple[1][None], axis=-1).min(axis=1) < 10
        people += [_person(2 * image_id, image_id, couple[0], hidden), _person(2 * image_id + 1, image_id, couple[1])]
    category = {"id": 1, "name": "person", "keypoints": list(SKELETON.joints), "skeleton": []}
    content = {"images": images, "annotations": people, "categories": [category]}
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


def _person(annotation_id, image_id, points, hidden=None):
    low, high = points.min(axis=0) - 4, points.max(axis=0) + 4
    visibility = np.full(len(points), 2) if hidden is None else np.where(hidden, 1, 2)
    joints = [value for (x, y), v in zip(points.tolist(), visibility.tolist()) for value in (x, y, v)]
    box = [*low.tolist(), *(high - low).tolist()]
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "num_keypoints": 12,
        "bbox": box,
        "keypoints": joints,
    }

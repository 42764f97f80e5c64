"""A tiny COCO-format data set with masks that tests make: a striped block of a person in each picture."""

import json

import cv2
import numpy as np
from pycocotools import mask as rle

from opec_tf.poses.skeletons import CROWDPOSE14

# Joints of a standing person 100 high, relative to the middle of the head's top, in the order of CROWDPOSE14.
STANDING = np.array(
    [
        *([10, 18], [-10, 18], [12, 34], [-12, 34], [12, 48], [-12, 48]),
        *([8, 50], [-8, 50], [8, 74], [-8, 74], [8, 98], [-8, 98], [0, 0], [0, 16]),
    ],
    float,
)
# The block around it: x, y, width, height relative to the same point.
BLOCK = (-20, -4, 40, 108)
FORMS = ("polygon", "runs", "compressed")


def mask_of(place, size):
    """The block as a mask, uint8 [h, w]: ``place`` (x, y) of the head, ``size`` (h, w)."""
    mask = np.zeros(size, np.uint8)
    x, y = place[0] + BLOCK[0], place[1] + BLOCK[1]
    mask[max(y, 0) : y + BLOCK[3], max(x, 0) : x + BLOCK[2]] = 1
    return mask


def segmentation(mask, form):
    """A rectangular mask in one of COCO's three forms."""
    if form == "polygon":
        x, y, width, height = cv2.boundingRect(mask)
        return [[x, y, x + width, y, x + width, y + height, x, y + height]]
    if form == "compressed":
        runs = rle.encode(np.asfortranarray(mask))
        return {"size": runs["size"], "counts": runs["counts"].decode()}
    changes = np.flatnonzero(np.diff(mask.ravel(order="F"), prepend=0)).tolist()
    return {"size": list(mask.shape), "counts": np.diff([0, *changes, mask.size]).tolist()}


def annotation(number, place, size, form="polygon"):
    """A person of CrowdPose's joints, all labelled as visible."""
    mask = mask_of(place, size)
    points = np.concatenate([STANDING + place, np.full([14, 1], 2)], axis=1)
    return {
        "id": number,
        "image_id": number,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": list(map(float, cv2.boundingRect(mask))),
        "area": float(mask.sum()),
        "keypoints": points.ravel().tolist(),
        "segmentation": segmentation(mask, form),
    }


def write(folder, count):
    """Writes ``count`` pictures of one person each, masks in all three forms; returns the file and the image folder."""
    rng = np.random.default_rng(5)
    images, people = [], []
    (folder / "images").mkdir(parents=True)
    for number in range(1, count + 1):
        height, width = 150 + 2 * (number % 7), 130 + 3 * (number % 5)
        place = np.array([width // 2, 24 + number % 9])
        picture = rng.integers(0, 256, [height // 8, width // 8, 3], np.uint8)
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
        picture[mask_of(place, (height, width)) > 0] = rng.integers(0, 256, 3)
        name = f"{number}.png"
        cv2.imwrite(str(folder / "images" / name), picture)
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        people.append(annotation(number, place, (height, width), FORMS[number % 3]))
    category = {"id": 1, "name": "person", "keypoints": list(CROWDPOSE14.joints)}
    path = folder / "people.json"
    path.write_text(json.dumps({"images": images, "annotations": people, "categories": [category]}))
    return path, folder / "images"

"""A generated data set as a CrowdPose file."""

from __future__ import annotations

import pathlib

import numpy as np

from opec_tf.data import generated
from opec_tf.data.synthetic import worker
from opec_tf.evaluation import occlusion
from opec_tf.poses import skeletons


def content(pictures: list[worker.Picture], records: list[worker.Record], image_size: int) -> dict[str, list[dict]]:
    """The CrowdPose-format dict of rendered pictures, with two fields more: an image's ``interaction``, and true
    visibility of head and neck too."""
    images, annotations = [], []
    for picture, record in zip(pictures, records):
        images.append(_image(picture, record, image_size))
        keypoints = np.array(record["keypoints"])
        for person in range(2):
            if (keypoints[person, :, 2] > 0).any():
                of_image = images[-1]["id"]
                annotations.append(_person(person, keypoints[person], record["boxes"][person], of_image))
    skeleton = skeletons.CROWDPOSE14
    category = {
        "supercategory": "person",
        "id": 1,
        "name": "person",
        "keypoints": list(skeleton.joints),
        "skeleton": (skeleton.edges + 1).tolist(),
    }
    return {"images": images, "annotations": annotations, "categories": [category]}


def _image(picture: worker.Picture, record: worker.Record, image_size: int) -> dict:
    crowd_index = occlusion.crowd_index(np.array(record["boxes"]), np.array(record["keypoints"]))
    return {
        "file_name": pathlib.Path(picture.path).name,
        "id": generated.image_id(picture.split, picture.number),
        "height": image_size,
        "width": image_size,
        "crowdIndex": round(crowd_index, 4),
        "interaction": record["interaction"],
    }


def _person(person: int, keypoints: np.ndarray, box: list[float], of_image: int) -> dict:
    return {
        # CrowdPose counts the 12 body joints only.
        "num_keypoints": int((keypoints[:12, 2] > 0).sum()),
        "iscrowd": 0,
        "keypoints": keypoints.ravel().tolist(),
        "image_id": of_image,
        "bbox": box,
        "category_id": 1,
        "id": 2 * of_image + person,
    }

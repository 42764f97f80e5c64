"""A generated data set as a CrowdPose file."""

from __future__ import annotations

import pathlib

import numpy as np

from opec_tf.data import generated
from opec_tf.data.synthetic import interactions, worker
from opec_tf.evaluation import occlusion
from opec_tf.poses import skeletons
from opec_tf.poses.pose_annotations import HIDER_FIELD


def content(pictures: list[worker.Picture], records: list[worker.Record], image_size: int) -> dict[str, list[dict]]:
    """The CrowdPose-format dict of rendered pictures, with true visibility of head and neck too, and with fields more:
    an image's ``interaction`` and its ``family``, and a person's ``hidden_by``."""
    images, annotations = [], []
    for picture, record in zip(pictures, records):
        images.append(_image(picture, record, image_size))
        keypoints = np.array(record["keypoints"])
        for person in range(2):
            if (keypoints[person, :, 2] > 0).any():
                of_image = images[-1]["id"]
                annotations.append(_person(person, keypoints[person], record, of_image))
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
        "family": interactions.FAMILY_OF[record["interaction"]],
    }


def _person(person: int, keypoints: np.ndarray, record: worker.Record, of_image: int) -> dict:
    return {
        # CrowdPose counts the 12 body joints only.
        "num_keypoints": int((keypoints[:12, 2] > 0).sum()),
        "iscrowd": 0,
        "keypoints": keypoints.ravel().tolist(),
        HIDER_FIELD: record["hidden_by"][person],
        "image_id": of_image,
        "bbox": record["boxes"][person],
        "category_id": 1,
        "id": 2 * of_image + person,
    }

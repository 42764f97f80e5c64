"""How time and memory grow with the work: people in a picture, pixels of a picture, images of an annotation file.

As of ``speed``, each function measures one thing, in a process of its own.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping

import cv2
import numpy as np

from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, InferenceConfig, ModelConfig
from opec_tf.data.annotations import loading
from opec_tf.inference.pose_model import PoseModel
from opec_tf.models import builders
from opec_tf.poses import skeletons
from opec_tf.study import speed

# What grows -> how far. Pictures are (width, height).
PEOPLE = (1, 2, 4, 8, 16, 32, 64)
PICTURES = ((640, 480), (1280, 960), (1920, 1440), (3840, 2160), (7680, 4320))
IMAGES = (1_000, 10_000, 100_000)
# What the measurements name so, and its title.
AMOUNTS = {"people": "people in a picture", "megapixels": "megapixels of a picture", "images": "annotated images"}
_PEOPLE_AN_IMAGE = 4

_Measure = Callable[..., dict[str, float]]


def measurements(
    model_config: ModelConfig, data_config: DataConfig, inference_config: InferenceConfig
) -> Iterator[tuple[str, _Measure, tuple]]:
    """(name, function, its arguments but for repeats and seconds) of everything that grows."""
    network = (model_config, inference_config, data_config.box_margin)
    for count in PEOPLE:
        yield f"{count} {'people' if count > 1 else 'person'} in a picture", measure_people, (*network, count)
    for size in PICTURES:
        yield f"a picture of {size[0]} x {size[1]}", measure_picture, (*network, size)
    for images in IMAGES:
        yield f"{images:,} annotated images", measure_annotations, (images,)


def measure_people(
    model_config: ModelConfig,
    inference_config: InferenceConfig,
    box_margin: float,
    people: int,
    repeats: int,
    seconds: float,
) -> dict[str, float]:
    """From a decoded picture with so many boxes to poses in its pixels.

    Args:
      model_config: the network, untrained.
      inference_config: its batch size is that of crops, at most.
      box_margin: side of a crop over side of its person's box.
      people: in the picture.
      repeats, seconds: as for ``speed.measure_pipeline``.

    Returns:
      people, people_per_second and what ``speed.timed`` gives.
    """
    model = PoseModel(builders.build_opec_net(model_config), model_config, "opec", box_margin)
    return {"people": people, **speed.people_speed(model, inference_config, people, repeats, seconds)}


def measure_picture(
    model_config: ModelConfig,
    inference_config: InferenceConfig,
    box_margin: float,
    size: tuple[int, int],
    repeats: int,
    seconds: float,
) -> dict[str, float]:
    """From a JPEG file to the pose of one person, a third of the picture's height.

    Args:
      size: (width, height) of the picture, pixels; the rest as of ``measure_people``.

    Returns:
      megapixels, images_per_second and what ``speed.timed`` gives.
    """
    model = PoseModel(builders.build_opec_net(model_config), model_config, "opec", box_margin)
    width, height = size
    box = np.array([[0.4 * width, height / 3, height / 6, height / 3]])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "picture.jpg")
        if not cv2.imwrite(path, cv2.resize(speed.made_up_picture(0).numpy(), size, interpolation=cv2.INTER_CUBIC)):
            raise UserError(f"{path}: cannot be written")
        batch_size = inference_config.inference_batch_size
        result = speed.timed(lambda: model.predict(path, boxes=box, batch_size=batch_size), repeats, seconds)
    amounts = {"megapixels": width * height / 1e6, "images_per_second": 1 / result["median_s"]}
    return {**amounts, **result, **speed.memory()}


def measure_annotations(images: int, repeats: int, seconds: float) -> dict[str, float]:
    """Reads a COCO-format file of so many images, of four people with 17 joints each.

    Returns:
      images, images_per_second and what ``speed.timed`` gives.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "annotations.json")
        with open(path, "w", encoding="utf-8") as file:
            # A record at a time: the memory that is measured is the reader's.
            file.write('{"images": [')
            file.writelines(_listed(_image(image) for image in range(images)))
            file.write('], "annotations": [')
            file.writelines(_listed(_person(person) for person in range(images * _PEOPLE_AN_IMAGE)))
            names = list(skeletons.COCO17.joints)
            file.write(f'], "categories": {json.dumps([{"id": 1, "name": "person", "keypoints": names}])}}}')
        result = speed.timed(lambda: loading.read("coco", path, folder), repeats, seconds)
    return {"images": images, "images_per_second": images / result["median_s"], **result, **speed.memory()}


def _listed(records: Iterator[Mapping[str, object]]) -> Iterator[str]:
    """The records of a JSON list, as text."""
    for number, record in enumerate(records):
        yield f"{', ' if number else ''}{json.dumps(record)}"


def _image(image: int) -> dict[str, object]:
    return {"id": image, "file_name": f"{image:012}.jpg", "width": 640, "height": 480}


def _person(person: int) -> dict[str, object]:
    x, y = 100.0 + person % 97, 50.0 + person % 89
    joints = [value for joint in range(17) for value in (x + 7.0 * joint, y + 19.0 * joint, 2)]
    return {
        "id": person,
        "image_id": person // _PEOPLE_AN_IMAGE,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [x, y, 112.0, 304.0],
        "area": 20_000.0,
        "num_keypoints": 17,
        "keypoints": joints,
    }

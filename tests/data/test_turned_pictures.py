"""JPEGs that a camera stored turned, on their way into training: upright, and each graph traced once."""

import logging
import time

import annotated_people
import encoded_pictures
import numpy as np
import pytest
import tensorflow as tf

from opec_tf import config
from opec_tf.data import image_files, pipeline
from opec_tf.poses import images

HEIGHT, WIDTH = 36, 48


def _upright():
    """Red grows downwards and green to the right, so that every turn shows."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([6 * y, 5 * x, np.full_like(x, 60)], axis=-1).astype(np.uint8)


@pytest.fixture(scope="module")
def turned(tmp_path_factory):
    """Five rounds of the one picture stored in each of the eight orientations, with a person in each."""
    folder = tmp_path_factory.mktemp("turned")
    paths = [folder / f"{i}.jpg" for i in range(40)]
    for i, path in enumerate(paths):
        path.write_bytes(encoded_pictures.turned(_upright(), 1 + i % 8))
    keypoints = np.tile([WIDTH / 2, HEIGHT / 2, 2.0], [40, 12, 1])
    box = [0.0, 0.0, WIDTH, HEIGHT]
    return annotated_people.people_of(paths, keypoints, range(40), [box] * 40, np.tile([HEIGHT, WIDTH], [40, 1]))


@pytest.fixture
def traces(monkeypatch, caplog):
    """The names of the functions of ``image_files`` that were traced so far; all are new, and slow to trace."""
    traced = []

    def slow(function):
        def traced_slowly(content):
            traced.append(function.__name__)
            time.sleep(0.3)  # all threads wait for the first trace, as they do while a model is built beside it
            return function(content)

        return image_files._graph(traced_slowly)

    monkeypatch.setattr(image_files, "_orientation", slow(images.exif_orientation))
    decode = slow(images.decode)
    monkeypatch.setattr(image_files, "_decoder", lambda max_pixels: decode)
    caplog.set_level(logging.WARNING)
    return traced


def test_many_turned_pictures_are_looked_at_by_one_trace(turned, traces, caplog):
    """TensorFlow counts a trace for each thread that calls a function which is being traced for the first time."""
    assert image_files.check(turned.image_paths.tolist(), turned.image_sizes, strict=True).all()
    assert traces == ["exif_orientation"]
    assert caplog.messages == []


def test_training_crops_are_upright_without_retracing(turned, traces, caplog, monkeypatch):
    decoded = []

    def counted(content, decode=images.decode):
        decoded.append(tf.executing_eagerly())
        return decode(content)

    monkeypatch.setattr(images, "decode", counted)
    plain = config.DataConfig(
        flip_probability=0.0, box_jitter=0.0, scale_jitter=0.0, rotation_degrees=0.0, color_jitter=0.0, box_margin=1.0
    )
    data = pipeline.training_dataset(turned, crop_size=(HEIGHT, WIDTH), data_config=plain, batch_size=8, seed=1)
    crops = np.concatenate([crops for crops, _ in data.take(10)])
    # JPEG alone changes a level by a few.
    assert np.abs(crops - _upright()).max() < 12 and np.abs(crops - _upright()).mean() < 1.5
    assert decoded == [False]  # once, into the graph of tf.data, for 80 pictures of eight orientations
    assert sorted(traces) == ["decode", "exif_orientation"]  # by the checks before it
    assert caplog.messages == []

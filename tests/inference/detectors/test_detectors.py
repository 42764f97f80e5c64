"""Detectors made from a name: of files that a test writes itself, and real ones where there are samples."""

import cv2
import numpy as np
import pytest
import tiny_onnx

from opec_tf.common.errors import UserError
from opec_tf.config import DetectorConfig
from opec_tf.data.annotations import loading
from opec_tf.inference.detectors import named

RED = np.broadcast_to(np.array([255, 0, 0], np.uint8), [32, 64, 3])
# RED fills half of a square input, grey the rest.
GREY = 114
DARKNET = """
[net]
width=32
height=32
channels=3
[convolutional]
filters=7
size=32
stride=32
pad=0
activation=linear
[yolo]
mask=0
anchors=10,20
classes=2
num=1
"""


def detect(path, image=RED, **settings):
    boxes, scores = named.make(str(path), DetectorConfig(**settings))(image)
    return boxes, scores


def test_yolov8_takes_rgb_in_the_middle(tmp_path):
    bias, weights = np.zeros([1, 6, 21]), np.zeros([1, 6, 21, 3])
    bias[0, :4, 7] = 16, 16, 8, 4
    weights[0, 5, 7, 0] = 0.5  # the second class' score is half of the mean red
    tiny_onnx.make(tmp_path / "any.onnx", (32, 32), bias, weights)
    boxes, scores = detect(tmp_path / "any.onnx", person_class=1)
    # The picture, halved, begins at row 8: x (16 - 4) * 2, y (16 - 2 - 8) * 2.
    np.testing.assert_allclose(boxes, [[24, 12, 16, 8]], rtol=1e-5)
    np.testing.assert_allclose(scores, [0.5 * (255 + GREY) / 2 / 255], rtol=1e-5)
    assert len(detect(tmp_path / "any.onnx", person_class=1, detector_score=0.4)[0]) == 0
    assert len(detect(tmp_path / "any.onnx")[0]) == 0


def test_yolox_takes_bgr_at_the_top_left(tmp_path):
    bias, weights = np.zeros([1, 21, 6]), np.zeros([1, 21, 6, 3])
    bias[0, 5] = 0.5, 0.25, 0, np.log(0.5), 1, 0  # the cell of 8 at (8, 8): centre (12, 10), 8 x 4
    weights[0, 5, 5, 2] = 0.5 / 255
    tiny_onnx.make(tmp_path / "any.onnx", (32, 32), bias, weights)
    boxes, scores = detect(tmp_path / "any.onnx")
    np.testing.assert_allclose(boxes, [[16, 16, 16, 8]], rtol=1e-5)
    np.testing.assert_allclose(scores, [0.5 * (255 + GREY) / 2 / 255], rtol=1e-5)


def test_an_input_left_open_is_640(tmp_path):
    bias = np.zeros([1, 5, 8400])
    bias[0, :, 0] = 320, 320, 640, 320, 1
    tiny_onnx.make(tmp_path / "any.onnx", (0, 0), bias)
    np.testing.assert_allclose(detect(tmp_path / "any.onnx")[0], [[0, 0, 64, 32]], rtol=1e-5)


@pytest.fixture
def darknet(tmp_path):
    """A network of one cell whose box lies in its middle and is 10 x 20 pixels of the input."""
    biases = np.array([0, 0, 0, 0, 20, -20, 1], np.float32)  # x, y, w, h, object, two classes
    weights = np.zeros(7 * 3 * 32 * 32, np.float32)
    header = np.array([0, 2, 0, 0, 0], np.int32)
    (tmp_path / "one.cfg").write_text(DARKNET)
    (tmp_path / "one.weights").write_bytes(header.tobytes() + biases.tobytes() + weights.tobytes())
    return tmp_path


@pytest.mark.parametrize("name", ["{0}/one.cfg", "{0}/one.weights", "{0}/one.weights,{0}/one.cfg"])
def test_darknet(darknet, name):
    boxes, scores = detect(name.format(darknet), person_class=1)
    # Centre (16, 16) of the input is the picture's (32, 16); the height of 40 exceeds the picture.
    np.testing.assert_allclose(boxes, [[22, 0, 20, 32]], rtol=1e-5)
    np.testing.assert_allclose(scores, [1 / (1 + np.exp(-1))], rtol=1e-5)
    assert len(detect(name.format(darknet))[0]) == 0


def test_darknet_weights_must_be_those_of_the_network(darknet):
    whole = (darknet / "one.weights").read_bytes()
    needed = 20 + 4 * (7 + 7 * 3 * 32 * 32)
    # The last has an old header, of 16 bytes.
    old = np.array([0, 1, 0, 0], np.int32).tobytes() + whole[20:]
    cases = [(b"", needed - 4), (whole[:-4], needed), (whole + bytes(4), needed), (old[:-4], needed - 4)]
    for content, expected in cases:
        (darknet / "one.weights").write_bytes(content)
        with pytest.raises(UserError) as error:
            detect(darknet / "one.cfg")
        assert str(error.value) == (
            f"{darknet}/one.weights: holds {len(content)} bytes, but the network of {darknet}/one.cfg has {expected}; "
            "check that the file is whole and the two belong together"
        )
    (darknet / "one.weights").write_bytes(old)
    assert len(detect(darknet / "one.cfg", person_class=1)[0]) == 1


def test_darknet_counts_batch_normalization(darknet):
    """Three filters of 2 x 2, with four numbers each for its normalization."""
    layer = "[convolutional]\nbatch_normalize=1\nfilters=3\nsize=2\nstride=1\npad=1\nactivation=leaky\n"
    (darknet / "one.cfg").write_text(DARKNET.replace("channels=3\n", "channels=3\n" + layer))
    whole = (darknet / "one.weights").read_bytes()
    first = np.ones(3 * 3 * 2 * 2 + 4 * 3, np.float32).tobytes()
    (darknet / "one.weights").write_bytes(whole[:20] + first + whole[20:])
    assert len(detect(darknet / "one.cfg", person_class=1)[0]) == 1


def test_bad_files(darknet):
    tiny_onnx.make(darknet / "classes.onnx", (32, 32), np.zeros([1, 1000]))
    tiny_onnx.make(darknet / "yolov8.onnx", (32, 32), np.zeros([1, 6, 21]))
    whole = (darknet / "yolov8.onnx").read_bytes()
    (darknet / "broken.onnx").write_bytes(whole[: len(whole) // 2])
    (darknet / "text.onnx").write_text("no network")
    (darknet / "alone.cfg").write_text(DARKNET)
    (darknet / "bare.cfg").write_text("[net]\nwidth=32\n")
    (darknet / "bare.weights").write_bytes(b"")
    cases = {
        "none.onnx": "none.onnx: cannot be read",
        "classes.onnx": "classes.onnx: gives (1, 1000) for an input of 32 x 32, which is none of YOLOX's",
        "broken.onnx": "broken.onnx: is no ONNX network",
        "text.onnx": "text.onnx: is no ONNX network",
        "alone.cfg": "alone.weights: cannot be read",
        "bare.cfg": "bare.cfg: is no Darknet configuration",
        "one.cfg,two.cfg": "name one .cfg and one .weights file",
        "model.pt": "model.pt: is no detector; give nanodet",
    }
    for name, expected in cases.items():
        with pytest.raises(UserError) as error:
            detect(darknet / name)
        assert expected in str(error.value) and "\n" not in str(error.value)
    for name in ("yolov8.onnx", "one.cfg"):
        with pytest.raises(UserError, match="--person_class=2, but the network knows 2 classes, 0 to 1"):
            detect(darknet / name, person_class=2)


def test_hog_is_gone():
    with pytest.raises(
        UserError, match="^hog: OpenCV's HOG detector is gone; give nanodet, the default of predict, in its place"
    ):
        named.make("hog", DetectorConfig())


def test_yolox_finds_the_large_people_of_real_pictures(real_samples):
    people = loading.read("coco", real_samples / "coco/test_coco.json", real_samples / "coco")
    detector = named.make(str(real_samples / "detectors" / "yolox_nano.onnx"), DetectorConfig())
    best = []
    for row, path in enumerate(people.image_paths):
        boxes, _ = detector(cv2.imread(path)[..., ::-1])
        large = (people.image_index == row) & (people.areas > 96**2) & ~people.is_crowd
        best += [_iou(box, boxes).max() for box in people.boxes[large]]
    best = np.array(best)
    assert len(best) > 5 and np.mean(best > 0.5) > 0.9 and np.median(best) > 0.8


def _iou(box, others):
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    return shared / (np.prod(box[2:]) + np.prod(others[:, 2:], axis=1) - shared)

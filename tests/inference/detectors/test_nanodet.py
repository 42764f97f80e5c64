"""NanoDet-g: its boxes by hand, the shipped weights on generated people, and both against what was published."""

import cv2
import numpy as np
import pytest
import tensorflow as tf
import tfjs_graph

from opec_tf.common.errors import UserError
from opec_tf.config import DetectorConfig
from opec_tf.data.annotations import loading
from opec_tf.data.synthetic import couple
from opec_tf.inference.detectors import candidates, named, nanodet, nanodet_weights
from opec_tf.poses import boxes as boxes_module

MEAN, DEVIATION = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)


@pytest.fixture(scope="module")
def detector():
    """The shipped one with the default settings."""
    return named.make("nanodet", DetectorConfig())


@pytest.fixture(scope="module")
def published(real_samples):
    """The TensorFlow.js graph model that the shipped weights were read from."""
    path = real_samples.parent / "weights" / "nanodet" / "nanodet.json"
    if not path.exists():
        pytest.skip(f"needs {path}")
    return path


def one_cell(size, index, bins, logit=0.0):
    """[1, N, 124] of an input of ``size`` where one cell alone is likely, with a distance of each of four bins."""
    cells = np.zeros([1, sum((size[0] // s) * (size[1] // s) for s in (8, 16, 32)), 124], np.float32)
    cells[0, :, :80] = -20.0
    cells[0, index, 0] = logit
    for side, value in enumerate(bins):
        cells[0, index, 80 + 11 * side + value] = 60.0
    return cells


def test_the_long_side_becomes_416_and_the_other_a_multiple_of_32():
    sizes = {(480, 640): (320, 416), (640, 480): (416, 320), (100, 100): (416, 416), (416, 32): (416, 32)}
    sizes.update({(416, 33): (416, 64), (1, 900): (32, 416), (1, 1): (416, 416)})
    assert {size: nanodet.input_size(*size) for size in sizes} == sizes


def test_distances_are_expected_strides_from_a_cells_middle():
    # 16 cells of stride 8, 4 of stride 16, 1 of stride 32. Number 6 of the first has its middle at (20, 12).
    boxes, scores = nanodet.decode(one_cell((32, 32), 6, (1, 0, 2, 10)), (32, 32), DetectorConfig())
    np.testing.assert_allclose(boxes, [[12, 12, 24, 80]], rtol=1e-12)
    np.testing.assert_allclose(scores, [0.5])
    # Number 2 of stride 16, middle (8, 24): left is 3 and 4 alike; another class is likely too.
    cells = one_cell((32, 32), 16 + 2, (3, 0, 0, 1))
    cells[0, 18, 80 + 4], cells[0, 18, 17] = 60.0, 3.0
    boxes, _ = nanodet.decode(cells, (32, 32), DetectorConfig())
    np.testing.assert_allclose(boxes, [[8 - 56, 24, 56, 16]], rtol=1e-12)
    _, scores = nanodet.decode(cells, (32, 32), DetectorConfig(person_class=17))
    np.testing.assert_allclose(scores, [1 / (1 + np.exp(-3.0))])


def test_the_picture_lies_at_the_top_left_in_bgr_and_boxes_come_back_in_its_pixels(detector, monkeypatch):
    """320 x 832 pixels, halved; the stride-8 cell in row 3 and column 2 has its middle at (20, 28)."""
    seen = []

    def network(pictures):
        seen.append(np.asarray(pictures))
        return [tf.constant(one_cell((160, 416), 3 * 52 + 2, (1, 2, 3, 4), logit=2.0))]

    monkeypatch.setattr(detector, "_network", network)
    boxes, scores = detector(np.full([310, 832, 3], [10, 20, 30], np.uint8))
    np.testing.assert_allclose(boxes, [[24, 24, 64, 96]], rtol=1e-12)
    np.testing.assert_allclose(scores, [1 / (1 + np.exp(-2.0))], rtol=1e-6)
    assert seen[0].shape == (1, 160, 416, 3)
    assert (seen[0][:, :155] == [30, 20, 10]).all() and not seen[0][:, 155:].any()


def test_two_generated_people(detector):
    """Of the couple of seed 9 it finds both; that of seed 20, of which one hides the other, it takes for one person."""
    image, truth = _couple(9)
    boxes, scores = detector(image)
    overlaps = boxes_module.iou(boxes, truth)
    assert len(boxes) == 2 and sorted(overlaps.argmax(axis=1)) == [0, 1] and overlaps.max(axis=1).min() > 0.7
    assert scores[0] >= scores[1] > 0.45
    again, scores_again = detector(image)
    np.testing.assert_array_equal(again, boxes)
    np.testing.assert_array_equal(scores_again, scores)
    image, truth = _couple(20)
    boxes, scores = detector(image)
    assert len(boxes) == 1 and scores[0] > 0.7 and boxes_module.iou(boxes, truth).min() > 0.5


def test_boxes_lie_within_pictures_of_any_size(detector):
    image = _couple(6)[0]
    for height, width in ((256, 256), (300, 77), (40, 200), (900, 1300), (2, 500), (1, 1)):
        boxes, scores = detector(cv2.resize(image, (width, height)))
        assert boxes.dtype == scores.dtype == np.float64 and boxes.shape == (*scores.shape, 4)
        assert (boxes[:, :2] >= 0).all() and (boxes[:, :2] + boxes[:, 2:] <= [width, height]).all()


def test_twice_as_large_is_the_same_people(detector):
    """The resize keeps outer edges: boxes of a picture of twice the size are twice the boxes."""
    image = cv2.resize(_couple(6)[0], (416, 416))
    boxes, _ = detector(image)
    double, _ = detector(np.repeat(np.repeat(image, 2, axis=0), 2, axis=1))
    np.testing.assert_allclose(double, 2 * boxes, atol=1e-3)


@pytest.mark.parametrize("value", [0, 90, 255])
def test_nobody_in_an_empty_picture(detector, value):
    assert len(detector(np.full([300, 200, 3], value, np.uint8))[0]) == 0


def test_a_class_that_it_does_not_know():
    with pytest.raises(UserError, match="--person_class=80, but NanoDet knows 80 classes, 0 to 79"):
        named.make("nanodet", DetectorConfig(person_class=80))


def test_another_file_is_not_converted(tmp_path):
    (tmp_path / "other.json").write_text('{"weightsManifest": []}')
    with pytest.raises(UserError, match="other.json: tensor PartitionedCall/split is missing or not NanoDet-g's"):
        nanodet_weights.convert(tmp_path / "other.json", tmp_path / "other.npz")


def test_the_shipped_weights_are_the_published_ones(published, tmp_path):
    nanodet_weights.convert(published, tmp_path / "again.npz")
    with np.load(tmp_path / "again.npz") as again, np.load(nanodet_weights.SHIPPED) as shipped:
        assert sorted(again) == sorted(shipped) and len(again) == 2 * 34
        for name in again:
            assert shipped[name].dtype == np.float16
            np.testing.assert_array_equal(shipped[name], again[name])
    picture = np.random.default_rng(0).integers(0, 256, [1, 64, 96, 3], np.uint8)
    cells = [nanodet_weights.load(path)(picture)[0] for path in (tmp_path / "again.npz", nanodet_weights.SHIPPED)]
    np.testing.assert_array_equal(*cells)


def test_the_network_equals_the_published_graph(published):
    """All cells' outputs, on noise; that graph takes normalized pictures, channels first, of 416 x 416."""
    pictures = np.random.default_rng(0).integers(0, 256, [1, 416, 416, 3]).astype(np.float32)
    normalized = (pictures - np.float32(MEAN)) / np.float32(DEVIATION)
    outputs = [f"PartitionedCall/Add_{number}" for number in (29, 33, 37)]  # heads of strides 8, 16, 32
    maps = tfjs_graph.run(published, "input_1", normalized.transpose(0, 3, 1, 2), outputs)
    expected = np.concatenate([maps[name].reshape(1, -1, 124) for name in outputs], axis=1)
    np.testing.assert_allclose(nanodet_weights.network()(pictures), expected, atol=1e-5)
    # What is run is the graph of this network.
    np.testing.assert_allclose(nanodet_weights.load()(pictures.astype(np.uint8))[0], expected, atol=1e-5)


@pytest.mark.slowest
def test_recall_on_real_pictures(real_samples):
    """Shown by -s. People without labelled joints are not in these annotations, so that "other boxes" holds many."""
    detector = named.make("nanodet", DetectorConfig(detector_score=0.27))
    counts = {threshold: np.zeros(2, int) for threshold in (0.27, 0.3, 0.33, 0.39)}
    people, pictures = 0, 0
    for image, truth in _annotated(real_samples):
        boxes, scores = detector(image)
        for threshold, count in counts.items():
            kept, _ = candidates.select(boxes, scores, image.shape[:2], DetectorConfig(detector_score=threshold))
            hits = _matches(kept, truth)
            count += hits, len(kept) - hits
        people, pictures = people + len(truth), pictures + 1
    for threshold, (hits, others) in counts.items():
        print(f"score {threshold}: recall {hits / people:.3f}, other boxes a picture {others / pictures:.2f}")
    assert (pictures, people) == (123, 327)
    assert counts[0.3][0] / people > 0.82 and counts[0.3][1] / pictures < 2.6


def _couple(seed):
    """(RGB picture, boxes [2, 4] of its people)"""
    made = couple.make_couple(np.random.default_rng(seed), 256)
    return made.image, made.boxes


def _annotated(real_samples):
    """(RGB picture, boxes of its people without crowds), of all COCO pictures."""
    files = (
        ("coco/test_coco.json", "coco"),
        ("coco_train_subset/person_keypoints_train2017_subset.json", "coco_train_subset/images"),
    )
    for annotations, folder in files:
        people = loading.read("coco", real_samples / annotations, real_samples / folder)
        for row, path in enumerate(people.image_paths):
            yield cv2.imread(path)[..., ::-1], people.boxes[(people.image_index == row) & ~people.is_crowd]


def _matches(boxes, truth):
    """How many people are found, best box first, each box for one person, at an IoU of 0.5."""
    overlaps, hits = boxes_module.iou(boxes, truth), 0
    for row in overlaps:
        if row.size and row.max() >= 0.5:
            overlaps[:, row.argmax()] = 0.0
            hits += 1
    return hits

import numpy as np

from opec_tf.data import pairing
from opec_tf.poses import boxes as person_boxes

# A crowd of four: a and b overlap most, c meets b, d nobody.
CROWD = np.array([[0, 0, 10, 10], [2, 0, 10, 10], [11, 0, 10, 10], [50, 50, 5, 5]], float)


def test_everybody_is_paired_with_the_largest_overlap():
    np.testing.assert_array_equal(pairing.partners(CROWD, [0, 0, 0, 0]), [1, 0, 1, -1])
    np.testing.assert_array_equal(pairing.pairs(CROWD, [0, 0, 0, 0]), [[0, 1], [1, 2]])


def test_boxes_of_other_images_are_nobodys_partner():
    """The same box in each of three images; images come in no order."""
    boxes = np.tile([[0.0, 0.0, 10.0, 10.0]], [5, 1])
    np.testing.assert_array_equal(pairing.partners(boxes, [7, 3, 7, 1, 3]), [2, 4, 0, -1, 1])
    np.testing.assert_array_equal(pairing.pairs(boxes, [7, 3, 7, 1, 3]), [[0, 2], [1, 4]])


def test_of_equal_overlaps_the_first_is_taken():
    boxes = np.array([[10, 0, 10, 10], [5, 0, 10, 10], [15, 0, 10, 10]], float)
    np.testing.assert_array_equal(pairing.partners(boxes, [0, 0, 0]), [1, 0, 0])
    np.testing.assert_array_equal(pairing.partners(np.tile(CROWD[:1], [3, 1]), [0, 0, 0]), [1, 0, 0])


def test_boxes_of_one_person_are_no_partners():
    """a and b are one person, so both take c; alone with each other they have nobody."""
    boxes = CROWD + [[0, 0, 3, 0]] * 4
    np.testing.assert_array_equal(pairing.partners(boxes, [0, 0, 0, 0], [7, 7, 2, 3]), [2, 2, 1, -1])
    np.testing.assert_array_equal(pairing.pairs(boxes, [0, 0, 0, 0], [7, 7, 2, 3]), [[0, 2], [1, 2]])
    np.testing.assert_array_equal(pairing.partners(boxes[:2], [0, 0], [7, 7]), [-1, -1])


def test_touching_boxes_and_no_boxes_have_no_partner():
    np.testing.assert_array_equal(pairing.partners([[0, 0, 10, 10], [10, 0, 10, 10]], [0, 0]), [-1, -1])
    assert pairing.pairs([[0, 0, 10, 10], [10, 0, 10, 10]], [0, 0]).shape == (0, 2)
    assert pairing.partners(np.zeros([0, 4]), np.zeros([0], int)).shape == (0,)
    assert pairing.pairs(np.zeros([0, 4]), np.zeros([0], int)).shape == (0, 2)


def test_a_partner_is_the_best_of_the_image():
    random = np.random.default_rng(0)
    boxes = np.concatenate([random.uniform(0, 60, [40, 2]), random.uniform(5, 50, [40, 2])], axis=1)
    image_index = random.integers(0, 5, 40)
    partner = pairing.partners(boxes, image_index)
    overlap = person_boxes.iou(boxes, boxes) * (image_index[:, None] == image_index) * (1 - np.eye(40))
    np.testing.assert_array_equal(partner >= 0, overlap.max(axis=1) > 0)
    has = np.flatnonzero(partner >= 0)
    np.testing.assert_array_equal(overlap[has, partner[has]], overlap[has].max(axis=1))


def test_images_are_packed_whole():
    np.testing.assert_array_equal(pairing.pack([2, 2, 2, 2, 2], 4), [0, 2, 4, 5])
    # Seven people do not fit into four; they make a batch of their own.
    np.testing.assert_array_equal(pairing.pack([3, 7, 1, 1, 2, 1], 4), [0, 1, 2, 5, 6])
    np.testing.assert_array_equal(pairing.pack([7, 1], 4), [0, 1, 2])
    np.testing.assert_array_equal(pairing.pack([], 4), [0])

"""Perceptual hashes against their definition, and the search for near ones against one pair after the other."""

import cv2
import numpy as np
import pytest

from opec_tf.data import picture_hashes
from opec_tf.data.picture_hashes import BITS


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(3)
    noise = rng.uniform(0, 255, (6, 90, 120)).astype(np.float32)
    return [
        cv2.normalize(cv2.GaussianBlur(n, (0, 0), 5), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8) for n in noise
    ]


def test_a_bit_is_the_sign_of_a_cosine():
    """A picture that is one cosine along x, and one along y, has these coefficients alone."""
    x = (np.arange(64) + 0.5) / 64
    grey = 128 + 50 * np.cos(np.pi * 3 * x)[None] - 40 * np.cos(np.pi * 5 * x)[:, None]
    value = picture_hashes.perceptual_hash(np.rint(grey).astype(np.uint8))
    bits = np.append([0], np.unpackbits(value, count=BITS)).reshape(16, 16)
    assert bits[0, 3] == 1 and bits[5, 0] == 0


def test_plain_pictures_have_none(pictures):
    assert picture_hashes.perceptual_hash(np.full((50, 40), 7, np.uint8)) is None
    assert picture_hashes.perceptual_hash(pictures[0] // 128 + 90) is None
    assert picture_hashes.perceptual_hash(pictures[0]) is not None


def test_size_hardly_matters(pictures):
    for grey in pictures:
        value = picture_hashes.perceptual_hash(grey)
        larger = picture_hashes.perceptual_hash(cv2.resize(grey, (300, 200), interpolation=cv2.INTER_CUBIC))
        assert picture_hashes.distances(value, larger)[0] <= 10
    values = np.stack([picture_hashes.perceptual_hash(grey) for grey in pictures])
    assert picture_hashes.distances(values[0], values[1:]).min() > 90


def test_a_mirrored_picture_is_known(pictures):
    values = np.stack([picture_hashes.perceptual_hash(grey) for grey in pictures])
    mirrored = np.stack([picture_hashes.perceptual_hash(np.ascontiguousarray(grey[:, ::-1])) for grey in pictures])
    near = picture_hashes.near_pairs(values, mirrored, 10)
    assert near.rows.tolist() == near.columns.tolist() == list(range(6))
    assert near.mirrored.all() and near.distances.max() <= 2


def test_near_pairs_are_those_that_one_finds_one_by_one(monkeypatch):
    monkeypatch.setattr(picture_hashes, "_ROWS", 7)
    monkeypatch.setattr(picture_hashes, "_COLUMNS", 5)
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (20, BITS))
    others = np.concatenate([bits[:6], rng.integers(0, 2, (7, BITS))])
    for row in range(6):
        others[row, rng.permutation(BITS)[: 10 * row]] ^= 1  # at most 10 row bits differ
    odd = picture_hashes._IS_ODD
    others[3] ^= odd
    expected = set()
    for row, first in enumerate(bits):
        for column, second in enumerate(others):
            plain, turned = (first != second).sum(), (first != (second ^ odd)).sum()
            if min(plain, turned) <= 45:
                expected.add((row, column, min(plain, turned), turned < plain))
    assert {(row, row) for row in range(5)} <= {pair[:2] for pair in expected} and (3, 3, 30, True) in expected
    counted = []
    near = picture_hashes.near_pairs(np.packbits(bits, axis=1), np.packbits(others, axis=1), 45, counted.append)
    assert set(zip(*map(np.ndarray.tolist, near))) == expected
    assert sum(counted) == 20


def test_no_hashes_no_pairs():
    none = np.zeros((0, 32), np.uint8)
    assert len(picture_hashes.near_pairs(none, none, 10).rows) == 0
    assert len(picture_hashes.near_pairs(np.zeros((2, 32), np.uint8), none, 10).rows) == 0

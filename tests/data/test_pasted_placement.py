import numpy as np
import pytest

from opec_tf.data.pasted import paste, placement
from opec_tf.data.pasted.placement import CutOut, Place, Placement


def _placement(mirrored=False, size=(20, 60), corner=(100, 50)):
    return Placement(np.array([10, 20, 10, 30]), np.array(size), np.array(corner), np.array(mirrored))


def test_points_by_hand():
    # The window's upper left pixel, two pixels wide now: the middle between the new ones.
    points = np.array([[10.0, 20.0], [19.0, 49.0], [9.5, 19.5]])
    np.testing.assert_allclose(_placement().points(points), [[100.5, 50.5], [118.5, 108.5], [99.5, 49.5]])
    np.testing.assert_allclose(_placement(True).points(points), [[118.5, 50.5], [100.5, 108.5], [119.5, 49.5]])


@pytest.mark.parametrize("mirrored", [False, True])
def test_boxes_have_the_edges_of_their_window(mirrored):
    where = _placement(mirrored)
    np.testing.assert_allclose(where.box(np.array([10.0, 20.0, 10.0, 30.0])), [100, 50, 20, 60])
    left = 100 if not mirrored else 100 + 20 - 6
    np.testing.assert_allclose(where.box(np.array([10.0, 23.0, 3.0, 5.0])), [left, 56, 6, 10])


def test_inverse_and_json_round_trip_and_many_at_once():
    points = np.random.default_rng(0).normal(50, 30, [7, 2])
    one = _placement(True, size=(13, 47))
    np.testing.assert_allclose(one.inverse_points(one.points(points)), points)
    again = Placement.from_json(one.to_json())
    np.testing.assert_array_equal(again.points(points), one.points(points))
    many = Placement(one.window, np.array([[13, 47], [20, 60]]), np.array([[100, 50], [1, 2]]), np.array([True, False]))
    assert many.points(points).shape == (2, 7, 2)
    np.testing.assert_array_equal(many[0].points(points), one.points(points))
    np.testing.assert_array_equal(many.box(np.array([12.0, 22, 4, 4]))[1], many[1].box(np.array([12.0, 22, 4, 4])))


def test_clip_cuts_boxes_where_the_picture_ends():
    boxes = np.array([[-5.0, 10, 20, 20], [90, 90, 20, 20], [200, 0, 5, 5]])
    np.testing.assert_array_equal(placement.clip(boxes, (100, 95)), [[0, 10, 15, 20], [90, 90, 10, 5], [100, 0, 0, 5]])


def test_the_chosen_place_has_the_wanted_overlap_and_hides_2_to_8_joints():
    mask = np.zeros([200, 160], np.uint8)
    mask[40:160, 60:100] = 1
    cut_out = CutOut(mask, np.array([57, 37, 46, 126]), np.array([60.0, 40, 40, 120]))
    grid = np.stack(np.meshgrid(np.linspace(85, 115, 2), np.linspace(50, 160, 6)), axis=-1).reshape(-1, 2)
    place = Place((220, 200), np.array([80.0, 45, 40, 120]), grid[None], np.ones([1, 12], bool))
    for target in (0.2, 0.5):
        where, cost = placement.choose(np.random.default_rng(1), cut_out, place, 1.0, target)
        box = where.box(cut_out.box)
        overlap = np.prod(np.minimum(box[:2] + box[2:], [120, 165]) - np.maximum(box[:2], [80, 45]))
        assert overlap / (np.prod(box[2:]) + 4800 - overlap) == pytest.approx(target, abs=0.03)
        assert cost < placement.GOOD_COST
        hidden = np.all((grid > box[:2]) & (grid < box[:2] + box[2:]), axis=1).sum()
        assert 2 <= hidden <= 8
        assert 1 / 1.27 < where.size[1] / 126 < 1.27


def _blocks():
    """A grey picture and another with a block, one pixel of which is marked."""
    picture, other = np.full([120, 140, 3], 100, np.uint8), np.full([60, 40, 3], 100, np.uint8)
    mask = np.zeros([60, 40], np.uint8)
    mask[22:46, 12:18] = 1
    return picture, other, mask


@pytest.mark.parametrize("mirrored", [False, True])
def test_pixels_lie_where_points_do(mirrored):
    picture, other, mask = _blocks()
    picture[:], other[:] = (90, 100, 110), (90, 100, 110)
    other[30:34, 13:15] = (0, 0, 255)
    where = _placement(mirrored)
    pasted, opacity = paste.paste(picture, other, mask, where)
    x, y = where.points(np.array([13.5, 31.5])[None])[0]
    red = np.maximum(pasted[..., 2].astype(float) - pasted[..., 1] - 30, 0)
    ys, xs = np.mgrid[:120, :140]
    assert (red * xs).sum() / red.sum() == pytest.approx(x, abs=0.15)
    assert (red * ys).sum() / red.sum() == pytest.approx(y, abs=0.15)
    # Opaque within the block's outline, which is at x 11.5 .. 17.5, y 21.5 .. 45.5 of the window's picture.
    solid = np.argwhere(opacity > 0.5)
    edges = where.points(np.array([[11.5, 21.5], [17.5, 45.5]]))
    np.testing.assert_allclose(solid.min(axis=0)[::-1], edges.min(axis=0), atol=2)
    np.testing.assert_allclose(solid.max(axis=0)[::-1], edges.max(axis=0), atol=2)
    assert ((opacity > 0.05) & (opacity < 0.95)).any()
    np.testing.assert_array_equal(pasted[opacity == 0], picture[opacity == 0])


def test_a_cut_out_may_leave_the_picture():
    picture, other, mask = _blocks()
    other[22:46, 12:18] = 200
    for corner in ((130, 100), (-12, -40)):
        where = _placement(corner=corner)
        pasted, opacity = paste.paste(picture, other, mask, where)
        assert pasted.shape == picture.shape and opacity.max() > 0.9
    pasted, opacity = paste.paste(picture, other, mask, _placement(corner=(500, 500)))
    np.testing.assert_array_equal(pasted, picture)
    assert opacity.max() == 0.0


def test_brightness_is_matched_to_the_place_half_way():
    picture, other, mask = _blocks()
    other[:] = 120
    pasted, opacity = paste.paste(picture, other, mask, _placement())
    values = pasted[opacity == 1.0]
    assert values.min() == values.max() == pytest.approx(120 * (100 / 120) ** 0.5, abs=1)


def test_a_grey_picture_gets_grey_people():
    picture, other, mask = _blocks()
    other[mask > 0] = (20, 60, 220)
    pasted, _ = paste.paste(picture, other, mask, _placement())
    assert (np.ptp(pasted, axis=-1) == 0).all() and (pasted != 100).any()

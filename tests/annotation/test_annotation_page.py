"""The page in a real browser: pictures of couples by keyboard alone, and each of the things that a hand can do."""

import os
import threading

import annotation_run
import numpy as np
import pytest
from annotation_page import arrows

from opec_tf.annotation import records, suggestions
from opec_tf.poses.skeletons import BODY12, OCCLUDED, UNLABELLED, VISIBLE

pytestmark = pytest.mark.usefixtures("no_faults")
NAMES = ["a.png", "b.png", "sub/c.png"]
SIDE = annotation_run.SIDE
BOX = (30.0, 10.0, 200.0, 230.0)
KEYS = {UNLABELLED: "o", OCCLUDED: "h", VISIBLE: "v"}


@pytest.fixture(scope="module")
def couples(tmp_path_factory):
    """(folder, name -> joints) of three pictures."""
    folder = tmp_path_factory.mktemp("couples")
    return folder, annotation_run.write_couples(folder, NAMES)


@pytest.fixture
def served(couples, tmp_path):
    """A server of them, nothing annotated."""
    with annotation_run.serving(couples[0], tmp_path / "files") as served:
        yield served


def _templates(box=BOX):
    """float64 [2, 12, 2], where the pair appears in a box."""
    x, y, w, h = box
    standing = suggestions.standing(BODY12)
    high = 0.96 * h
    widest = 2 * np.abs(standing[:, 0]).max()
    wide = min(high, 0.6 * w / widest)
    half = wide * widest / 2 + 0.02 * w
    middles = x + np.clip(w * (np.arange(2) + 0.5) / 2, half, w - half)
    at_x = middles[:, None] + standing[:, 0] * wide - 0.5
    return np.stack([at_x, np.broadcast_to(y + 0.02 * h + standing[:, 1] * high - 0.5, at_x.shape)], axis=-1)


def test_three_couples_by_keyboard(page, served):
    page.open(served.address)
    rng = np.random.default_rng(5)
    moves = rng.integers(-12, 13, (2, 12, 2))
    labels = rng.integers(0, 3, (2, 12))
    box = [51, 26, 154, 205]  # what B offers in a picture of 256 pixels
    page.press("b", "Left", "Down", "Shift+Right", "Shift+Ctrl+Down", "Enter")
    box = [box[0] - 10, box[1] + 10, box[2] + 10, box[3] + 1]
    for person in range(2):
        page.press(str(person + 1))
        for move, label in zip(moves[person].tolist(), labels[person].tolist()):
            page.press("j", *arrows(*move), KEYS[label])
        page.press("j", "Esc")
    page.press("Enter")
    page.wait_for_picture(NAMES[1])
    page.press("b", "Enter", *arrows(-13, 21), "m", ".", "r", "r", "Tab", "s", ",", "l", "a", "Delete", "Enter")
    page.wait(lambda: "24 joints were never touched" in page.text("#message"), "the doubt")
    page.press("Enter")
    page.wait_for_picture(NAMES[2])
    page.press("Enter")
    page.wait(lambda: "Nobody is annotated here" in page.text("#message"), "the doubt")
    page.press("Enter")
    page.wait(lambda: "All 3 pictures are done" in page.text("#message"), "the end")
    page.wait_until_saved()

    first, second, third = (records.read(served.folder, "anna", name) for name in NAMES)
    assert first.done and second.done and third.done and third.people.shape == (0, 12, 3)
    assert first.pair_box == tuple(box)
    np.testing.assert_allclose(first.people[..., :2], _templates(box) + moves, atol=0.011)
    np.testing.assert_array_equal(first.people[..., 2], labels)
    _assert_as_pressed(second)


def _assert_as_pressed(saved):
    """The first is mirrored, moved, larger, turned right; the second smaller, turned left, left and right swapped."""
    start = _templates(saved.pair_box)
    middle = (start.min(axis=1) + start.max(axis=1)) / 2
    for person, (scale, degrees, order, move) in enumerate(
        ((1.04, 10, np.arange(12), (-13, 21)), (1 / 1.04, -5, BODY12.flip_order, (0, 0)))
    ):
        around = (start[person] - middle[person]) * scale * ([-1, 1] if person == 0 else [1, 1])
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        expected = around @ np.array([[cos, sin], [-sin, cos]]) + middle[person] + move
        np.testing.assert_allclose(saved.people[person, :, :2], expected[order], atol=0.5)


def test_whole_people_undo_and_the_view(page, served):
    def people():
        page.wait_until_saved()
        return records.read(served.folder, "anna", "a.png").people

    page.open(served.address)
    page.draw_box(BOX)
    start = people()
    assert (start[..., :2] > BOX[:2]).all() and (start[..., :2] < np.add(BOX[:2], BOX[2:])).all()
    np.testing.assert_allclose(
        start[..., :2], _templates(records.read(served.folder, "anna", "a.png").pair_box), atol=0.011
    )
    (x, y), (to_x, to_y) = page.in_window([start[0, :, :2].mean(axis=0), start[0, :, :2].mean(axis=0) + [20, -6]])
    page.drag((x, y), (to_x, to_y))
    moved = people()
    np.testing.assert_allclose((moved - start)[0, :, :2], np.tile([20, -6], (12, 1)), atol=1)
    np.testing.assert_array_equal(moved[1], start[1])
    page.press("z")
    np.testing.assert_array_equal(people(), start)
    page.press("y")
    np.testing.assert_array_equal(people(), moved)
    # Larger about the corner across; half a turn by the knob; the same by another zoom.
    page.press("-", "Alt+Left")
    corner = page.run(
        "const r = document.querySelector(\"[data-corner='3']\").getBoundingClientRect(); return [r.x + 6, r.y + 6]"
    )
    page.drag(corner, (corner[0] + 30, corner[1] + 60))
    larger = people()
    extent, wider = np.ptp(moved[0, :, :2], axis=0), np.ptp(larger[0, :, :2], axis=0)
    assert wider[0] / extent[0] == pytest.approx(wider[1] / extent[1], abs=0.01) and wider[0] > 1.05 * extent[0]
    np.testing.assert_allclose(larger[0, :, :2].min(axis=0), moved[0, :, :2].min(axis=0), atol=0.02)
    page.press("0")
    middle = (larger[0, :, :2].min(axis=0) + larger[0, :, :2].max(axis=0)) / 2
    knob = page.run(
        "const r = document.querySelector('[data-role=turn]').getBoundingClientRect(); return [r.x + 7, r.y + 7]"
    )
    below = page.in_window([middle])[0]
    page.drag(knob, (below[0], 2 * below[1] - knob[1]))
    turned = people()
    np.testing.assert_allclose(turned[0, :, :2], 2 * middle - larger[0, :, :2], atol=1.5)


def test_a_joint_that_leaves_the_picture_is_outside_until_it_comes_back(page, served):
    page.open(served.address)
    page.draw_box(BOX)
    page.drag_joint(5, (-20, 100))
    page.wait_until_saved()
    assert records.read(served.folder, "anna", "a.png").people[0, 5, 2] == UNLABELLED
    page.press("v")
    assert "lies outside the picture" in page.text("#message")
    page.drag_joint(5, (40, 100))
    page.wait_until_saved()
    np.testing.assert_allclose(records.read(served.folder, "anna", "a.png").people[0, 5], [40, 100, 2], atol=1)


def test_space_puts_joints_under_the_pointer_one_after_the_other(page, served):
    places = np.random.default_rng(1).integers(20, 230, (12, 2))
    page.open(served.address)
    page.draw_box(BOX)
    page.press("j")
    for place in places:
        page.point(place)
        page.press("Space")
    page.wait_until_saved()
    saved = records.read(served.folder, "anna", "a.png").people[0]
    assert np.abs(saved[:, :2] - places).max() <= 1
    assert page.text("#hint") == "Person 1 is placed. Tab: person 2."


def test_suggested_people_in_the_box_take_the_templates_place(page, couples, tmp_path):
    inside, outside = _templates()[1] + [3, 2], _templates((0, 0, 28, 60))[0]
    people = [[[*place, 1] for place in person.round(2).tolist()] for person in (outside, inside)]

    found = threading.Event()

    class Suggester:
        def people(self, path):
            found.wait()
            return people

    with annotation_run.serving(couples[0], tmp_path, suggester=Suggester()) as served:
        page.open(served.address)
        page.wait(lambda: page.text("#hint").startswith("The model is looking for people"), "the model")
        found.set()
        page.wait(lambda: page.text("#hint").startswith("Draw a box"), "suggestions")
        page.draw_box(BOX)
        page.wait_until_saved()
        saved = records.read(tmp_path, "anna", "a.png").people
    np.testing.assert_array_equal(saved[1], people[1])
    np.testing.assert_allclose(saved[0, :, :2], _templates()[0], atol=1.5)


def test_help_lists_the_keys_and_lets_none_through(page, served):
    page.open(served.address)
    page.press("?")
    shown = page.text("#help")
    for words in ("not done any more", "swap left and right", "put it where the pointer is", "undo, redo", "this list"):
        assert words in shown
    page.press("b", "?")
    assert not page.text("#help") and page.text("#hint").startswith("Draw a box around the pair")


def test_the_token_opens_the_page_and_leaves_the_address(page, couples, tmp_path):
    token = "correct horse battery"
    with annotation_run.serving(couples[0], tmp_path, token=token) as served:
        page.open(f"{served.address}#token={token.replace(' ', '%20')}")
        assert token.split()[0] not in page.driver.current_url
        page.draw_box(BOX)
        page.wait_until_saved()
        page.reload()
        assert len(records.read(tmp_path, "anna", "a.png").people) == 2
        page.run("sessionStorage.clear()")
        page.driver.refresh()
        page.wait(lambda: page.text("#token-dialog"), "the question")
        page.run("document.querySelector('#token').value = arguments[0]", token)
        page.click("#token-form button")
        page.wait_for_picture("a.png")


def test_a_full_disk_is_said_and_the_change_kept(page, served, monkeypatch):
    def full(descriptor):
        raise OSError(28, os.strerror(28))

    page.open(served.address)
    page.draw_box(BOX)
    page.wait_until_saved()
    before = served.content()
    with monkeypatch.context() as patch:
        patch.setattr(records.os, "fsync", full)
        page.drag_joint(3, (100, 90))
        page.wait(lambda: page.text("#saving") == "Not saved", "the failure")
        assert "No space left on device" in page.text("#banner")
        page.press("n")
        page.wait(lambda: "stays open until its last change is saved" in page.text("#message"), "the refusal")
        assert page.text("#picture-name") == "a.png" and served.content() == before
    page.click("[data-do='Try again']")
    page.wait_until_saved()
    np.testing.assert_allclose(records.read(served.folder, "anna", "a.png").people[0, 3], [100, 90, 2], atol=1)
    assert not page.text("#banner")

"""The page in a real browser when hands are quick: keys held down, pictures left while they load or while one drags."""

import json

import annotation_run
import numpy as np
import pytest
from selenium.webdriver.common.actions.action_builder import ActionBuilder

from opec_tf.annotation import records

pytestmark = pytest.mark.usefixtures("no_faults")
NAMES = ["0 \u00e4 #1 100%?.png", "b.png", "sub folder/c%20d.png"]
BOX = (30.0, 10.0, 200.0, 230.0)
CENTRE = """
const {x, y, width, height} = document.querySelector(arguments[0]).getBoundingClientRect();
return [x + width / 2, y + height / 2];
"""
# Requests that match wait until window.letGo() is called.
HELD = """
const real = window.fetch.bind(window);
const free = new Promise((go) => (window.letGo = go));
const [part, method] = arguments;
window.fetch = async (address, options) => {
  if (address.includes(part) && (options?.method ?? "GET") === method) await free;
  return real(address, options);
};
"""


@pytest.fixture
def images(tmp_path):
    """A folder with three pictures whose names are awkward, and one that is none."""
    folder = tmp_path / "images"
    annotation_run.write_couples(folder, NAMES)
    (folder / "broken.png").write_bytes(b"\x89PNG")
    return folder


@pytest.fixture
def served(images, tmp_path):
    """A server of them, nothing annotated."""
    with annotation_run.serving(images, tmp_path / "files") as served:
        yield served


def _hold(page, key, code, times=5):
    """Keeps a key down for some repeats."""
    stroke = {"type": "rawKeyDown", "key": key, "code": key, "windowsVirtualKeyCode": code}
    for repeat in range(times):
        page.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {**stroke, "autoRepeat": repeat > 0})
    page.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {**stroke, "type": "keyUp"})


def _people(served, name=NAMES[0]):
    return records.read(served.folder, "anna", name).people


def test_enter_that_is_held_down_takes_no_picture_as_done(page, served):
    page.open(served.address)
    _hold(page, "Enter", 13)
    page.wait(lambda: "Nobody is annotated here" in page.text("#message"), "the doubt")
    page.next_frame()
    assert page.text("#picture-name") == NAMES[0] and served.content() == {}
    page.draw_box(BOX)
    _hold(page, "Delete", 46)
    page.wait_until_saved()
    assert len(_people(served)) == 1


def test_enter_while_a_picture_loads_skips_none_and_the_unreadable_one_is_passed(page, served):
    page.open(served.address)
    page.press("Enter")
    page.run(HELD, "picture=b.png", "GET")
    page.press("Enter")
    page.wait(lambda: page.text("#picture-name") == "b.png", "the next")
    page.press("Enter", "Enter")
    page.run("letGo()")
    page.wait(lambda: page.text("#hint").startswith("Draw a box"), "the picture")
    assert page.text("#picture-name") == "b.png"
    page.press("Enter", "Enter")
    page.wait(lambda: "broken.png: " in page.text("#banner"), "the fault")
    page.press("Enter")
    page.wait(lambda: page.text("#picture-name") == NAMES[2] and page.text("#hint"), "the last")
    page.press("Enter", "Enter")
    page.wait(lambda: "All 4 pictures are done but 1 that cannot be opened" in page.text("#message"), "the end")
    page.wait_until_saved()
    assert [records.read(served.folder, "anna", name).done for name in NAMES] == [True] * 3


def test_a_drag_that_begins_while_the_last_change_is_saved_stays_in_its_picture(page, served):
    page.open(served.address)
    page.draw_box(BOX)
    page.wait_until_saved()
    before = _people(served)
    page.run(HELD, "annotation", "PUT")
    page.press("v", "j", "Right", "n")
    x, y = page.run(CENTRE, ".active [data-joint='4'] .area")
    mouse = ActionBuilder(page.driver, duration=5)
    mouse.pointer_action.move_to_location(round(x), round(y)).pointer_down().move_to_location(round(x) + 30, round(y))
    mouse.perform()
    page.run("letGo()")
    page.wait(lambda: page.text("#picture-name") == "b.png" and page.text("#hint").startswith("Draw a box"), "the next")
    mouse = ActionBuilder(page.driver, duration=5)
    mouse.pointer_action.move_to_location(round(x) + 60, round(y)).pointer_up()
    mouse.perform()
    page.next_frame()
    assert [*served.content()] == [f"anna/{NAMES[0]}.json"]
    np.testing.assert_allclose(np.abs(_people(served) - before).sum(), 1, atol=0.02)  # the arrow


def test_a_picture_that_comes_late_is_not_shown_in_the_place_of_another(page, served):
    page.open(served.address)
    page.run(
        """
        const real = Image.prototype.decode, free = new Promise((go) => (window.letGo = go));
        let held = false;
        Image.prototype.decode = async function () {
          await real.call(this);
          if (!held) await ((held = true), free);
        };
        """
    )
    page.press("n")
    page.wait(lambda: page.text("#picture-name") == "b.png", "the second")
    page.press("n", "n")
    page.wait(lambda: page.text("#picture-name") == NAMES[2] and page.text("#hint"), "the last")
    page.run("letGo()")
    page.next_frame()
    page.draw_box(BOX)
    page.wait_until_saved()
    assert [*served.content()] == [f"anna/{NAMES[2]}.json"]


def test_a_joint_stays_under_the_pointer_when_the_view_is_zoomed_and_resized(page, served):
    page.open(served.address)
    page.draw_box(BOX)
    page.wait_until_saved()
    x, y = map(round, page.run(CENTRE, ".active [data-joint='4'] .area"))
    mouse = ActionBuilder(page.driver, duration=5)
    mouse.pointer_action.move_to_location(x, y).pointer_down().move_to_location(x + 40, y + 10)
    mouse.perform()
    page.run(
        "document.querySelector('#stage').dispatchEvent(new WheelEvent('wheel', "
        "{deltaY: -400, clientX: arguments[0], clientY: arguments[1], cancelable: true}))",
        x + 40,
        y + 10,
    )
    page.driver.set_window_size(1100, 760)
    page.wait(lambda: page.run("return innerWidth") == 1100, "the smaller window")
    page.next_frame()
    mouse = ActionBuilder(page.driver, duration=5)
    mouse.pointer_action.move_to_location(x + 50, y + 20).pointer_up()
    mouse.perform()
    page.wait_until_saved()
    place = page.in_window([_people(served)[0, 4, :2]])[0]
    page.driver.set_window_size(1280, 860)
    np.testing.assert_allclose(place, [x + 50, y + 20], atol=1.5)


def test_joints_that_were_looked_at_are_known_in_another_tab_and_not_those_of_a_new_pair(page, served):
    page.open(served.address)
    page.draw_box(BOX)
    page.press("j", "v", "j", "v", "j", "v")
    page.wait_until_saved()
    page.run("sessionStorage.clear()")
    page.reload()
    assert page.text("#hint") == "Person 1: next is the right elbow (J)."
    page.press("Delete", "Delete", "b", "Enter")
    page.wait_until_saved()
    page.next_frame()
    assert page.text("#hint").startswith("Person 1 as a whole")


def test_pictures_of_the_queue_are_offered_though_they_are_done_and_enter_sees_to_them(page, images, tmp_path):
    files = tmp_path / "files"
    with annotation_run.serving(images, files) as served:
        for name in NAMES:
            body = json.loads(annotation_run.annotation(name, done=True))
            records.write(files, records.from_json("made", {**body, "revision": 1}))
        records.write_queue(files, [records.Queued(name, "left wrist", ("anna", "ben")) for name in NAMES[:2]])
        page.open(served.address)
        assert page.text("#reason") == "Annotators differ: left wrist"
        page.press("Enter")
        page.wait(lambda: page.text("#picture-name") == "b.png" and page.text("#hint"), "the second of the queue")
        page.press("Enter")
        page.wait(lambda: "broken.png: " in page.text("#banner"), "the rest")
        assert served.store.queued() == {}
        assert [records.read(files, "anna", name).revision for name in NAMES] == [2, 2, 1]


def test_a_tab_of_another_annotator_is_told_to_reload(page, images, tmp_path):
    with annotation_run.serving(images, tmp_path / "files") as served:
        page.open(served.address)
        served.store.annotator = "ben"  # as if started anew at the same port
        page.press("n")
        page.wait(lambda: "The command was started anew, for ben and body12" in page.text("#banner"), "the notice")

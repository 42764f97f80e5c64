"""The page in real browsers when things go wrong: two at once, a server killed, a draft that was never saved."""

import os
import pathlib
import re
import signal
import subprocess
import sys

import annotation_page
import annotation_run
import numpy as np
import pytest

from opec_tf.annotation import records

BOX = (30.0, 10.0, 200.0, 230.0)
ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder with a picture of a couple."""
    folder = tmp_path_factory.mktemp("couple")
    annotation_run.write_couples(folder, ["a.png"])
    return folder


@pytest.fixture
def served(images, tmp_path):
    """A server of it, nothing annotated."""
    with annotation_run.serving(images, tmp_path / "files") as served:
        yield served


def _joint(folder, joint):
    return records.read(folder, "anna", "a.png").people[0, joint].tolist()


def test_of_two_browsers_the_later_is_told_and_overwrites_nothing(browsers, served):
    first, second = browsers(0), browsers(1)
    first.open(served.address)
    first.draw_box(BOX)
    first.wait_until_saved()
    second.open(served.address)
    second.drag_joint(2, (150, 60))
    second.wait_until_saved()
    kept = served.content()

    first.drag_joint(3, (60, 90))
    first.wait(lambda: first.text("#saving") == "Not saved: changed elsewhere", "the refusal")
    assert "was saved elsewhere meanwhile" in first.text("#banner")
    first.drag_joint(4, (70, 80))
    assert served.content() == kept

    first.click("[data-do='Load what was saved']")
    first.wait(lambda: first.text("#saving") == "Saved" and not first.text("#banner"), "the other's state")
    assert served.content() == kept
    first.drag_joint(3, (61, 92))
    first.wait_until_saved()
    np.testing.assert_allclose(_joint(served.folder, 2), [150, 60, 2], atol=1)
    np.testing.assert_allclose(_joint(served.folder, 3), [61, 92, 2], atol=1)

    second.drag_joint(5, (200, 120))
    second.wait(lambda: second.text("#saving") == "Not saved: changed elsewhere", "the refusal")
    second.click("[data-do='Save mine instead']")
    second.wait_until_saved()
    np.testing.assert_allclose(_joint(served.folder, 5), [200, 120, 2], atol=1)
    assert records.read(served.folder, "anna", "a.png").revision == 4


def test_a_tab_that_comes_back_is_told_before_it_changes_anything(browsers, served):
    page = browsers()
    page.open(served.address)
    page.draw_box(BOX)
    page.wait_until_saved()
    page.driver.switch_to.new_window("tab")
    page.open(served.address)
    page.drag_joint(2, (150, 60))
    page.wait_until_saved()
    other, old = page.driver.current_window_handle, page.driver.window_handles[0]
    page.driver.switch_to.window(old)
    page.run("dispatchEvent(new Event('focus'))")
    page.wait(lambda: page.text("#saving") == "Not saved: changed elsewhere", "the notice")
    page.click("[data-do='Load what was saved']")
    page.wait_until_saved()
    page.driver.switch_to.window(other)
    page.driver.close()
    page.driver.switch_to.window(old)


class _Command:
    """``python -m opec_tf.annotate`` as a process, on one port however often it is started."""

    def __init__(self, images, folder):
        self.command = [sys.executable, "-m", "opec_tf.annotate", f"--images={images}", f"--output_dir={folder}"]
        self.command.append("--annotator=anna")
        self.port, self.process = 0, None

    def start(self):
        self.process = subprocess.Popen(
            [*self.command, f"--port={self.port}"], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        said = [self.process.stdout.readline() for _ in range(2)]
        self.address = re.search(r"^open (http://127\.0\.0\.1:\d+/)$", said[1], re.MULTILINE)[1]
        self.port = int(self.address.split(":")[2].strip("/"))

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


@pytest.mark.slowest
def test_a_server_killed_between_drags_loses_nothing(browsers, images, tmp_path):
    page, command = browsers(), _Command(images, tmp_path)
    command.start()
    try:
        page.open(command.address)
        page.draw_box(BOX)
        page.drag_joint(2, (150, 60))
        page.wait_until_saved()
        command.kill()
        page.drag_joint(3, (60, 90))
        page.wait(lambda: page.text("#saving") == "Not saved", "the failure")
        assert "the server does not answer" in page.text("#banner")
        page.drag_joint(4, (160, 110))
        np.testing.assert_allclose(_joint(tmp_path, 2), [150, 60, 2], atol=1)
        # Half of a file, as a kill may leave it.
        (tmp_path / "anna" / ".partial-1.png.json").write_text("{")
        command.start()
        page.wait_until_saved()
        for joint, place in ((2, (150, 60)), (3, (60, 90)), (4, (160, 110))):
            np.testing.assert_allclose(_joint(tmp_path, joint), [*place, 2], atol=1)
        assert os.listdir(tmp_path / "anna") == ["a.png.json"]
        command.process.send_signal(signal.SIGINT)
        assert command.process.stdout.read() == "stopped; every change was saved when it was made\n"
        assert command.process.wait() == 0
    finally:
        command.kill()


def test_what_a_closed_tab_could_not_save_is_saved_when_it_opens_again(browsers, images, tmp_path):
    page = browsers()
    with annotation_run.serving(images, tmp_path) as served:
        page.open(served.address)
        page.draw_box(BOX)
        page.wait_until_saved()
        page.run("window.fetch = () => Promise.reject(new TypeError('no network'))")
        page.drag_joint(3, (60, 90))
        page.wait(lambda: page.text("#saving") == "Not saved", "the failure")
        asked = page.run("return !dispatchEvent(new Event('beforeunload', {cancelable: true}))")
        assert asked  # the browser asks before it closes the tab
        before = served.content()
        page.driver.execute_cdp_cmd("Page.navigate", {"url": "about:blank"})
        if dialog := annotation_page.alert(page.driver):
            dialog.accept()
        page.open(served.address)
        page.wait_until_saved()
        assert "was kept by this browser" in page.text("#message")
        assert served.content() != before
        np.testing.assert_allclose(_joint(tmp_path, 3), [60, 90, 2], atol=1)


def test_a_draft_of_an_older_state_is_not_saved_over_the_newer(browsers, images, tmp_path):
    page = browsers()
    with annotation_run.serving(images, tmp_path) as served:
        page.open(served.address)
        page.draw_box(BOX)
        page.wait_until_saved()
        page.run(
            """
            const key = `opec_tf draft anna ${arguments[0]} body12 a.png`;
            const annotation = {pair_box: null, people: [], done: false};
            localStorage.setItem(key, JSON.stringify({revision: 0, annotation}));
            """,
            str(tmp_path),
        )
        kept = served.content()
        page.reload()
        page.wait(lambda: page.text("#saving") == "Not saved: changed elsewhere", "the refusal")
        assert served.content() == kept
        page.click("[data-do='Load what was saved']")
        page.wait_until_saved()
        assert served.content() == kept
        page.reload()
        page.wait_until_saved()
        assert page.text("#hint").startswith("Person 1 as a whole")

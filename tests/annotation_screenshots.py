"""Draws the pictures of docs/annotate.md: python tests/annotation_screenshots.py docs"""

import pathlib
import shutil
import sys
import tempfile

import annotation_page
import annotation_run
import cv2
import numpy as np

from opec_tf.poses.skeletons import OCCLUDED

SIDE = 480
NAMES = [f"{number:08}.jpg" for number in range(1, 10)]
SHOWN = NAMES[7]
PLACED = (12, 10)  # joints of the two people that are put in place


def draw(page, folder):
    """Writes annotate_box.jpg and annotate_joints.jpg into a folder."""
    with tempfile.TemporaryDirectory() as place:
        root = pathlib.Path(place)
        people = annotation_run.write_couples(root / "images", NAMES, SIDE)[SHOWN]
        people[..., :2] = people[..., :2].clip(1, SIDE - 2)
        with annotation_run.serving(root / "images", root / "files") as served:
            page.open(served.address, SHOWN)
            low, high = people[..., :2].min(axis=(0, 1)) - [25, 60], people[..., :2].max(axis=(0, 1)) + [25, 20]
            low, high = low.clip(2, SIDE - 2), high.clip(2, SIDE - 2)
            page.draw_box((*low, *(high - low)))
            _write(page, folder / "annotate_box.jpg")
            for person, count in enumerate(PLACED):
                page.press(str(person + 1))
                for joint, (x, y, label) in enumerate(people[person, :count]):
                    page.press("j")
                    page.drag_joint(joint, (x, y))
                    if label == OCCLUDED:
                        page.press("h")
            page.press("f")
            _write(page, folder / "annotate_joints.jpg")


def _write(page, path):
    page.wait_until_saved()
    page.next_frame()
    image = cv2.imdecode(np.frombuffer(page.driver.get_screenshot_as_png(), np.uint8), cv2.IMREAD_COLOR)
    cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 80])


if __name__ == "__main__":
    browser = annotation_page.Page(*map(shutil.which, ("chromium", "chromedriver")))
    draw(browser, pathlib.Path(sys.argv[1]))
    browser.driver.quit()

"""Three pictures of couples from an empty folder to the merged file: one annotator by mouse, one by keyboard alone."""

import annotation_run
import numpy as np
import pytest
from annotation_page import arrows

from opec_tf.annotation import merging, records, splits
from opec_tf.data.annotations import coco
from opec_tf.poses.skeletons import OCCLUDED, UNLABELLED, VISIBLE

pytestmark = pytest.mark.usefixtures("no_faults")
NAMES = ["a.png", "b.png", "sub/c.png"]
SIDE = annotation_run.SIDE
BOX = (30.0, 10.0, 200.0, 230.0)
KEYS = {UNLABELLED: "o", OCCLUDED: "h", VISIBLE: "v"}
MARGIN = 4  # of the picture, where no joint is put
SUGGESTED, MOVED = np.array([3, -2]), np.array([-1, 2])  # where the second annotator starts from, and how far that goes


class _Suggester:
    """A model that finds everybody, a little beside where they are, all visible."""

    def __init__(self, wanted):
        self._wanted = wanted

    def people(self, path):
        (name,) = (name for name in NAMES if path.as_posix().endswith(f"/{name}"))
        return [
            [[x + SUGGESTED[0], y + SUGGESTED[1], 2] for x, y, _ in person] for person in self._wanted[name].tolist()
        ]


def _wanted(joints):
    """What an annotator should make of a couple: joints beyond the picture are outside, at its edge."""
    wanted = joints.round(2)
    beyond = (wanted[..., :2] < 0).any(axis=-1) | (wanted[..., :2] > SIDE - 1).any(axis=-1)
    wanted[..., :2] = wanted[..., :2].clip(MARGIN, SIDE - 1 - MARGIN)
    wanted[beyond, 2] = UNLABELLED
    # In the order that the page gives them, from left to right.
    middles = wanted[..., 0].min(axis=1) + wanted[..., 0].max(axis=1)
    return wanted[np.argsort(middles, kind="stable")]


@pytest.mark.slowest
def test_from_an_empty_folder_to_the_merged_file(page, tmp_path):
    images, folder = tmp_path / "images", tmp_path / "files"
    couples = annotation_run.write_couples(images, NAMES)
    wanted = {name: _wanted(joints) for name, joints in couples.items()}
    with annotation_run.serving(images, folder) as served:
        _annotate_by_mouse(page, served, wanted)
    with annotation_run.serving(images, folder, annotator="ben", suggester=_Suggester(wanted)) as served:
        _annotate_by_keyboard(page, served, wanted)
    done = merging.merge(folder, images, tmp_path / "merged", max_deviation=0.15, progress=False)
    assert done.pictures == {"merged": 3, "queued": 0, "waiting": 0, "without people": 0}
    merged = {}
    for split in (split for split in splits.SHARES if (tmp_path / "merged" / f"{split}.json").exists()):
        part = coco.read(tmp_path / "merged" / f"{split}.json", "")
        merged.update({path: part.keypoints[rows] for path, rows in zip(part.image_paths, part.rows_by_image())})
    assert sorted(merged) == NAMES
    for name in NAMES:
        labelled = wanted[name][..., 2] != UNLABELLED
        np.testing.assert_array_equal(merged[name][..., 2], wanted[name][..., 2])
        mean = wanted[name][..., :2] + (SUGGESTED + MOVED) / 2
        assert np.abs(merged[name][..., :2] - mean)[labelled].max() <= 1


def _annotate_by_mouse(page, served, wanted):
    page.open(served.address)
    for name in NAMES:
        page.wait_for_picture(name)
        page.draw_box(BOX)
        for person in range(2):
            page.click(f"[data-tab='{person}']")
            page.drag_joints(wanted[name][person, :, :2])
            for joint, label in enumerate(wanted[name][person, :, 2]):
                if label == OCCLUDED:
                    page.click(f".active [data-joint='{joint}'] .area", button=2)
                elif label == UNLABELLED:
                    page.click(f"[data-row='{joint}'] [data-label='0']")
        if name == NAMES[1]:
            page.wait_until_saved()
            page.reload()
            assert page.text("#hint").startswith("Everybody is placed")
        page.click("#done")
    page.wait(lambda: "All 3 pictures are done" in page.text("#message"), "the end")
    page.wait_until_saved()
    assert page.text("#progress-text") == "3 of 3 done"
    assert list(records.list_files(served.folder)["anna"]) == NAMES
    for name in NAMES:
        saved = records.read(served.folder, "anna", name)
        assert saved.done and np.abs(np.subtract(saved.pair_box, BOX)).max() <= 1
        np.testing.assert_array_equal(saved.people[..., 2], wanted[name][..., 2])
        assert np.abs(saved.people - wanted[name]).max() <= 1


def _annotate_by_keyboard(page, served, wanted):
    page.open(served.address)
    for name in NAMES:
        page.wait_for_picture(name)
        page.wait(lambda: page.text("#hint").startswith("Draw a box"), "suggestions")
        page.press("b", *["Left", "Shift+Right"] * 10, *["Up", "Shift+Down"] * 5, "Enter")
        for person in range(2):
            page.press(str(person + 1))
            for label in wanted[name][person, :, 2]:
                page.press("j", *arrows(*MOVED.tolist()), KEYS[label])
        page.press("j", "Esc", "Enter")
    page.wait(lambda: "All 3 pictures are done" in page.text("#message"), "the end")
    page.wait_until_saved()
    for name in NAMES:
        saved = records.read(served.folder, "ben", name).people
        np.testing.assert_array_equal(saved[..., 2], wanted[name][..., 2])
        np.testing.assert_allclose(saved[..., :2], wanted[name][..., :2] + SUGGESTED + MOVED, atol=0.011)

"""The demo, shortened, on a tiny model: every part runs in order, leaves its files, and finds them again."""

import json

import cv2
import numpy as np
import pytest
import tiny_run
import warm_process

pytestmark = pytest.mark.slowest

_ROWS = {"base peak": "peak", "OPEC-Net": "pose_3"}
# Runs the demo three times: whole; on what there is, its scores read and its
# export left alone; and with a photo that is not there.
_RUNS = """
import json, sys
from absl import flags
from opec_tf import demo
options = flags.FLAGS
options(sys.argv)
demo.main()
print("AGAIN")
demo.report.evaluate = lambda model, split, people, folder, **settings: json.loads(
    (folder / "metrics.json").read_text())["poses"]
demo.example.export_and_ask = lambda *arguments: 2
options.photos = []
demo.main()
print("AGAIN")
options.photos, options.output_dir = ["none.jpg"], options.output_dir + "/none"
try:
    demo.main()
except demo.UserError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """(folder, what the demo printed, what it printed when it was run again, and of a photo that is not there)"""
    trained, folder = tmp_path_factory.mktemp("trained"), tmp_path_factory.mktemp("demo")
    tiny_run.make(trained, stages=("opec",))
    cv2.imwrite(str(trained / "us.png"), np.full([60, 80, 3], 90, np.uint8))
    arguments = ["--quick", f"--workdir={trained}", f"--output_dir={folder}", f"--photos={trained}/*.png"]
    done = warm_process.run(warm_process.code, _RUNS, *arguments)
    assert done.returncode == 0, done.stderr
    return folder, *done.stdout.split("AGAIN\n")


def _percents(folder, pose):
    """AP of a pose before and after, as printed."""
    metrics = [json.loads((folder / name / "metrics.json").read_text()) for name in ("before", "after")]
    return [f"{100 * of_one['poses'][pose]['AP']:.1f}" for of_one in metrics]


def _rows(printed, title):
    """The rows of tables that begin so, without their title."""
    return [line[len(title) :].split() for line in printed.splitlines() if line.startswith(f"{title} ")]


def test_files(demo):
    folder, *_ = demo
    for name in ("before/contact_sheet.jpg", "after/contact_sheet.jpg", "before_after.jpg", "served.jpg"):
        assert cv2.imread(str(folder / name)) is not None, name
    (run,) = folder.glob("tuned_quick_seed0_*")
    assert cv2.imread(str(run / "curves.png")) is not None
    assert [path.name for path in (run / "export/opec_net").iterdir()] == ["1"]
    height, width = cv2.imread(str(folder / "photos/drawings/us.jpg")).shape[:2]
    assert height > 60 and width > 2 * 80


def test_tables_are_of_the_runs(demo):
    folder, printed, *_ = demo
    before, after = (json.loads((folder / name / "metrics.json").read_text()) for name in ("before", "after"))
    (run,) = folder.glob("tuned_quick_seed0_*")
    assert before["settings"]["workdir"] != after["settings"]["workdir"] == str(run)
    # Everyone in the test split: 2 couples of the 10.
    assert before["settings"]["people"] == after["settings"]["people"] == 4
    assert before["poses"] != after["poses"]
    for title, pose in _ROWS.items():
        first, second = _percents(folder, pose)
        alone, *both = _rows(printed, title)
        assert alone[0] == first
        assert [row[:2] for row in both] == [["before", first], ["after", second]]


def test_again_it_makes_nothing_anew(demo):
    folder, printed, again, _ = demo
    assert "stage opec: starts from" in printed and "stage opec: finished before" in again
    assert again.count("none are named: make demo PHOTOS=") == 1
    for title in _ROWS:
        assert _rows(again, title) == _rows(printed, title)
    # The first run's, which the second left alone.
    scored = (folder / "after" / "contact_sheet.jpg").stat().st_mtime_ns
    lasting = [*folder.glob("data/**/*.jpg"), *folder.glob("tuned_quick_seed0_*/**/*.h5")]
    assert len(lasting) > 10 and all(path.stat().st_mtime_ns < scored for path in lasting)


def test_a_photo_that_is_not_there_is_said_at_once(demo):
    folder, *_, missing = demo
    assert missing.startswith("none.jpg: no file matches") and not (folder / "none").exists()

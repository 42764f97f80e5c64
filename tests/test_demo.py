"""The demo, shortened: every part runs in order, leaves its files, and finds them again."""

import json
import shutil

import cv2
import pytest
import tiny_run

pytestmark = pytest.mark.slow

_ROWS = {"base peak": "peak", "OPEC-Net": "pose_3", "CoupleGraph": "couple_3"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """(folder, a function of arguments that runs the demo into it, what the first run printed)"""
    trained, folder = tmp_path_factory.mktemp("trained"), tmp_path_factory.mktemp("demo")
    tiny_run.make(trained, stages=("couple",))

    def run(*arguments):
        done = tiny_run.call("demo", "--quick", f"--workdir={trained}", f"--output_dir={folder}", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return folder, run, run()


def _printed(text, title):
    """Numbers of the rows of a table that begin so, AP first."""
    return [line[len(title) :].split() for line in text.splitlines() if line.startswith(title + " ")]


def test_files_and_tables(demo):
    folder, _, printed = demo
    for name in ("before/contact_sheet.jpg", "after/contact_sheet.jpg", "before_after.jpg", "served.jpg"):
        assert cv2.imread(str(folder / name)) is not None, name
    results = {name: json.loads((folder / name / "metrics.json").read_text()) for name in ("before", "after")}
    (run,) = folder.glob("tuned_quick_seed0_*")
    assert results["before"]["settings"]["workdir"] != str(run)
    assert results["after"]["settings"]["workdir"] == str(run)
    assert [path.name for path in (run / "export/opec_net").iterdir()] == ["1"]
    for title, pose in _ROWS.items():
        before, after = ([f"{100 * results[name]['poses'][pose]['AP']:.1f}"] for name in ("before", "after"))
        alone, *both = _printed(printed, title)
        assert alone[:1] == before
        assert [row[:2] for row in both] == [["before", *before], ["after", *after]]
    assert results["before"]["poses"] != results["after"]["poses"]


def test_it_goes_on_and_draws_photos(demo, tmp_path):
    folder, run, _ = demo
    (tuned,) = folder.glob("tuned_quick_seed0_*")
    shutil.rmtree(tuned / "export")
    made = [path for name in ("data", tuned.name) for path in (folder / name).rglob("*.[jh]*") if path.is_file()]
    kept = {path: path.stat().st_mtime_ns for path in made}
    source = sorted((folder / "data/test/images").iterdir())[0]
    shutil.copy(source, tmp_path / "us.jpg")
    printed = run(f"--photos={tmp_path}/*.jpg")
    assert "stage couple: finished before" in printed
    assert kept and kept == {path: path.stat().st_mtime_ns for path in kept}
    height, width = cv2.imread(str(source)).shape[:2]
    drawn = cv2.imread(str(folder / "photos/drawings/us.jpg"))
    assert drawn.shape[0] > height and drawn.shape[1] > 2 * width


def test_a_photo_that_is_not_there_is_said_at_once(tmp_path):
    done = tiny_run.call("demo", f"--output_dir={tmp_path}/out", f"--photos={tmp_path}/none.jpg")
    assert done.returncode == 1 and "none.jpg: no file matches" in done.stderr and not (tmp_path / "out").exists()

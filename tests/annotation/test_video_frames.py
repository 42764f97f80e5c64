"""Frames out of videos: when, how sharp, how distinct, upright, of whom; and that a killed run goes on where it was."""

import json
import logging
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import video_files

from opec_tf.annotation import video_frames
from opec_tf.annotation.video_frames import Choice, Sharpest
from opec_tf.common.errors import UserError

_SIZE = 96, 128


def _picture(number):
    """A picture unlike those of other numbers, sharp."""
    rng = np.random.default_rng(number)
    noise = cv2.resize(rng.uniform(0, 255, (9, 12)).astype(np.float32), _SIZE[::-1], interpolation=cv2.INTER_NEAREST)
    return np.repeat(noise.astype(np.uint8)[..., None], 3, axis=2)


def _write(path, numbers, blurred=(), rate=10, codec="MJPG"):
    """A video of the pictures of some numbers, of which some frames are blurred."""
    pictures = [_picture(number) for number in numbers]
    for row in blurred:
        pictures[row] = cv2.GaussianBlur(pictures[row], (0, 0), 4)
    video_files.write_frames(path, pictures, rate, codec)


def _times(folder):
    return [
        (frame["file_name"], round(frame["time"], 3))
        for frame in json.loads((folder / "frames.json").read_text())["frames"]
    ]


def _run(tmp_path, pattern="*", **choice):
    return video_frames.write(tmp_path / "out", str(tmp_path / pattern), Choice(**choice), progress=False)


def test_frames_are_as_far_apart_as_asked_and_the_manifest_says_when(tmp_path):
    _write(tmp_path / "a.avi", range(40))
    frames, videos = _run(tmp_path, "a.avi", every=1.0)
    assert videos == 1 and len(frames) >= 3
    times = [frame["time"] for frame in frames]
    assert min(np.diff(times)) >= 1.0 and max(np.diff(times)) < 1.5 and times[0] < 0.5
    for frame in frames:
        assert frame["file_name"] == f"a/{round(1000 * frame['time']):09d}.jpg"
        assert frame["video"] == str(tmp_path / "a.avi")
        written = cv2.imread(str(tmp_path / "out" / frame["file_name"]))
        assert (frame["height"], frame["width"]) == written.shape[:2] == _SIZE
        assert np.abs(written.astype(int) - _picture(round(10 * frame["time"]))).mean() < 8


def test_the_sharpest_of_half_a_second_is_taken(tmp_path):
    _write(tmp_path / "a.avi", range(11), blurred=[0, 1, 2, 4, 5])
    frames, _ = _run(tmp_path, "a.avi", every=60.0)
    assert [round(frame["time"], 3) for frame in frames] == [0.3]
    sharp, blurred = _picture(3), cv2.GaussianBlur(_picture(3), (0, 0), 4)
    assert video_frames.sharpness(sharp) > 5 * video_frames.sharpness(blurred)


def test_offers_by_hand():
    """Each 0.25 s a frame of the same sharpness; the first two windows are refused, then it is 2 s to the next."""
    offered = []

    def take(best: Sharpest) -> float:
        offered.append((best.time, best.begin))
        return best.begin + 0.5 if len(offered) < 3 else best.time + 2.0

    frames = [(0.25 * number, lambda: _picture(1)) for number in range(14)]
    assert list(video_frames.pick(frames, 0.0, take)) == [0.5, 1.0, 3.0, 5.0]
    assert offered == [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (3.0, 3.0)]
    offered[:] = [None] * 3
    # After a gap the half second begins with the first frame behind it.
    gap = [(time, lambda: _picture(1)) for time in (0.0, 7.0, 7.4, 7.6, 9.1)]
    assert list(video_frames.pick(gap, 3.0, take)) == [9.0, 11.1]
    assert offered[3:] == [(7.0, 7.0), (9.1, 9.1)]


def test_times_are_the_files_not_those_of_a_constant_rate(tmp_path):
    _write(tmp_path / "a.mkv", range(8), codec="mp4v")
    video_files.retime(tmp_path / "a.mkv", [0, 700, 1400, 9000, 9600, 12500, 20000, 22900])
    frames, _ = _run(tmp_path, "a.mkv", every=3.0)
    assert [round(frame["time"], 3) for frame in frames] == [0.0, 9.0, 12.5, 20.0]


def test_what_looks_the_same_is_taken_once_also_from_another_video(tmp_path):
    _write(tmp_path / "a.avi", [1] * 20 + [2] * 20)
    _write(tmp_path / "b.mp4", [2] * 20 + [3] * 20, codec="mp4v")
    frames, videos = _run(tmp_path, every=0.6)
    assert videos == 2
    shown = [min(range(1, 4), key=lambda n: _difference(tmp_path, frame, n)) for frame in frames]
    assert shown == [1, 2, 3]
    assert [os.path.basename(frame["video"]) for frame in frames] == ["a.avi", "a.avi", "b.mp4"]


def _difference(tmp_path, frame, number):
    written = cv2.imread(str(tmp_path / "out" / frame["file_name"])).astype(int)
    return np.abs(written - _picture(number)).mean()


def test_compressing_a_frame_anew_is_far_from_what_counts_as_another():
    from opec_tf.data import picture_hashes

    most = 0
    for number in range(20):
        value = picture_hashes.perceptual_hash(_picture(number)[..., 0])
        for quality in (50, 80, 95):
            coded = cv2.imencode(".jpg", _picture(number), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            again = picture_hashes.perceptual_hash(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE))
            most = max(most, picture_hashes.distances(value, again)[0])
    assert 0 < most <= 7 < video_frames._SAME_PICTURE


def test_black_frames_are_passed_over(tmp_path):
    black = [np.zeros((*_SIZE, 3), np.uint8)] * 12
    video_files.write_frames(tmp_path / "a.avi", [*black, _picture(1), _picture(1)], 10, "MJPG")
    frames, _ = _run(tmp_path, "a.avi", every=3.0)
    assert [round(frame["time"], 3) for frame in frames] == [1.2]


def test_frames_are_upright(tmp_path):
    _write(tmp_path / "a.mp4", [5] * 4, codec="mp4v")
    video_files.turn(tmp_path / "a.mp4", 90)
    ((frame,), _) = _run(tmp_path, "a.mp4", every=3.0)
    assert (frame["width"], frame["height"]) == _SIZE
    written = cv2.imread(str(tmp_path / "out" / frame["file_name"])).astype(int)
    assert np.abs(written - np.rot90(_picture(5), -1)).mean() < 12


def test_only_frames_in_which_two_people_overlap(tmp_path):
    """A detector that finds two boxes of an IoU of a third in dark pictures, and of a ninth in others."""
    dark, bright = (np.clip(_picture(1) // 2 + level, 0, 255).astype(np.uint8) for level in (0, 120))
    video_files.write_frames(tmp_path / "a.avi", [bright] * 25 + [dark] * 25, 10, "MJPG")

    def boxes(picture):
        return np.array([[0.0, 0, 10, 10], [5.0 if picture.mean() < 120 else 8.0, 0, 10, 10]])

    ((frame,), _) = _run(tmp_path, "a.avi", every=1.0, min_iou=0.3, boxes=boxes, detector="mine")
    assert 2.5 <= frame["time"] < 3.0 and frame["overlap"] == pytest.approx(1 / 3)


def test_broken_videos_are_left_out_with_a_warning_each(tmp_path, caplog):
    _write(tmp_path / "good.mp4", range(20), codec="mp4v")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "noise.mkv").write_bytes(np.random.default_rng(0).bytes(5000))
    _write(tmp_path / "cut.mp4", range(20), codec="mp4v")
    video_files.cut(tmp_path / "cut.mp4")
    with caplog.at_level(logging.WARNING):
        frames, videos = _run(tmp_path, "*.m*", every=1.0)
    assert videos == 1 and {os.path.basename(frame["video"]) for frame in frames} == {"good.mp4"}
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / name}: has no readable frame; skipped" for name in ("cut.mp4", "empty.mp4", "noise.mkv")
    ]
    with pytest.raises(UserError, match="not one of 1 videos has a readable frame"):
        _run(tmp_path, "empty.mp4", every=1.0)
    with pytest.raises(UserError, match="no video .* matches; check --videos"):
        _run(tmp_path, "nothing", every=1.0)


def test_videos_of_one_name_get_folders_of_their_own(tmp_path):
    for number, place in enumerate(("eins", "Zwei ü")):
        (tmp_path / "in" / place).mkdir(parents=True)
        _write(tmp_path / "in" / place / "Tanz ä.avi", range(10 * number, 10 * number + 5))
    frames, _ = _run(tmp_path, "in", every=1.0)
    assert {frame["file_name"].split("/")[0] for frame in frames} == {"Tanz ä", "Tanz ä-2"}
    assert all((tmp_path / "out" / frame["file_name"]).is_file() for frame in frames)


def test_more_videos_are_added_and_other_settings_refused(tmp_path, monkeypatch):
    _write(tmp_path / "a.avi", range(20))
    first, _ = _run(tmp_path, "*.avi", every=1.0)
    _write(tmp_path / "b.avi", range(50, 70))
    looked_at, search = [], video_frames._search
    monkeypatch.setattr(video_frames, "_search", lambda *a: looked_at.append(a[2]["folder"]) or search(*a))
    second, videos = _run(tmp_path, "*.avi", every=1.0)
    assert looked_at == ["b"] and videos == 2 and second[: len(first)] == first and len(second) > len(first)
    with pytest.raises(UserError, match="were chosen with other settings"):
        _run(tmp_path, "*.avi", every=2.0)
    (tmp_path / "out" / "frames.json").write_text("[]")
    with pytest.raises(UserError, match="frames.json: is no manifest of frames"):
        _run(tmp_path, "*.avi", every=1.0)


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    """Killed with SIGKILL in the middle of a video, the same command makes what an unbroken run makes, to the byte."""
    for name, first in (("a", 0), ("b", 1000)):
        _write(tmp_path / f"{name}.avi", range(first, first + 300))
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    script = (
        "import sys, time\n"
        "from opec_tf.annotation import video_frames\n"
        "video_frames._SAVED_EVERY = 0.0\n"
        "describe = video_frames._describe\n"
        "def slowly(*arguments):\n"
        "    time.sleep(float(sys.argv[2]))\n"
        "    return describe(*arguments)\n"
        "video_frames._describe = slowly\n"
        f"video_frames.write(sys.argv[1], {str(tmp_path / '*.avi')!r}, video_frames.Choice(1.0), progress=False)\n"
    )
    (tmp_path / "run.py").write_text(script)
    process = subprocess.Popen([sys.executable, str(tmp_path / "run.py"), str(broken), "0.3"])
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and len(list(broken.glob("a/[0-9]*.jpg"))) < 5:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = _times(broken)
    (broken / "a" / ".partial-1.jpg").touch()  # as a kill while a picture is written leaves it
    assert 3 <= len(kept) < 25
    for folder in (broken, whole):
        subprocess.run([sys.executable, str(tmp_path / "run.py"), str(folder), "0"], check=True, timeout=120)
    assert _times(broken) == _times(whole) and len(_times(whole)) > 40
    assert _times(broken)[: len(kept)] == kept
    for name, _ in _times(whole):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    assert not list(broken.rglob(".partial-*"))
    assert json.loads((broken / "frames.json").read_text()) == json.loads((whole / "frames.json").read_text())

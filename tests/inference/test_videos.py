"""Videos as people have them: turned by their metadata, announcing what is not so, cut off, damaged."""

import logging
import struct

import numpy as np
import pytest
from video_files import announce, cut, turn, write_frames, write_video

from opec_tf.inference.videos import Video


def levels(video, first=0):
    return [(row, int(image.mean())) for row, image in video.start_at(first)]


def noise(count, size=(48, 64)):
    return list(np.random.default_rng(0).integers(0, 256, [count, *size, 3], np.uint8))


@pytest.mark.parametrize(
    ("degrees", "size", "corner"),
    [(0, (48, 64), (0, 0)), (90, (64, 48), (0, -1)), (180, (48, 64), (-1, -1)), (270, (64, 48), (-1, 0))],
)
def test_frames_are_upright(tmp_path, degrees, size, corner):
    """The white corner at the top left of what was filmed goes where the metadata say."""
    image = np.zeros([48, 64, 3], np.uint8)
    image[:24, :24] = 255
    write_frames(tmp_path / "phone.mp4", [image] * 3)
    if degrees:
        turn(tmp_path / "phone.mp4", degrees)
    found = [frame for _, frame in Video(str(tmp_path / "phone.mp4")).start_at(0)]
    assert [frame.shape for frame in found] == [(*size, 3)] * 3
    for row, column in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        white = found[0][row, column].mean() > 128
        assert white == ((row, column) == corner)


@pytest.mark.parametrize("seconds", [0.4, 1.2, 60.0, 0.0, 1e12])
def test_frames_are_read_until_there_is_none_whatever_is_announced(tmp_path, caplog, seconds):
    """12 frames in 1.2 seconds, as files of a varying rate or of a longer sound track announce them."""
    path = tmp_path / "video.mkv"
    write_video(path, 12)
    announce(path, seconds)
    video = Video(str(path))
    if seconds in (0.4, 60.0):
        assert len(video) == round(10 * seconds)
    with caplog.at_level(logging.WARNING):
        found = levels(video)
    assert [row for row, _ in found] == list(range(12))
    np.testing.assert_allclose([level for _, level in found], 20 * np.arange(12), atol=8)
    assert caplog.messages == []
    assert (len(video), len(video.names)) == (12, 12) and video.ids.tolist() == list(range(12))
    assert levels(Video(str(path)), 10) == found[10:] and levels(Video(str(path)), 12) == []
    counted = Video(str(path))
    counted.count()
    assert len(counted) == 12


@pytest.mark.parametrize(
    ("name", "codec"),
    [("video.mkv", "mp4v"), ("video.avi", "MJPG"), ("video.flv", "FLV1"), ("video.webm", "VP80")],
)
def test_a_file_that_breaks_off_is_said(tmp_path, caplog, name, codec):
    write_video(tmp_path / name, 40, codec=codec)
    with caplog.at_level(logging.WARNING):
        assert len(levels(Video(str(tmp_path / name)))) == 40
        assert caplog.messages == []
        cut(tmp_path / name)
        count = len(levels(Video(str(tmp_path / name))))
    assert 0 < count < 40
    assert caplog.messages == [
        f"{tmp_path / name}: breaks off after {count} frames, in the middle of the file; is it whole?"
    ]


def test_a_wmv_that_breaks_off_is_said(tmp_path, caplog):
    path = tmp_path / "video.wmv"
    write_frames(path, noise(30), codec="WMV2")
    assert len(levels(Video(str(path)))) == 30 and caplog.messages == []
    cut(path)
    assert 0 < len(levels(Video(str(path)))) < 30
    assert "breaks off after" in caplog.text


def test_a_cut_file_that_announces_less_than_it_has_is_said(tmp_path, caplog):
    path = tmp_path / "video.mkv"
    write_video(path, 60)
    announce(path, 1.0)
    cut(path)
    assert 10 < len(levels(Video(str(path)))) < 60
    assert "breaks off" in caplog.text


def test_an_mp4_whose_frames_are_cut_off_is_said(tmp_path, caplog):
    """As files made for the web are, the index first: moved there, its offsets no longer fit, but its end tells."""
    path = tmp_path / "video.mp4"
    write_frames(path, noise(12))
    content = path.read_bytes()
    path.write_bytes(content + (10**6).to_bytes(4, "big") + b"mdat" + bytes(100))
    assert len(levels(Video(str(path)))) == 12
    assert "breaks off after 12 frames" in caplog.text


def test_frames_that_cannot_be_decoded_are_left_out_and_counted(tmp_path, caplog):
    """OpenCV says the same of them as of the end; what lies behind them is not lost."""
    path = tmp_path / "video.mp4"
    write_frames(path, noise(40), codec="MJPG")
    content = bytearray(path.read_bytes())
    size = len(content)
    content[size // 2 : size * 6 // 10] = bytes(size * 6 // 10 - size // 2)
    path.write_bytes(content)
    video = Video(str(path))
    found = levels(video)
    assert 30 < len(found) < 40 and [row for row, _ in found] == list(range(len(found)))
    assert caplog.messages == [f"{path}: left out {40 - len(found)} frames that cannot be decoded"]
    video.count()
    assert len(video) == len(found)


@pytest.mark.parametrize(("scale", "rate"), [(1, 1 << 30), (1 << 20, 1)])
def test_a_rate_beyond_reason_is_not_believed(tmp_path, scale, rate):
    """Nor could a video of it be written."""
    path = tmp_path / "video.avi"
    write_video(path, 5, codec="MJPG")
    content = bytearray(path.read_bytes())
    struct.pack_into("<2I", content, content.index(b"strh") + 28, scale, rate)
    path.write_bytes(content)
    video = Video(str(path))
    assert video.rate == 25 and len(levels(video)) == 5


def test_what_opencv_cannot_open_is_no_video(tmp_path):
    (tmp_path / "notes.txt").write_text("no video")
    assert not Video.is_video(str(tmp_path / "notes.txt"))
    assert len(Video(str(tmp_path / "notes.txt"))) == 0

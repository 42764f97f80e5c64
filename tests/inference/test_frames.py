import pathlib

import cv2
import numpy as np
import pytest
from PIL import Image
from video_files import write_video

from opec_tf.common.errors import UserError
from opec_tf.inference import frames


def picture(level, height=30, width=40):
    return np.full([height, width, 3], level, np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Three pictures, of which one lies deeper, and a file that is none."""
    (tmp_path / "deep").mkdir()
    for name, level in (("b.png", 20), ("a.png", 10), ("deep/c.png", 30)):
        cv2.imwrite(str(tmp_path / name), picture(level))
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def levels(source, first=0):
    return [(row, int(image.mean())) for row, image in source.start_at(first)]


@pytest.mark.slow
def test_folder_is_read_in_order_with_its_subfolders(folder):
    source = frames.open_source(str(folder), strict=False)
    assert source.names == ["a.png", "b.png", "deep/c.png"]
    np.testing.assert_array_equal(source.ids, [1, 2, 3])
    assert levels(source) == [(0, 10), (1, 20), (2, 30)]
    assert levels(source, 2) == [(2, 30)] and levels(source, 3) == []


@pytest.mark.parametrize("suffix", ["webp", "tif", "tiff"])
def test_webp_and_tiff_are_pictures(folder, suffix):
    cv2.imwrite(f"{folder}/c.{suffix}", picture(40), [cv2.IMWRITE_WEBP_QUALITY, 101] if suffix == "webp" else [])
    source = frames.open_source(str(folder), strict=True)
    assert source.names == ["a.png", "b.png", f"c.{suffix}", "deep/c.png"]
    assert levels(source) == [(0, 10), (1, 20), (2, 40), (3, 30)]
    single = frames.open_source(f"{folder}/c.{suffix}", strict=True)
    assert isinstance(single, frames.ImageFiles) and levels(single) == [(0, 40)]


def test_what_lies_beside_pictures_is_said(folder, caplog):
    (folder / "a.heic").write_bytes(b"ftypheic")
    write_video(folder / "walk.mp4", 2)
    source = frames.open_source(str(folder), strict=False)
    assert source.names == ["a.png", "b.png", "deep/c.png"]
    assert caplog.messages == [
        f"{folder}: skipped 2 files beside the pictures (first: {folder}/a.heic); give videos by themselves, convert "
        "pictures"
    ]
    assert frames.videos_of(str(folder), strict=False) == []


def test_several_videos_are_one_after_the_other(tmp_path, caplog):
    for name in ("b.mp4", "a.mkv"):
        write_video(tmp_path / name, 2)
    (tmp_path / "c.mp4").write_bytes(b"sound")
    (tmp_path / "notes.txt").write_text("no video")
    found = [str(tmp_path / name) for name in ("a.mkv", "b.mp4")]
    assert frames.videos_of(str(tmp_path), strict=False) == found
    assert caplog.messages == [f"{tmp_path / 'c.mp4'}: has no readable frame; skipped"]
    assert frames.videos_of(f"{tmp_path}/*.m*", strict=False) == found
    assert frames.videos_of(found[0], strict=False) == []
    with pytest.raises(UserError, match=r"c\.mp4: has no readable frame"):
        frames.videos_of(str(tmp_path), strict=True)
    with pytest.raises(UserError, match=r"c\.mp4: has no readable frame"):
        frames.videos_of(f"{tmp_path}/c.*", strict=False) or frames.open_source(f"{tmp_path}/c.*", strict=False)
    for made in ("out/drawings", "out/a/drawings"):
        (tmp_path / made).mkdir(parents=True)
        write_video(tmp_path / made / "a.mp4", 2)
    assert frames.videos_of(str(tmp_path), strict=False, but=str(tmp_path / "out" / "drawings")) == found


def test_patterns_and_single_files(folder):
    assert frames.open_source(f"{folder}/?.png", strict=False).names == ["a.png", "b.png"]
    assert frames.open_source(f"{folder}/**/*.png", strict=False).names == ["a.png", "b.png", "deep/c.png"]
    (folder / "odd[1].png").write_bytes((folder / "a.png").read_bytes())
    assert levels(frames.open_source(f"{folder}/odd[1].png", strict=False)) == [(0, 10)]


def test_own_drawings_and_unfinished_files_are_no_pictures(folder):
    (folder / ".partial-0.png").write_bytes((folder / "a.png").read_bytes())
    for pattern in (folder, f"{folder}/**/*.png"):
        source = frames.open_source(str(pattern), strict=False, but=f"{folder}/deep")
        assert source.names == ["a.png", "b.png"]
    with pytest.raises(UserError, match="holds no image"):
        frames.open_source(f"{folder}/deep", strict=False, but=str(folder))


def test_files_named_by_numbers_have_these_as_ids(folder):
    for name in ("000000000785.png", "12.png"):
        (folder / "deep" / name).write_bytes((folder / "a.png").read_bytes())
    (folder / "deep" / "c.png").unlink()
    np.testing.assert_array_equal(frames.open_source(str(folder / "deep"), strict=False).ids, [785, 12])


def test_unreadable_images_are_skipped_with_one_line_each(folder, caplog):
    (folder / "a.png").write_bytes(b"no picture")
    (folder / "deep" / "c.png").write_bytes((folder / "b.png").read_bytes()[:60])
    source = frames.open_source(str(folder), strict=False)
    assert levels(source, 1) == [(1, 20)]
    assert [pathlib.Path(path).name for path in source.skipped] == ["c.png"]
    source = frames.open_source(str(folder), strict=False)
    caplog.clear()
    assert levels(source) == [(1, 20)]
    assert [pathlib.Path(path).name for path in source.skipped] == ["a.png", "c.png"]
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0].endswith("a.png: is not a JPEG, PNG, BMP or GIF picture; skipped")
    assert messages[1].endswith("c.png: is truncated or damaged; skipped")
    with pytest.raises(UserError, match=r"a\.png: is not a JPEG.*without --strict"):
        levels(frames.open_source(str(folder), strict=True))


def test_a_picture_of_more_pixels_is_skipped(folder, caplog):
    source = frames.open_source(str(folder / "*.png"), strict=False, max_pixels=30 * 40 - 1)
    assert levels(source) == [] and len(source.skipped) == 2
    assert caplog.messages[0].endswith("a.png: has 40x30 pixels, more than max_pixels=1199; skipped")
    assert len(levels(frames.open_source(str(folder / "*.png"), strict=True, max_pixels=30 * 40))) == 2


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "gif"])
def test_a_single_damaged_picture_is_no_video(tmp_path, caplog, suffix):
    """OpenCV gets a frame out of what is there of a JPEG, and grey below."""
    path = tmp_path / f"half.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (400, 600, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = frames.open_source(str(path), strict=False)
    assert levels(source) == [] and source.skipped == [str(path)]
    assert caplog.messages == [f"{path}: is truncated or damaged; skipped"]
    with pytest.raises(UserError, match=r"is truncated or damaged; replace the file"):
        levels(frames.open_source(str(path), strict=True))


@pytest.mark.parametrize("images", ["nothing/*.png", "missing.jpg", "deep"])
def test_nothing_to_read(tmp_path, images):
    (tmp_path / "deep").mkdir()
    with pytest.raises(UserError, match="no file matches|holds no image"):
        frames.open_source(f"{tmp_path}/{images}", strict=False)


def test_video_is_known_by_its_content(tmp_path):
    write_video(tmp_path / "video.bin.mp4", 7)
    (tmp_path / "video.bin.mp4").rename(tmp_path / "video.jpg")
    source = frames.open_source(str(tmp_path / "video.jpg"), strict=False)
    assert isinstance(source, frames.Video) and len(source) == 7 and source.rate == 10
    np.testing.assert_array_equal(source.ids, np.arange(7))
    np.testing.assert_allclose([level for _, level in levels(source)], 20 * np.arange(7), atol=8)
    assert [row for row, _ in levels(source, 5)] == [5, 6]
    np.testing.assert_allclose([level for _, level in levels(source, 5)], [100, 120], atol=8)


def test_text_is_no_video(folder):
    source = frames.open_source(str(folder / "notes.txt"), strict=False)
    assert isinstance(source, frames.ImageFiles) and levels(source) == [] and len(source.skipped) == 1


def test_video_writer_round_trip_of_odd_sizes(tmp_path):
    path = tmp_path / "out" / "video.mp4"
    with frames.VideoWriter(path, 12.5) as writer:
        for i in range(5):
            writer.write(np.full([33, 47, 3], (200, 40, 10 * i), np.uint8))
        assert not path.exists()
    source = frames.Video(str(path))
    assert len(source) == 5 and source.rate == 12.5
    for row, image in source.start_at(0):
        assert image.shape == (34, 48, 3)
        np.testing.assert_allclose(image.mean(axis=(0, 1)), [200, 40, 10 * row], atol=6)
    assert list(path.parent.iterdir()) == [path]


def test_video_writer_keeps_what_it_has_before_an_error(tmp_path):
    path = tmp_path / "video.mp4"
    with pytest.raises(RuntimeError), frames.VideoWriter(path, 10) as writer:
        for _ in range(3):
            writer.write(picture(9))
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["video.partial.mp4"]
    assert len(frames.Video(str(tmp_path / "video.partial.mp4"))) == 3
    with pytest.raises(RuntimeError), frames.VideoWriter(path, 10):
        raise RuntimeError
    with frames.VideoWriter(path, 10) as writer:
        writer.write(picture(9))
    assert list(tmp_path.iterdir()) == [path]
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match=r"video\.mp4: cannot be written"),
        frames.VideoWriter(tmp_path / "file" / "video.mp4", 10),
    ):
        pass

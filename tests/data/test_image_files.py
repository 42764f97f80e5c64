"""The table of bad image files, with what a user is told of each."""

import logging

import numpy as np
import pytest
import tensorflow as tf
from encoded_pictures import encode, exif

from opec_tf.common.errors import UserError
from opec_tf.data import image_files
from opec_tf.poses import images, picture_files

SIZE = (30, 40)


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8)


def damaged_png():
    data = bytearray(encode(picture(), "PNG"))
    data[200:260] = bytes(60)
    return bytes(data)


JPEG = encode(picture())

# name, content (None: no file; "": a folder), size in the annotations, what follows the file's name in the message.
BAD = [
    ("missing.jpg", None, SIZE, "cannot be read (No such file or directory)"),
    ("folder.jpg", "", SIZE, "is a folder, not an image file"),
    ("empty.jpg", b"", SIZE, "is empty"),
    ("text.jpg", b"<html>404 not found</html>", SIZE, "is not a JPEG, PNG, BMP or GIF picture"),
    ("picture.webp", encode(picture(), "WEBP"), SIZE, "is not a JPEG, PNG, BMP or GIF picture"),
    ("truncated.jpg", JPEG[: len(JPEG) // 2], SIZE, "is truncated or damaged"),
    ("header.jpg", JPEG[:100], SIZE, "is truncated or damaged"),
    ("three_bytes.jpg", JPEG[:3], SIZE, "is truncated or damaged"),
    ("truncated.png", encode(picture(), "PNG")[:500], SIZE, "is truncated or damaged"),
    ("truncated.bmp", encode(picture(), "BMP")[:500], SIZE, "is truncated or damaged"),
    ("wrong_size.jpg", JPEG, (30, 41), "is 40x30 pixels, but the annotations say 41x30"),
    ("wrong_size.png", encode(picture(), "PNG"), (300, 40), "is 40x30 pixels, but the annotations say 40x300"),
    (
        "turned.jpg",
        encode(picture(), exif=exif(6)),
        SIZE,
        "is 30x40 pixels, but the annotations say 40x30, as before it is turned by its Exif orientation: swap them, or "
        "annotate it upright",
    ),
    ("swapped.jpg", JPEG, SIZE[::-1], "is 40x30 pixels, but the annotations say 30x40"),
]

GOOD = [
    ("plain.jpg", JPEG, SIZE),
    ("unknown_size.jpg", JPEG, (0, 0)),
    ("progressive.jpg", encode(picture(), progressive=True), SIZE),
    ("trailing_bytes.jpg", JPEG + bytes(9000), SIZE),
    ("turned.jpg", encode(picture(), exif=exif(6)), SIZE[::-1]),
    ("grey.jpg", encode(picture()[..., 0]), SIZE),
    ("named_wrongly.jpg", encode(picture(), "PNG"), SIZE),
    ("deep.png", encode(picture()[..., 0].astype(np.uint16) * 257, "PNG"), SIZE),
    ("alpha.png", encode(np.dstack([picture(), picture()[..., 0]]), "PNG"), SIZE),
    ("rows.bmp", encode(picture(), "BMP"), SIZE),
    ("one_frame.gif", encode(picture()[..., 0], "GIF"), SIZE),
    ("one_pixel.png", encode(picture()[:1, :1], "PNG"), (1, 1)),
]


def write(folder, name, content):
    path = folder / name
    if content == "":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("name,content,size,message", BAD, ids=[row[0] for row in BAD])
def test_bad_file_is_counted_or_an_error(name, content, size, message, tmp_path, caplog):
    paths = [write(tmp_path, "good.jpg", JPEG), write(tmp_path, name, content)]
    with caplog.at_level(logging.WARNING):
        assert image_files.check(paths, [SIZE, size], strict=False).tolist() == [True, False]
    assert caplog.messages == [f"left out 1 of 2 images: {paths[1]} {message}"]
    with pytest.raises(UserError) as error:
        image_files.check(paths, [SIZE, size], strict=True)
    assert str(error.value) == f"{paths[1]}: {message}; replace the file, or run without --strict to leave it out"


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("name,content,size", GOOD, ids=[row[0] for row in GOOD])
def test_good_file_passes_and_decodes_to_the_size_found(name, content, size, quick, tmp_path):
    assert image_files.find_fault(write(tmp_path, name, content), size, quick) is None
    assert images.decode(tf.constant(content)).shape[:2] == (SIZE if not any(size) else size)


def test_warning_names_the_first_files_and_counts_the_rest(tmp_path, caplog):
    paths = [str(tmp_path / f"{i}.jpg") for i in range(7)]
    with caplog.at_level(logging.WARNING):
        assert not image_files.check(paths, np.zeros([7, 2], int), strict=False).any()
    [message] = caplog.messages
    assert message.startswith(f"left out 7 of 7 images: {paths[0]} cannot") and message.endswith("; and 4 more")
    assert paths[2] in message and paths[3] not in message


def test_damage_in_the_middle_is_named_when_decoding_fails(tmp_path):
    paths = [write(tmp_path, "good.jpg", JPEG), write(tmp_path, "damaged.png", damaged_png())]
    assert image_files.check(paths, [SIZE, SIZE], strict=True).all()
    dataset = tf.data.Dataset.from_tensor_slices(paths).map(lambda path: images.decode(tf.io.read_file(path)))
    with pytest.raises(UserError, match=r"damaged\.png: is truncated or damaged"):
        with image_files.naming_unreadable(paths):
            list(dataset)


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    path = write(tmp_path, "locked.jpg", JPEG)

    def refuse(*_):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(UserError, match=r"locked\.jpg: cannot be read \(Permission denied\)"):
        with image_files.naming_unreadable([path]):
            raise tf.errors.PermissionDeniedError(None, None, f"{path}; Permission denied")


def test_an_error_that_no_file_explains_is_passed_on(tmp_path):
    paths = [write(tmp_path, "good.jpg", JPEG)]
    with pytest.raises(tf.errors.InvalidArgumentError, match="shape"):
        with image_files.naming_unreadable(paths):
            tf.reshape(tf.zeros([3]), [2])


@pytest.mark.parametrize("file_format", ["WEBP", "TIFF"])
def test_webp_and_tiff_are_read_where_opencv_decodes(tmp_path, file_format):
    content = encode(picture(), file_format, **({"lossless": True} if file_format == "WEBP" else {}))
    path = write(tmp_path, "picture", content)
    assert "is not a JPEG" in image_files.find_fault(path)
    assert image_files.find_fault(path, SIZE, with_opencv=True) is None
    np.testing.assert_array_equal(picture_files.decode(tf.constant(content)), picture())
    dark = encode(picture() * 0, file_format)  # ends in zeros
    for found in (picture_files.decode(dark), tf.function(picture_files.decode)(tf.constant(dark))):
        assert found.shape == (*SIZE, 3) and not np.any(found)
    (tmp_path / "picture").write_bytes(content[:40])
    assert image_files.find_fault(path, with_opencv=True) == "is truncated or damaged"


@pytest.mark.parametrize("content", [JPEG, encode(picture(), "PNG"), encode(picture(), "BMP")])
def test_what_tensorflow_decodes_it_decodes_everywhere(content):
    np.testing.assert_array_equal(picture_files.decode(tf.constant(content)), images.decode(tf.constant(content)))
    with pytest.raises(tf.errors.InvalidArgumentError):
        picture_files.decode(tf.constant(content[:5]))


def test_sizes_are_those_of_the_headers(tmp_path):
    contents = [JPEG, encode(picture(), exif=exif(6)), encode(picture(), "PNG"), b"", b"no picture", None]
    paths = [write(tmp_path, f"{number}.jpg", content) for number, content in enumerate(contents) if content != b""]
    assert image_files.sizes(paths).tolist() == [[30, 40], [40, 30], [30, 40], [0, 0], [0, 0]]


def test_a_file_that_vanished_is_called_missing(tmp_path, caplog):
    paths = [write(tmp_path, f"{number}.jpg", JPEG) for number in range(4)]
    (tmp_path / "1.jpg").unlink()
    (tmp_path / "2.jpg").write_bytes(damaged_png())
    dataset = tf.data.Dataset.from_tensor_slices(paths).enumerate()
    dataset = dataset.map(lambda row, path: (row, {"image": images.decode(tf.io.read_file(path))}))
    dataset = image_files.leave_out_undecodable(dataset, lambda row: tf.gather(paths, row), 4)
    assert [int(row) for row, _ in dataset] == [0, 3]
    assert caplog.messages == [
        f"left out 1 of 4 images so far: {paths[1]} is missing",
        f"left out 2 of 4 images so far: {paths[2]} cannot be decoded",
    ]

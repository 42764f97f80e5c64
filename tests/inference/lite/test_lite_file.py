"""A TFLite file with its metadata on disk: what it is for others, and what is refused."""

import zipfile

import pytest

from opec_tf.common.errors import UserError
from opec_tf.inference.lite.lite_file import LiteFile

FILE = LiteFile(b"\x1c\x00\x00\x00TFL3" + bytes(range(256)), {"joints": ["left wrist"], "box_margin": 1.25})


def test_the_model_comes_first_and_any_zip_reader_finds_the_metadata(tmp_path):
    path = tmp_path / "new" / "model.tflite"
    FILE.write(path)
    assert path.read_bytes().startswith(FILE.content)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["metadata.json"] and archive.testzip() is None
    assert LiteFile.read(path) == FILE
    assert [path.name for path in path.parent.iterdir()] == ["model.tflite"]


def test_a_file_is_replaced_whole_or_stays(tmp_path):
    path = tmp_path / "model.tflite"
    FILE.write(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        FILE._replace(metadata={"metrics": float("nan")}).write(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1
    FILE._replace(metadata={}).write(path)
    assert LiteFile.read(path).metadata == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no TFLite file; name one of export --format=tflite"),
        (b"PK\x03\x04 no model", "is no TFLite file"),
        (FILE.content, r"has no metadata.json in it \(File is not a zip file\)"),
    ],
)
def test_other_files_are_one_line(tmp_path, content, said):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"^{path}: {said}"):
        LiteFile.read(path)


def test_other_archives_are_one_line(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(FILE.content)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "person")
    with pytest.raises(UserError, match="has no metadata.json in it"):
        LiteFile.read(path)
    with pytest.raises(UserError, match="none.tflite: cannot be read .*; check the path"):
        LiteFile.read(tmp_path / "none.tflite")

"""Files are whole or absent, old ones survive a fault, and every fault is one clear line."""

import contextlib
import json
import os
import resource
import stat

import pytest

from opec_tf.common import files
from opec_tf.common.errors import UserError


@contextlib.contextmanager
def small_disk():
    """Within the block a file larger than 1000 bytes cannot be written, as on a full disk.

    Not for a whole test: pytest's own report may go to a file.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_written_file_is_whole_and_alone(tmp_path):
    path = tmp_path / "new" / "deeper" / "metrics.json"
    files.write_json(path, {"AP": 0.25, "names": ["Zoë"]})
    assert files.read_json(path) == {"AP": 0.25, "names": ["Zoë"]}
    assert os.listdir(path.parent) == ["metrics.json"]


def test_a_written_file_follows_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        files.write_text(tmp_path / "a.txt", "a")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_the_temporary_file_lies_beside_the_target_and_keeps_its_suffix(tmp_path):
    with files.atomic_path(tmp_path / "final.weights.h5") as temporary:
        assert os.path.dirname(temporary) == str(tmp_path)
        assert temporary.endswith(".weights.h5")
        assert not (tmp_path / "final.weights.h5").exists()


@pytest.mark.parametrize("fault", [ValueError("bug"), KeyboardInterrupt(), UserError("bad input")])
def test_a_fault_within_leaves_the_old_file_and_no_other(tmp_path, fault):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(type(fault)), files.atomic_path(path) as temporary:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write("half of the n")
        raise fault
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_what_a_killed_writer_left_can_be_removed(tmp_path):
    (tmp_path / "kept.json").write_text("{}")
    with pytest.raises(RuntimeError), files.atomic_path(tmp_path / "a.json") as temporary:
        # A killed process does not get to its clean-up: the same file, made again after it.
        os.rename(temporary, tmp_path / "aside")
        raise RuntimeError("killed")
    os.rename(tmp_path / "aside", temporary)
    files.remove_partial(tmp_path)
    assert os.listdir(tmp_path) == ["kept.json"]


def test_a_value_that_json_cannot_hold_leaves_the_old_file(tmp_path):
    path = tmp_path / "metrics.json"
    files.write_json(path, {"AP": 1.0})
    with pytest.raises(ValueError):
        files.write_json(path, {"AP": float("nan")})
    assert files.read_json(path) == {"AP": 1.0}


def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with small_disk(), pytest.raises(UserError) as caught:
        files.write_text(path, "x" * 5000)
    assert str(caught.value) == f"{path}: cannot be written (File too large); free some space or choose another folder"
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_block_that_fails_on_another_file_is_not_blamed_on_the_target(tmp_path):
    with pytest.raises(FileNotFoundError), files.atomic_path(tmp_path / "a.txt"):
        open(tmp_path / "input.txt", encoding="utf-8")
    assert os.listdir(tmp_path) == []


def test_a_folder_in_the_targets_place_is_named(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(UserError, match=r"a\.txt: cannot be written \(Is a directory\)"):
        files.write_text(tmp_path / "a.txt", "new")
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("make", [files.make_folder, lambda path: files.write_text(path / "a.txt", "new")])
def test_a_folder_below_a_file_or_a_read_only_tree_is_refused(tmp_path, make):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file" / "below", type(tmp_path)("/proc/opec_tf/below")):
        with pytest.raises(UserError) as caught:
            make(folder)
        assert str(caught.value).startswith(f"{folder}")
        assert "cannot be written (" in str(caught.value)
        assert str(caught.value).endswith("choose a folder you can write to")


def test_make_folder_makes_parents_and_leaves_nothing_in_it(tmp_path):
    folder = files.make_folder(str(tmp_path / "a" / "b"))
    assert folder == tmp_path / "a" / "b" and os.listdir(folder) == []
    assert files.make_folder(folder) == folder


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "Expecting value"),
        (b'{"images": [', "Expecting value"),
        (b"\xff\xd8\xff\xe0 a picture", "codec can't decode"),
    ],
    ids=["empty", "cut short", "a JPEG"],
)
def test_a_file_that_is_no_json_is_named_with_the_reason(tmp_path, content, reason):
    path = tmp_path / "annotations.json"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        files.read_json(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: is not valid JSON (") and reason in message
    assert message.endswith("check that the file is whole") and "\n" not in message


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path, reason in ((tmp_path / "none.json", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(UserError) as caught:
            files.read_json(path)
        assert str(caught.value) == f"{path}: cannot be read ({reason}); check the path"


def test_a_byte_order_mark_is_no_fault(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + json.dumps({"a": 1}).encode())
    assert files.read_json(tmp_path / "a.json") == {"a": 1}


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    with files.atomic_folder(tmp_path / "new" / "1") as folder:
        (folder / "variables").mkdir()
        (folder / "variables" / "data").write_text("x")
        assert [path.name for path in (tmp_path / "new").iterdir()] == [folder.name]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["1"]
    assert (tmp_path / "new" / "1" / "variables" / "data").read_text() == "x"
    with pytest.raises(ZeroDivisionError), files.atomic_folder(tmp_path / "new" / "2") as folder:
        (folder / "data").write_text("x")
        raise ZeroDivisionError
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["1"]
    with pytest.raises(UserError, match="1: exists already"), files.atomic_folder(tmp_path / "new" / "1"):
        pass


@pytest.mark.parametrize("name", ["lr=[1e-3],b=[8]", "run*", "a?", "back\\slash"])
def test_a_name_that_is_a_pattern_to_tensorflow_is_refused(tmp_path, name):
    with pytest.raises(UserError) as caught:
        files.refuse_pattern(tmp_path / name / "opec")
    character = next(character for character in name if character in "*?[\\")
    assert str(caught.value) == (
        f"{tmp_path / name / 'opec'}: {character} in a folder's name would be a pattern to TensorFlow, which then does "
        "not find its files again; choose a name without"
    )
    files.refuse_pattern(tmp_path / "lr=1e-3],b={8}")


def test_a_new_folder_goes_again_where_its_block_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), files.new_folder(tmp_path / "a" / "b") as folder:
        assert folder.is_dir()
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []
    (tmp_path / "c").mkdir()
    with pytest.raises(ZeroDivisionError), files.new_folder(tmp_path / "c" / "d"):
        (tmp_path / "c" / "d" / "kept").write_text("x")
        raise ZeroDivisionError
    assert (tmp_path / "c" / "d" / "kept").exists()
    with pytest.raises(ZeroDivisionError), files.new_folder(tmp_path / "c"):
        raise ZeroDivisionError
    assert (tmp_path / "c").is_dir()


def test_leftover_folders_are_removed_too(tmp_path):
    with pytest.raises(ZeroDivisionError), files.atomic_folder(tmp_path / "1") as folder:
        leftover = tmp_path / f"{folder.name}-killed"
        folder.rename(leftover)
        raise ZeroDivisionError
    files.remove_partial(tmp_path)
    assert os.listdir(tmp_path) == []

"""The annotators' files: one a picture and annotator, and the queue of pictures that are to be looked at again.

::

  DIR/ANNOTATOR/PICTURE.json   an ``Annotation``; PICTURE is the picture's path in the folder of pictures
  DIR/queue.json               pictures on which annotators differ, which the page offers first

A file is human-readable JSON and either whole or absent. Joints are [x, y, v], v one of ``skeletons.UNLABELLED``
(outside the picture, or not annotated), OCCLUDED and VISIBLE; (x, y) are pixels of the upright picture and the pair's
box is (x, y, w, h), as ``poses/geometry.py`` has both.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.common.records import Records
from opec_tf.poses import skeletons
from opec_tf.poses.skeletons import SKELETONS, Skeleton

VERSION = 1
QUEUE = "queue.json"
_SUFFIX = ".json"
_ANNOTATOR = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_DECIMALS = 2  # hundredths of a pixel
_LABELS = (skeletons.UNLABELLED, skeletons.OCCLUDED, skeletons.VISIBLE)


@dataclasses.dataclass(frozen=True, eq=False)
class Annotation:
    """What one annotator says of one picture.

    Attributes:
      picture: the picture's path in the folder of pictures, with slashes.
      annotator: who it is of; a folder's name.
      width: of the upright picture, pixels.
      height: of the upright picture, pixels.
      skeleton: the joint set; its order is the order of the K axis.
      revision: how often it was saved, counted by the server; 0 of what was never saved.
      done: the annotator is through with it.
      pair_box: (x, y, w, h) around the pair; None where none was drawn.
      people: float64 [N, K, 3], (x, y, v).
    """

    picture: str
    annotator: str
    width: int
    height: int
    skeleton: Skeleton
    revision: int = 0
    done: bool = False
    pair_box: tuple[float, float, float, float] | None = None
    people: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 0, 3)))

    def to_json(self) -> dict[str, Any]:
        """The file's content."""
        return {
            "version": VERSION,
            "picture": self.picture,
            "annotator": self.annotator,
            "width": self.width,
            "height": self.height,
            "skeleton": self.skeleton.name,
            "revision": self.revision,
            "done": self.done,
            "pair_box": self.pair_box and [_short(value) for value in self.pair_box],
            "people": [
                {"joints": [[_short(x), _short(y), int(v)] for x, y, v in joints]} for joints in self.people.tolist()
            ],
        }


def from_json(path: os.PathLike[str] | str, value: object) -> Annotation:
    """An annotation from a file's content.

    Args:
      path: where it is from, for messages.
      value: the parsed JSON.

    Raises:
      UserError: a field is missing or impossible.
    """
    fields = Records(path, "annotation", [value])
    if (version := int(fields.integers("version")[0])) != VERSION:
        fields.fail(0, f"is of version {version}, this program reads version {VERSION}", "update the package")
    picture, annotator, name = (fields.texts(field)[0] for field in ("picture", "annotator", "skeleton"))
    width, height = (int(fields.integers(field)[0]) for field in ("width", "height"))
    revision, done = int(fields.integers("revision")[0]), fields.values("done")[0]
    if name not in SKELETONS:
        fields.fail(0, f"'skeleton' is {name!r}, expected one of {', '.join(SKELETONS)}")
    if width < 1 or height < 1 or revision < 0 or not isinstance(done, bool):
        fields.fail(0, "'width' and 'height' must be above 0, 'revision' 0 or more, 'done' true or false")
    pair_box = None
    if fields.values("pair_box")[0] is not None:
        x, y, w, h = fields.numbers("pair_box", (4,), "x, y, width, height")[0].tolist()
        if w <= 0 or h <= 0:
            fields.fail(0, f"'pair_box' is {w:g} wide and {h:g} high, expected more than 0")
        pair_box = x, y, w, h
    return Annotation(
        check_picture(picture, path),
        check_annotator(annotator, path),
        width,
        height,
        SKELETONS[name],
        revision,
        done,
        pair_box,
        _people(path, fields.values("people")[0], SKELETONS[name], (width, height)),
    )


def _people(path: os.PathLike[str] | str, value: Any, skeleton: Skeleton, size: tuple[int, int]) -> np.ndarray:
    """float64 [N, K, 3], (x, y, v); what is labelled lies in the picture of ``size``, (width, height)."""
    if value == []:
        return np.zeros((0, skeleton.num_joints, 3))
    people = Records(path, "person", value)
    joints = people.numbers("joints", (skeleton.num_joints, 3), f"(x, y, v) of {skeleton.name}'s joints")
    odd = ~np.isin(joints[..., 2], _LABELS)
    beyond = ((joints[..., :2] < -0.5) | (joints[..., :2] > np.array(size) - 0.5)).any(axis=-1)
    beyond &= joints[..., 2] != skeletons.UNLABELLED
    if (odd | beyond).any():
        person, joint = np.argwhere(odd | beyond)[0]
        x, y, v = joints[person, joint]
        fault = f"{skeleton.joints[joint]} has v = {v:g}, expected 0, 1 or 2"
        if not odd[person, joint]:
            fault = f"{skeleton.joints[joint]} is labelled at ({x:g}, {y:g}), beyond the picture of {size[0]}x{size[1]}"
        people.fail(int(person), fault)
    return joints


def check_picture(name: str, path: os.PathLike[str] | str = "picture") -> str:
    """A picture's name where it is one that stays in its folder.

    Raises:
      UserError: it is absolute, or has parts such as "..".
    """
    if not name or "\0" in name or name.startswith("/") or {"", ".", ".."} & set(name.split("/")):
        raise UserError(f"{path}: {name!r} is no picture's path in the folder of pictures; write it without . and ..")
    return name


def check_annotator(name: str, path: os.PathLike[str] | str = "annotator") -> str:
    """An annotator's name where a folder can have it.

    Raises:
      UserError: it has other characters than letters, digits, ``_``, ``-`` and dots, or is too long.
    """
    if not _ANNOTATOR.fullmatch(name):
        raise UserError(f"{path}: {name!r} cannot name an annotator; use up to 64 letters (a to z), digits, _ - and .")
    return name


def path_of(folder: os.PathLike[str] | str, annotator: str, picture: str) -> pathlib.Path:
    """The file of one picture and annotator."""
    return pathlib.Path(folder, check_annotator(annotator), check_picture(picture) + _SUFFIX)


def list_files(folder: os.PathLike[str] | str) -> dict[str, dict[str, pathlib.Path]]:
    """The files in a folder of annotators: annotator -> picture -> file, both in the order of the alphabet.

    Raises:
      UserError: the folder is not there.
    """
    if not os.path.isdir(folder):
        raise UserError(f"{folder}: is no folder; give the --output_dir of opec_tf.annotate")
    found = {}
    for home in sorted(pathlib.Path(folder).iterdir()):
        if home.is_dir() and _ANNOTATOR.fullmatch(home.name):
            paths = sorted(path for path in home.rglob(f"*{_SUFFIX}") if not files.is_partial(path))
            found[home.name] = {path.relative_to(home).as_posix()[: -len(_SUFFIX)]: path for path in paths}
    return {annotator: paths for annotator, paths in found.items() if paths}


def read(folder: os.PathLike[str] | str, annotator: str, picture: str) -> Annotation:
    """What one annotator says of one picture.

    Raises:
      UserError: the file is missing, damaged, or of another picture or annotator.
    """
    path = path_of(folder, annotator, picture)
    annotation = from_json(path, files.read_json(path))
    if (annotation.picture, annotation.annotator) != (picture, annotator):
        raise UserError(
            f"{path}: is of {annotation.picture} by {annotation.annotator}, by its content; a copy? put it in its place"
        )
    return annotation


def write(folder: os.PathLike[str] | str, annotation: Annotation) -> pathlib.Path:
    """Writes an annotation's file, whole and on the disk, with folders above it; returns its path.

    Raises:
      UserError: it cannot be written.
    """
    path = path_of(folder, annotation.annotator, annotation.picture)
    with files.atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(_as_text(annotation.to_json()))
        file.flush()
        os.fsync(file.fileno())
    return path


@dataclasses.dataclass(frozen=True)
class Queued:
    """A picture on which annotators differ: ``reason`` says where, in a line."""

    picture: str
    reason: str
    annotators: tuple[str, ...]


def read_queue(folder: os.PathLike[str] | str) -> list[Queued]:
    """The pictures of a folder's queue, in order; none where it has no queue.

    Raises:
      UserError: the file is damaged.
    """
    path = pathlib.Path(folder, QUEUE)
    if not path.exists():
        return []
    pictures = Records(path, "queue", [files.read_json(path)]).values("pictures")[0]
    if pictures == []:
        return []
    queued = Records(path, "picture", pictures, id_field="picture")
    columns = queued.texts("picture"), queued.texts("reason"), queued.values("annotators")
    for index, names in enumerate(columns[2]):
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            queued.fail(index, "'annotators' is no list of names")
    return [Queued(check_picture(name, path), reason, tuple(names)) for name, reason, names in zip(*columns)]


def write_queue(folder: os.PathLike[str] | str, pictures: Sequence[Queued]) -> pathlib.Path:
    """Writes a folder's queue; returns its path."""
    path = pathlib.Path(folder, QUEUE)
    files.write_json(path, {"version": VERSION, "pictures": list(map(dataclasses.asdict, pictures))}, indent=2)
    return path


def _short(value: float) -> float:
    """A coordinate as files have it, whole numbers without a point."""
    rounded = round(float(value), _DECIMALS)
    return int(rounded) if rounded == int(rounded) else rounded


def _as_text(value: dict[str, Any]) -> str:
    """JSON with a line for each field and each joint."""
    fields = [f"  {json.dumps(name)}: {json.dumps(item)}" for name, item in value.items() if name != "people"]
    people = [",\n".join(f"      {json.dumps(joint)}" for joint in person["joints"]) for person in value["people"]]
    people = [f'    {{"joints": [\n{joints}\n    ]}}' for joints in people]
    fields.append('  "people": [' + (",\n".join(["", *people])[1:] + "\n  " if people else "") + "]")
    return "{\n" + ",\n".join(fields) + "\n}\n"

"""Writing pasted pairs to disk, in CrowdPose's form, with several processes."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import numpy as np

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.data import generated, processes
from opec_tf.data.pasted import couples as pairing, labels, people as sources, sheet
from opec_tf.data.pasted.couples import Couple
from opec_tf.data.pasted.labels import Pair
from opec_tf.data.pasted.people import Source
from opec_tf.data.pasted.placement import Placement

# Shares of the couples and of the pictures they are made of.
SPLITS = {"train": 0.7, "val": 0.1, "test": 0.2}
GENERATOR = "opec_tf pasted pairs"
# Raised whenever the same seed gives other files, so that a folder of an older generator is not taken for finished.
VERSION = 2
_FILE = "annotations.json"
_WORKER = "opec_tf.data.pasted.worker"
_MAX_PEOPLE = 100  # in a picture, on average over a split: the room that its annotations' ids have


def write_dataset(
    output_dir: os.PathLike[str] | str,
    annotations: os.PathLike[str] | str,
    images: os.PathLike[str] | str,
    couples: int,
    seed: int,
    splits: dict[str, float] | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> dict[str, dict[str, float]]:
    """Makes pairs of real people into ``output_dir``/SPLIT/{images/,annotations.json,contact_sheet.jpg}.

    ``annotations.json`` is what ``labels.annotate`` says, in CrowdPose's form with the joints of the source, and with
    two extra fields: of an image ``source``, the ids in the source file of who is ``in_front`` and ``behind``; and
    ``info``, the settings. It is written last. A folder whose annotations say the same settings is left as it is;
    anything else, a broken-off run too, is written anew over what is there.

    Args:
      output_dir: folder, made where it is missing.
      annotations: a COCO-format file with joints and masks.
      images: folder of its images.
      couples: pictures of all splits together.
      seed: the same seed gives the same files, whatever the number of workers.
      splits: name -> share of the couples and of the source's pictures; nobody is in two splits.
      workers: processes; None: one a core.
      progress: report to stderr.

    Returns:
      dict split -> figures of ``generated.summarize``.

    Raises:
      UserError: the source lacks something, a file cannot be read or written, or a split has too few people.
    """
    shares = splits or SPLITS
    sizes = split_sizes(couples, shares)
    folder = files.make_folder(output_dir)
    source = sources.read(annotations, images)
    settings = _settings(source, couples, seed, shares)
    parts = pairing.split_images(source, shares, seed)
    pending = [split for split in sizes if not generated.is_finished(folder / split, settings, sizes[split])]
    chosen = {
        split: pairing.choose(source, parts[split], sizes[split], split, _generator(seed, shares, split))
        for split in pending
    }
    _check_images(source, [couple for split in pending for couple in chosen[split]])
    for split in pending:
        number = list(shares).index(split)
        pairs = _make(folder / split, source, chosen[split], number, seed, workers, progress)
        _write_annotations(folder / split, source, pairs, settings)
    return {split: generated.summarize(files.read_json(folder / split / _FILE)) for split in sizes}


def parse_splits(texts: list[str]) -> dict[str, float]:
    """The shares that NAME:SHARE texts give; a single NAME is all.

    Raises:
      UserError: a text is malformed or a name comes twice.
    """
    shares: dict[str, float] = {}
    for text in texts:
        name, _, share = text.partition(":")
        try:
            shares[name] = float(share) if share or len(texts) > 1 else 1.0
        except ValueError:
            shares[name] = 0.0
        if not name.isidentifier() or not 0.0 < shares[name] < float("inf"):
            raise UserError(f"--splits: {text!r} is no NAME:SHARE with a share above 0, as in train:0.7,val:0.3")
    if len(shares) != len(texts) or not texts:
        raise UserError(f"--splits={','.join(texts)} must name one split or more, each once")
    return shares


def split_sizes(couples: int, shares: dict[str, float]) -> dict[str, int]:
    """Pictures of each split, in order.

    Raises:
      UserError: one would have none.
    """
    sizes = {split: int(couples * share / sum(shares.values())) for split, share in shares.items()}
    sizes[next(iter(sizes))] += couples - sum(sizes.values())
    if min(sizes.values()) < 1:
        raise UserError(
            f"--couples={couples} are too few for the splits {', '.join(shares)}; give more or fewer splits"
        )
    return sizes


def _settings(source: Source, couples: int, seed: int, shares: dict[str, float]) -> dict[str, Any]:
    return {
        "generator": GENERATOR,
        "version": VERSION,
        "source": source.path.name,
        "sha1": source.digest,
        "couples": couples,
        "seed": seed,
        "splits": shares,
    }


def _generator(seed: int, shares: dict[str, float], split: str) -> np.random.Generator:
    return np.random.default_rng([seed, list(shares).index(split)])


def _check_images(source: Source, couples: list[Couple]) -> None:
    """Raises a ``UserError`` where a picture that may be used is missing, before any is made."""
    rows = {row for couple in couples for row in (couple.behind, *couple.in_front)}
    paths = sorted({_path(source, row) for row in rows})
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        raise UserError(f"{missing[0]}: is missing, as are {len(missing) - 1} more of {len(paths)}; check --images")


def _make(
    folder: pathlib.Path,
    source: Source,
    couples: list[Couple],
    number: int,
    seed: int,
    workers: int | None,
    progress: bool,
) -> list[Pair]:
    """Makes the pictures of a split, number ``number`` of them, which is no longer finished."""
    (folder / _FILE).unlink(missing_ok=True)
    images = files.make_folder(folder / "images")
    jobs = [
        {"path": str(images / generated.file_name(number, index)), "number": [number, index], **_job(source, couple)}
        for index, couple in enumerate(couples)
    ]
    label = f"pasting {folder.name} couples"
    records = processes.run(_WORKER, {"seed": seed}, jobs, label=label, workers=workers, progress=progress)
    by_path = {record["path"]: record for record in records}
    return [
        Pair(
            image_id=generated.image_id(number, index),
            path=job["path"],
            behind=couple.behind,
            in_front=by_path[job["path"]]["in_front"],
            placement=Placement.from_json(by_path[job["path"]]["placement"]),
            hidden=np.array(by_path[job["path"]]["hidden"]),
        )
        for index, (job, couple) in enumerate(zip(jobs, couples))
    ]


def _write_annotations(folder: pathlib.Path, source: Source, pairs: list[Pair], settings: dict[str, Any]) -> None:
    """Writes a split's contact sheet and, last, its annotations."""
    people = labels.annotate(source.people, pairs, _MAX_PEOPLE * pairs[0].image_id)
    content = people.to_coco(image_root=folder / "images")
    ids = source.people.annotation_ids
    for image, pair in zip(content["images"], pairs):
        image["source"] = {"in_front": int(ids[pair.in_front]), "behind": int(ids[pair.behind])}
    sheet.write(folder / "contact_sheet.jpg", people)
    files.write_json(folder / _FILE, {"info": settings, **content})


def _job(source: Source, couple: Couple) -> dict[str, Any]:
    """What a worker needs to know of a couple."""
    people = source.people
    everybody = people.keypoints[labels.people_of(people, couple.behind)]
    behind = {**_person(source, couple.behind), "joints": everybody.tolist()}
    in_front = [
        {
            **_person(source, row),
            "row": row,
            "scale": float(source.heights[couple.behind] / source.heights[row]),
            "segmentation": source.segmentations[row],
            "name": f"{source.path}: annotation {people.annotation_ids[row]}",
        }
        for row in couple.in_front
    ]
    return {"iou": couple.iou, "behind": behind, "in_front": in_front}


def _person(source: Source, row: int) -> dict[str, Any]:
    height, width = source.people.image_sizes[source.people.image_index[row]].tolist()
    return {"path": _path(source, row), "size": [width, height], "box": source.people.boxes[row].tolist()}


def _path(source: Source, row: int) -> str:
    return str(source.people.image_paths[source.people.image_index[row]])

"""Writing a generated data set to disk, in CrowdPose format, with several processes."""

from __future__ import annotations

import os
import pathlib

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.data import generated, processes
from opec_tf.data.annotations import coco
from opec_tf.data.synthetic import crowdpose_file
from opec_tf.data.synthetic.worker import Picture

# Shares of the couples; test is large enough for a table. "heldout" comes on top, as large as test: interaction kinds
# and clothes that the other three never show.
SPLITS = {"train": 0.7, "val": 0.1, "test": 0.2}
HELD_OUT = "heldout"
# Raised whenever the same seed gives other pictures, so that a folder of an older generator is not taken for finished.
VERSION = 5
_FILE = "annotations.json"
_WORKER = "opec_tf.data.synthetic.worker"


def write_dataset(
    output_dir: os.PathLike[str] | str,
    couples: int,
    seed: int,
    image_size: int = 256,
    held_out: bool = False,
    workers: int | None = None,
    progress: bool = True,
) -> dict[str, dict[str, float]]:
    """Renders "Occluded Couples" into ``output_dir``/{train,val,test,heldout}/{images/,annotations.json}.

    ``annotations.json`` is a CrowdPose file with true visibility for all 14 joints, head and neck too (v = 2 visible,
    1 hidden by the own body, the partner or a thing, 0 outside the picture), and two extra fields: ``interaction`` of
    an image, and ``info``, the settings. It is written last. A folder whose annotations say the same settings is left
    as it is; anything else, a broken-off run too, is written anew over what is there. Returns each split's statistics.

    Args:
      couples: pictures of train, val and test together (7 : 1 : 2); heldout has as many as test besides.
      seed: the same seed gives the same files, whatever the number of workers.
      image_size: side of the square pictures, pixels.
      held_out: train, val and test show the interaction kinds and clothes of heldout, which is left out: for teaching
        these to a model that was trained on the others.
      workers: processes; None: one a core.
      progress: report to stderr.

    Raises:
      UserError: a setting is out of range, or a file cannot be written.
    """
    sizes = split_sizes(couples, held_out)
    if not 64 <= image_size <= 2048:
        raise UserError(f"--image_size={image_size} must be from 64 to 2048")
    root = files.make_folder(output_dir)
    settings = _settings(couples, seed, image_size, held_out)
    pending = [split for split in sizes if not generated.is_finished(root / split, settings, sizes[split])]
    pictures = {split: _begin(root / split, sizes[split], list(sizes).index(split), held_out) for split in pending}
    jobs = [picture._asdict() for split in pending for picture in pictures[split]]
    task = {"seed": seed, "image_size": image_size}
    told = processes.run(_WORKER, task, jobs, label="rendering couples", workers=workers, progress=progress)
    records = {record["path"]: record for record in told}
    for split in pending:
        of_split = [records[picture.path] for picture in pictures[split]]
        annotations = crowdpose_file.content(pictures[split], of_split, image_size)
        files.write_json(root / split / _FILE, {"info": settings, **annotations})
    return {split: generated.summarize(files.read_json(root / split / _FILE)) for split in sizes}


def split_sizes(couples: int, held_out: bool = False) -> dict[str, int]:
    """Pictures of each split, in order; see ``write_dataset``."""
    if couples < 10:
        raise UserError(f"--couples={couples} must be at least 10, so that train, val and test have some each")
    sizes = {split: int(round(share * couples)) for split, share in SPLITS.items()}
    sizes["train"] += couples - sum(sizes.values())
    return sizes if held_out else {**sizes, HELD_OUT: sizes["test"]}


def _settings(couples: int, seed: int, image_size: int, held_out: bool) -> dict[str, object]:
    # A folder written before there was the choice has no word of it.
    choice = {"held_out": True} if held_out else {}
    return {
        **choice,
        "generator": coco.GENERATOR,
        "version": VERSION,
        "couples": couples,
        "seed": seed,
        "image_size": image_size,
    }


def _begin(folder: pathlib.Path, size: int, split: int, held_out: bool) -> list[Picture]:
    """Makes the folder of a split, number ``split`` of them, no longer finished; returns the pictures to render."""
    (folder / _FILE).unlink(missing_ok=True)
    images = files.make_folder(folder / "images")
    pictures = []
    for number in range(size):
        name = generated.file_name(split, number)
        pictures.append(Picture(str(images / name), split, number, held_out or folder.name == HELD_OUT))
    return pictures

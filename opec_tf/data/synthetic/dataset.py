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

# Shares of the couples; test is large enough for a table.
SPLITS = {"train": 0.7, "val": 0.1, "test": 0.2}
# Besides these, each as large as test: whether it shows interaction kinds and clothes that the others never show.
HELD_OUT = {"new_kinds": (True, False), "new_clothes": (False, True), "new_both": (True, True)}
# Raised whenever the same seed gives other files, so that a folder of an older generator is not taken for finished.
VERSION = 6
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
    """Renders "Occluded Couples" into ``output_dir``/SPLIT/{images/,annotations.json}.

    ``annotations.json`` is a CrowdPose file with true visibility for all 14 joints, head and neck too (v = 2 visible,
    1 hidden by the own body, the partner or a thing, 0 outside the picture), and extra fields: ``hidden_by`` of a
    person, who hides each joint (``skeletons.HIDERS``); ``interaction`` of an image and its ``family``; and ``info``,
    the settings. It is written last. A folder whose annotations say the same settings is left as it is; anything else,
    a broken-off run too, is written anew over what is there. Returns each split's statistics.

    The splits are train, val and test, and of ``HELD_OUT`` new_kinds, whose kinds of interaction those three never
    show, whole families of them too; new_clothes, with their kinds in other clothes; and new_both.

    Args:
      couples: pictures of train, val and test together (7 : 1 : 2); the others have as many as test each, besides.
      seed: the same seed gives the same files, whatever the number of workers.
      image_size: side of the square pictures, pixels.
      held_out: train, val and test show the interaction kinds and clothes of new_both, and are all there is: for
        teaching these to a model that was trained on the others.
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
    return sizes if held_out else {**sizes, **dict.fromkeys(HELD_OUT, sizes["test"])}


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
    new_kinds, new_clothes = HELD_OUT.get(folder.name, (held_out, held_out))
    return [
        Picture(str(images / generated.file_name(split, number)), split, number, new_kinds, new_clothes)
        for number in range(size)
    ]

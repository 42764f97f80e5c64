"""Reading two sets of pictures, and writing which pictures they share."""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Sequence

import numpy as np

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.data.annotations import loading
from opec_tf.data.leaks import hashed_pictures, page, search
from opec_tf.poses import picture_names


def write(
    output_dir: os.PathLike[str] | str,
    train: Sequence[str],
    test: Sequence[str],
    data_root: os.PathLike[str] | str,
    most: int = search.DISTANCE,
    progress: bool = True,
) -> dict[str, int]:
    """Writes leaks.json, with all that was found, and leaks.html, a page of it, into a folder.

    ``hashes.npz`` in the folder keeps the hashes, so that a run that breaks off goes on and another one is quick.

    Args:
      output_dir: the folder.
      train: folders of pictures, or data sets FORMAT:ANNOTATIONS:IMAGES.
      test: the same, of which the pictures should not be in ``train``.
      data_root: folder that relative paths start from.
      most: bits of the hashes by which the same picture may differ.
      progress: report to stderr.

    Returns:
      Numbers of ``train`` and ``test`` pictures, of those of each that are in the other one (``train_leaked``,
      ``test_leaked``), and of the latter by how the nearest is found.

    Raises:
      UserError: a set is malformed or has no pictures.
    """
    paths = {name: pictures_of(texts, data_root, name) for name, texts in (("train", train), ("test", test))}
    folder = files.make_folder(output_dir)
    sets = {
        name: hashed_pictures.read(of_set, folder / "hashes.npz", f"reading {name}", progress)
        for name, of_set in paths.items()
    }
    found, is_in_test = search.find(sets["train"], sets["test"], most, progress)
    counts = collections.Counter({leak.test: leak.how for leak in reversed(found)}.values())
    figures = {
        "train": len(sets["train"].paths),
        "test": len(sets["test"].paths),
        "train_leaked": int(is_in_test.sum()),
        "test_leaked": sum(counts.values()),
        **{how: counts[how] for how in search.HOW},
    }
    content = {
        **figures,
        "distance": most,
        "leaks": [dataclasses.asdict(leak) for leak in found],
        "train_pictures": [sets["train"].paths[row] for row in np.flatnonzero(is_in_test)],
    }
    files.write_json(folder / "leaks.json", content, indent=1)
    page.write(folder / "leaks.html", found)
    return figures


def pictures_of(texts: Sequence[str], data_root: os.PathLike[str] | str, flag: str) -> list[str]:
    """The pictures of some folders, with their subfolders, and data sets, each once.

    Raises:
      UserError: a text is neither, or there are no pictures.
    """
    found: list[str] = []
    for text in texts:
        folder = os.path.join(data_root, text)
        if os.path.isdir(folder):
            found += [path for path in files.in_folder(folder) if path.lower().endswith(picture_names.IMAGE_SUFFIXES)]
        elif ":" in text:
            found += loading.load(text, data_root).image_paths.tolist()
        else:
            raise UserError(f"--{flag}: {folder} is no folder; name a folder of pictures or FORMAT:ANNOTATIONS:IMAGES")
    if not found:
        raise UserError(f"--{flag}={','.join(texts)}: has no pictures; name a folder of pictures or a data set")
    return list(dict.fromkeys(found))

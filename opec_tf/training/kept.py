"""What a base's frozen body makes of augmented crops, kept on disk, so that the stages need not run it.

The body is most of MoveNet's work and never changes, while a stage goes through its data many times: kept once, the
rest learns at several times the speed. Each pass through the data is of other crops.

::

  WORKDIR/kept/settings.json        what it was made with; anything else is refused
  WORKDIR/kept/couples/NAME.npy     [R, ...]; rows 2 p and 2 p + 1 are a couple
  WORKDIR/kept/singles/NAME.npy     the people without a partner
  WORKDIR/kept/PART/rows.json       how many rows are written; a broken-off run goes on there
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.common.progress import Progress
from opec_tf.data import pipeline
from opec_tf.data.pipeline import ALL
from opec_tf.models import builders, workdir
from opec_tf.training import run_data, stages
from opec_tf.training.run_data import Run
from opec_tf.training.stages import MakeBatches

_BATCH_SIZE = 32
# Rows after which their number is written down.
_SAVED_ROWS = 1024
_JOINTS, _PARTNER = "joints", "partner"


class Part(NamedTuple):
    """People to be kept: their crops, endless, and how many of them."""

    make_batches: MakeBatches
    rows: int


def keep(run: Run) -> None:
    """Keeps what the base's body makes of the crops of a run's training data."""
    data_config, train_config = run.data_config, run.train_config
    before = workdir.stage_folder(run.root, "base")
    if before.finished:
        base = builders.NETWORKS["base"](run.model_config)
        workdir.load_weights(base.model, before.best_weights)
    else:
        base = stages.start("base", run.root, run.model_config, train_config)
    pairs = pipeline.trainable_pairs(run.train_data, data_config).ravel()
    single = np.setdiff1d(np.arange(run.train_data.num_people), pairs)
    wanted = {
        name: Part(
            run_data.crops(run, run.train_data.select(rows), stage, with_others=True),
            train_config.kept_passes * len(rows),
        )
        for name, stage, rows in (("couples", "couple", pairs), ("singles", "base", single))
        if len(rows)
    }
    of_training = {
        name: value for name, value in dataclasses.asdict(data_config).items() if name[:4] not in ("val_", "test")
    }
    settings = {
        **of_training,
        "crop_size": run.model_config.crop_size,
        "crop_offset": run.model_config.crop_offset,
        "passes": train_config.kept_passes,
        "seed": train_config.seed,
    }
    make(run.kept_folder, builders.body_of(base.base), wanted, settings, train_config.seed)


def make(folder: pathlib.Path, body: tf.keras.Model, wanted: Mapping[str, Part], settings: Any, seed: int) -> None:
    """Keeps what is not kept yet.

    Args:
      folder: of all parts, made where it is missing.
      body: from crops to a dict of feature maps.
      wanted: name -> ``Part``.
      settings: JSON, all that the crops follow from.

    Raises:
      UserError: what lies there was made with other settings, or the disk is full.
    """
    files.make_folder(folder)
    rows = {name: part.rows for name, part in wanted.items()}
    made_with, path = {"body": _digest(body), "settings": settings, "rows": rows}, folder / "settings.json"
    if path.exists() and files.read_json(path) != json.loads(json.dumps(made_with)):
        raise UserError(f"{folder}: was kept with other settings of data, base or seed; delete it to keep anew")
    files.write_json(path, made_with)
    forward = tf.function(
        lambda crops: {name: tf.cast(value, tf.float16) for name, value in body(crops, training=False).items()},
        autograph=False,
    )
    for name, part in wanted.items():
        _fill(files.make_folder(folder / name), part, forward, seed)


def dataset(
    folder: pathlib.Path, couples_only: bool, *, batch_size: int, seed: int, shard: tuple[int, int] = ALL
) -> tf.data.Dataset:
    """Endless shuffled batches of what ``make`` kept, in place of crops.

    Args:
      couples_only: of couples, two neighbouring rows each, with partner int32 [B]; else of everybody.
      shard: (which, of how many): every n-th batch.

    Returns:
      (dict of what the network takes, joints).
    """
    stored = [_read(folder / name) for name in (("couples",) if couples_only else ("couples", "singles"))]
    stored = [part for part in stored if part]
    names = sorted(set.intersection(*(set(part) for part in stored)) - (set() if couples_only else {"crop_to_image"}))
    members = 2 if couples_only else 1
    ends = np.cumsum([len(part[_JOINTS]) for part in stored])
    groups = int(ends[-1]) // members

    def gather(batch: np.ndarray) -> list[np.ndarray]:
        first = (int(batch) * shard[1] + shard[0]) * (batch_size // members)
        rows = (_order(groups, seed, first, batch_size // members) * members)[:, None]
        rows = (rows + np.arange(members)).ravel()
        part_of = np.searchsorted(ends, rows, side="right")
        result = []
        for name in names:
            values = np.empty((len(rows), *stored[0][name].shape[1:]), np.float32)
            for number, part in enumerate(stored):
                here = part_of == number
                values[here] = part[name][rows[here] - (ends[number] - len(part[_JOINTS]))]
            result.append(values)
        return result

    def arrange(batch: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        values = tf.numpy_function(gather, [batch], [tf.float32] * len(names), stateful=False)
        row = {
            name: tf.ensure_shape(value, (batch_size, *stored[0][name].shape[1:])) for name, value in zip(names, values)
        }
        joints = row.pop(_JOINTS)
        if couples_only:
            row[_PARTNER] = tf.range(batch_size) + tf.tile([1, -1], [batch_size // 2])
        return row, joints

    batches = tf.data.Dataset.range(np.iinfo(np.int64).max)
    return batches.map(arrange, num_parallel_calls=2, deterministic=True).prefetch(4)


def _order(groups: int, seed: int, start: int, count: int) -> np.ndarray:
    """Elements start to start + count of an endless order in which each group comes once an epoch."""
    epochs = range(start // groups, (start + count - 1) // groups + 1)
    order = np.concatenate([_permutation(groups, seed, epoch) for epoch in epochs])
    return order[start - epochs[0] * groups :][:count]


@functools.lru_cache(maxsize=4)
def _permutation(groups: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(groups)


def _fill(folder: pathlib.Path, part: Part, forward: tf.types.experimental.GenericFunction, seed: int) -> None:
    """Writes the rows of a part that are missing."""
    done, path = 0, folder / "rows.json"
    if path.exists():
        done = files.read_json(path)["rows"]
    if done >= part.rows:
        return
    batches = part.make_batches(batch_size=_BATCH_SIZE, seed=seed).skip(done // _BATCH_SIZE)
    arrays: dict[str, np.memmap] = {}
    with Progress(f"keeping {folder.name}", "people", part.rows) as progress:
        progress.update(done)
        for row in _rows(batches, forward):
            if not arrays:
                arrays = {name: _open(folder / f"{name}.npy", part.rows, value) for name, value in row.items()}
            count = min(_BATCH_SIZE, part.rows - done)
            for name, value in row.items():
                arrays[name][done : done + count] = value[:count]
            done += count
            progress.update(count)
            if done % _SAVED_ROWS == 0 or done == part.rows:
                for array in arrays.values():
                    array.flush()
                files.write_json(path, {"rows": done})
            if done == part.rows:
                return


def _rows(batches: tf.data.Dataset, forward: tf.types.experimental.GenericFunction) -> Iterator[dict[str, np.ndarray]]:
    """What is kept of each batch."""
    for inputs, joints in batches:
        named = dict(inputs) if isinstance(inputs, dict) else {"crops": inputs}
        features = forward(named.pop("crops"))
        named.pop(_PARTNER, None)
        yield {
            name: value.numpy() for name, value in itertools.chain(features.items(), named.items(), [(_JOINTS, joints)])
        }


def _open(path: pathlib.Path, rows: int, like: np.ndarray) -> np.memmap:
    """The array on disk, new or as it was broken off."""
    shape = (rows, *like.shape[1:])
    if path.exists():
        array = np.load(path, mmap_mode="r+")
        if array.shape == shape:
            return array
    return np.lib.format.open_memmap(path, "w+", like.dtype, shape)


def _read(folder: pathlib.Path) -> dict[str, np.ndarray]:
    """The arrays of a part by name; {} where there is nobody in it."""
    return {path.stem: np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))}


def _digest(model: tf.keras.Model) -> str:
    digest = hashlib.sha1()
    for weight in model.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()

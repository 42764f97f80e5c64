"""The folder of a training run: what lies in it, and how that is written and read. ``loading`` rebuilds its networks.

::

  WORKDIR/config.json             the model's configuration: all that is needed to rebuild the model
  WORKDIR/.lock                   held by the process that trains here
  WORKDIR/STAGE/config.json       every setting the stage was last started with, and the git revision
  WORKDIR/STAGE/best.weights.h5   weights of the best epoch; attributes of the file: the epoch and its scores
  WORKDIR/STAGE/final.weights.h5  weights after the last step; the stage is finished once this file exists
  WORKDIR/STAGE/log.csv           one row an epoch
  WORKDIR/STAGE/metrics.json      steps taken, the best epoch and its scores
  WORKDIR/STAGE/tensorboard/      the same for TensorBoard, with drawn validation examples
  WORKDIR/STAGE/backup/           what a broken-off stage resumes from; gone when it is finished

Every file is written whole or not at all, so a run can be killed at any moment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import h5py
import numpy as np
import tensorflow as tf

from opec_tf import config
from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.config import ModelConfig


@dataclasses.dataclass(frozen=True)
class StageFolder:
    """Paths of one stage's files.

    Attributes:
      path: ``pathlib.Path`` of the stage's folder.
    """

    path: pathlib.Path

    @property
    def config(self) -> pathlib.Path:
        return self.path / "config.json"

    @property
    def best_weights(self) -> pathlib.Path:
        return self.path / "best.weights.h5"

    @property
    def final_weights(self) -> pathlib.Path:
        return self.path / "final.weights.h5"

    @property
    def log(self) -> pathlib.Path:
        return self.path / "log.csv"

    @property
    def metrics(self) -> pathlib.Path:
        return self.path / "metrics.json"

    @property
    def tensorboard(self) -> pathlib.Path:
        return self.path / "tensorboard"

    @property
    def backup(self) -> pathlib.Path:
        return self.path / "backup"

    @property
    def finished(self) -> bool:
        """Whether its training came to its end; what was made small has its scores and no log."""
        return self.final_weights.exists() or (self.metrics.exists() and not self.log.exists())


def stage_folder(workdir: os.PathLike[str] | str, stage: str) -> StageFolder:
    """The ``StageFolder`` of a stage in a workdir."""
    return StageFolder(pathlib.Path(workdir) / stage)


def workdir_of_base(base_weights: str) -> str:
    """The workdir whose finished base some weights are.

    Raises:
      UserError: they are none's.
    """
    path = pathlib.Path(base_weights)
    folder = stage_folder(path.parent.parent, "base")
    if path != folder.best_weights or not (path.parent.parent / "config.json").exists():
        raise UserError(
            f"--base_weights={path}: must be WORKDIR/base/best.weights.h5, since WORKDIR/config.json says what the "
            "network is"
        )
    if not folder.finished:
        raise UserError(f"--base_weights={path}: is no finished base, only weights to start training from")
    return str(path.parent.parent)


def last_stage(root: os.PathLike[str] | str) -> str:
    """The last stage of a workdir that is finished.

    Raises:
      UserError: there is none.
    """
    finished = [name for name in config.STAGES if stage_folder(root, name).finished]
    if not finished:
        raise UserError(f"{root}: no stage is finished; run opec_tf.train with this --workdir to its end")
    return finished[-1]


def start(workdir: os.PathLike[str] | str, model_config: ModelConfig, write: bool = True) -> None:
    """Makes a workdir ready for training a model.

    Args:
      workdir: folder, made where it is missing.
      model_config: ``ModelConfig`` of the model.
      write: whether this process writes files (the chief worker does).

    Raises:
      UserError: the folder cannot be written, or it was begun with another model.
    """
    path = files.make_folder(workdir) / "config.json"
    if not path.exists():
        if write:
            files.write_text(path, config.to_json(model_config))
        return
    begun_with, now = dataclasses.asdict(read_model_config(workdir)), dataclasses.asdict(model_config)
    differing = [f"{name}={begun_with[name]} (now {now[name]})" for name in now if now[name] != begun_with[name]]
    if differing:
        raise UserError(
            f"{path}: begun with another model: {', '.join(differing)}; choose another --workdir or these settings"
        )


@contextlib.contextmanager
def lock(workdir: os.PathLike[str] | str) -> Iterator[None]:
    """Keeps other processes from training in a workdir while the block runs; a process that is killed lets go of it.

    Raises:
      UserError: another process trains there.
    """
    with open(pathlib.Path(workdir) / ".lock", "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"{workdir}: another process trains here; wait for its end or choose another folder"
            ) from error
        except OSError:
            pass  # a file system without locks
        yield


def read_model_config(workdir: os.PathLike[str] | str) -> ModelConfig:
    """The ``ModelConfig`` of a workdir.

    Raises:
      UserError: there is none, or it is not one.
    """
    path = pathlib.Path(workdir) / "config.json"
    if not path.exists():
        raise UserError(f"{path}: does not exist; {workdir} is not the --workdir of a training run")
    mapping = files.read_json(path)
    if not isinstance(mapping, dict):
        raise UserError(f"{path}: is not a JSON object; it is not the configuration that training wrote")
    try:
        return config.from_mapping(ModelConfig, mapping)
    except (UserError, TypeError) as error:
        raise UserError(f"{path}: {error}") from error


def write_stage_config(folder: StageFolder, *configs: Any) -> list[str]:
    """Writes all settings of a stage and the git revision; returns what changed since the stage was last started.

    Returns:
      list of texts "name: before -> now"; empty at the first start.
    """
    settings = json.loads(config.to_json(*configs))
    settings["git_revision"] = git_revision()
    before = files.read_json(folder.config) if folder.config.exists() else settings
    files.write_json(folder.config, settings, indent=2)
    return [f"{name}: {before.get(name)} -> {value}" for name, value in settings.items() if before.get(name) != value]


def save_weights(
    model: tf.keras.Model, path: pathlib.Path, attributes: Mapping[str, float | str] | None = None
) -> None:
    """Writes a model's weights atomically, without the optimizer's state and the metrics of a compiled model.

    Args:
      model: functional Keras model.
      path: a name that ends in ``.weights.h5``.
      attributes: name -> number or text, kept in the file, so that weights and what is said of them never part.

    Raises:
      UserError: the file cannot be written.
    """
    with files.atomic_path(path) as temporary:
        # Where it is compiled, a model of the same layers that is not. It would have a variable of its own, which a
        # worker among others cannot make alone; but those save a plain model.
        bare = tf.keras.Model(model.input, model.output) if model.optimizer else model
        bare.save_weights(temporary)
        with h5py.File(temporary, "r+") as file:
            file.attrs.update(attributes or {})


def read_attributes(path: pathlib.Path) -> dict[str, Any]:
    """The attributes that ``save_weights`` kept with the weights; {} where there is no such file."""
    if not path.exists():
        return {}
    try:
        with h5py.File(path, "r") as file:
            return {name: value.item() if hasattr(value, "item") else value for name, value in file.attrs.items()}
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error}); check that the file is whole, or delete it") from error


def read_weights(path: os.PathLike[str] | str) -> dict[str, np.ndarray]:
    """The arrays that ``save_weights`` wrote, by their names in the file, float32.

    Raises:
      UserError: the file cannot be read.
    """
    arrays = {}

    def add(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[name] = item[()].astype(np.float32)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(add)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error}); check that the file is whole") from error
    return arrays


def load_weights(model: tf.keras.Model, path: os.PathLike[str] | str) -> None:
    """Reads weights that ``save_weights`` wrote into a model of the same structure.

    Raises:
      UserError: the file is missing or damaged, or of another model.
    """
    path = pathlib.Path(path)
    if not path.name.endswith(".weights.h5"):
        raise UserError(f"{path}: is not a weights file; its name must end in .weights.h5")
    if not path.exists():
        raise UserError(f"{path}: does not exist; check the path")
    try:
        model.load_weights(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error}); check that the file is whole") from error
    except (KeyError, ValueError) as error:
        raise UserError(
            f"{path}: does not fit model {model.name!r}: {error}; use weights of the same stage and settings"
        ) from error


def git_revision() -> str | None:
    """Commit of the source tree, with "+changes" where files differ from it; None outside a git checkout."""
    git = ["git", "-C", str(pathlib.Path(__file__).parent)]

    def output(*arguments: str) -> str:
        return subprocess.run([*git, *arguments], capture_output=True, text=True, check=True).stdout.strip()

    try:
        commit, changes = output("rev-parse", "HEAD"), output("status", "--porcelain", "-uno")
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+changes" if changes else "")

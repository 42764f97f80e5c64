"""Training and scoring the runs of an ablation: resumable, one run in memory at a time."""

from __future__ import annotations

import dataclasses
import filecmp
import gc
import os
import pathlib
import shutil
import time
from collections.abc import Callable, Iterable, Sequence

import tensorflow as tf

from opec_tf import config
from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, InferenceConfig
from opec_tf.evaluation import accuracy
from opec_tf.inference import pose_model
from opec_tf.models import loading, workdir
from opec_tf.study import report, rows, study_checks, tables
from opec_tf.study.split import Split
from opec_tf.study.study import Study
from opec_tf.training import loop, run_data


def run(study: Study, names: Iterable[str], seeds: Sequence[int], announce: Callable[[str], object]) -> None:
    """Trains and scores what is missing, of each seed the base first; the tables are rewritten after every run.

    Args:
      study: what all runs share.
      names: rows, keys of ``rows.ROWS``.
      seeds: of all rows and, unless ``base_weights`` are given, of the base that the rows of a seed share.
      announce: is told, in lines of text, how far the work is.

    Raises:
      UserError: rows that ``rows.check`` finds, unusable settings, data or weights, or runs of other settings in the
        folder.
    """
    names = list(dict.fromkeys(names))
    rows.check(names, study.model_config, study.train_config)
    study_checks.check(study)
    settings = study.model_config, study.data_config, study.train_config, study.inference_config
    files.write_text(study.root / "config.json", config.to_json(*settings))
    started = time.monotonic()
    number, total = 0, len(seeds) * len(names)
    trained_seconds: list[float] = []
    for seed in seeds:
        base = prepare_base(study, seed)
        for name in names:
            spent = _time(started, trained_seconds, number, total - number)
            number += 1
            announce(f"\n[{number}/{total}] {name}, seed {seed}{spent}")
            begun = time.monotonic()
            if train_and_score(study, name, seed, base):
                trained_seconds.append(time.monotonic() - begun)
            tables.write(study.root)


def _time(started: float, trained_seconds: Sequence[float], done: int, left: int) -> str:
    """How long it has taken and, from the runs trained so far, may still take; "" at the start."""
    if not done:
        return ""
    text = f"; {(time.monotonic() - started) / 60:.1f} minutes so far"
    if trained_seconds:
        seconds = left * sum(trained_seconds) / len(trained_seconds)
        text += f", up to {seconds / 60:.1f} to go"
    return text


def prepare_base(study: Study, seed: int) -> pathlib.Path:
    """The base of a seed, trained where it is missing, or the copy of ``base_weights`` that all share; and scored.

    Returns:
      Its weights.

    Raises:
      UserError: the weights to copy are missing or do not fit, or are not those of the base that is there.
    """
    given = study.train_config.base_weights
    root = study.root / tables.BASE if given else tables.run_folder(study.root, tables.BASE, seed)
    folder = workdir.stage_folder(root, "base")
    is_there = folder.finished and os.path.exists(given)
    if is_there and not filecmp.cmp(given, folder.best_weights, shallow=False):
        raise UserError(
            f"{folder.best_weights}: is another base than --base_weights={given}; choose another --output_dir or leave "
            "the flag out"
        )
    if not folder.finished:
        if given:
            _copy_base(study, root, folder, given)
        else:
            train_config = dataclasses.replace(study.train_config, stages=("base",), seed=seed)
            _share_kept(study, seed, files.make_folder(root))
            loop.train(root, study.model_config, study.data_config, train_config, study.inference_config)
    _score(study, root, "base")
    return folder.best_weights


def _copy_base(study: Study, root: pathlib.Path, folder: workdir.StageFolder, weights: str) -> None:
    """Makes a finished stage of weights from elsewhere, so that nothing that happens to them there matters here."""
    model = loading.BUILDERS["base"](study.model_config)
    workdir.load_weights(model, weights)
    workdir.start(root, study.model_config)
    files.make_folder(folder.path)
    workdir.write_stage_config(
        folder, study.model_config, study.data_config, study.train_config, study.inference_config
    )
    for path in (folder.best_weights, folder.final_weights):
        with files.atomic_path(path) as temporary:
            shutil.copyfile(weights, temporary)


def train_and_score(study: Study, name: str, seed: int, base: pathlib.Path) -> bool:
    """Trains a row with a seed, as far as that is left to do, and scores it.

    Args:
      study: what all runs share.
      name: key of ``rows.ROWS``.
      seed: of this run.
      base: the weights of the base that it starts from.

    Returns:
      Whether there was anything left to train.

    Raises:
      UserError: as ``training.loop.train``.
    """
    root = tables.run_folder(study.root, name, seed)
    shared = dataclasses.replace(study.train_config, seed=seed, base_weights=str(base), start_from="")
    model_config, train_config = rows.resolve(name, study.model_config, shared)
    workdir.start(root, model_config)
    _share_kept(study, seed, root)
    for other in rows.with_same_opec(name):
        _copy_opec(tables.run_folder(study.root, other, seed), root)
    folders = [workdir.stage_folder(root, stage) for stage in train_config.stages]
    unfinished = not all(folder.finished for folder in folders)
    if unfinished:
        loop.train(root, model_config, study.data_config, train_config, study.inference_config)
    _score(study, root, train_config.stages[-1])
    # Keras keeps every layer it made, and the names it gave.
    tf.keras.backend.clear_session()
    gc.collect()
    return unfinished


def _share_kept(study: Study, seed: int, root: pathlib.Path) -> None:
    """All runs of a seed learn from what is kept once of the base's body, if it is."""
    own = root / run_data.KEPT
    if study.train_config.kept_passes and not own.exists():
        own.symlink_to(files.make_folder(tables.run_folder(study.root, run_data.KEPT, seed)).resolve())


def _copy_opec(source: pathlib.Path, target: pathlib.Path) -> None:
    """Takes over another run's finished stage opec: a row that adds stage couple adds it to that very network."""
    done, missing = workdir.stage_folder(source, "opec"), workdir.stage_folder(target, "opec")
    if not done.finished or missing.path.exists():
        return
    partial = files.make_folder(target) / f".partial-opec-{os.getpid()}"
    shutil.copytree(done.path, partial)
    partial.rename(missing.path)


def _score(study: Study, root: pathlib.Path, stage: str) -> None:
    """Scores a stage of a workdir on every split on which that is not done yet."""
    initial_poses = None if stage == "base" else study.initial_poses
    for split, data_config in study.splits.items():
        folder = root / f"evaluation_{split}"
        stage_folder = workdir.stage_folder(root, stage)
        if not _is_scored(folder, stage_folder, data_config, study.inference_config, initial_poses):
            model = pose_model.load(root, stage)
            test = Split.read("test", data_config, study.inference_config.protocol, model)
            people = test.in_poses_file(initial_poses) if initial_poses else test.annotated()
            report.evaluate(model, test, people, folder, inference_config=study.inference_config)


def _is_scored(
    folder: pathlib.Path,
    stage_folder: workdir.StageFolder,
    data_config: DataConfig,
    inference_config: InferenceConfig,
    initial_poses: str | None,
) -> bool:
    """Whether a folder holds the scores of a stage's weights as they would be measured now."""
    path = folder / "metrics.json"
    if not path.exists() or path.stat().st_mtime < stage_folder.best_weights.stat().st_mtime:
        return False
    measured = files.read_json(path)["settings"]
    expected = {
        "stage": stage_folder.path.name,
        "data_root": data_config.data_root,
        "data": list(data_config.test_data),
        "boxes": initial_poses or "gt",
        "initial_poses": initial_poses,
        "box_margin": data_config.box_margin,
    }
    same = all(measured.get(name, value) == value for name, value in expected.items())
    # Scores of before this was written assigned poses to people, whatever the boxes.
    people_by = accuracy.BY_ASSIGNMENT if initial_poses else accuracy.BY_BOX
    same &= measured.get("people_by", accuracy.BY_ASSIGNMENT) == people_by
    return same and config.from_mapping(InferenceConfig, measured) == inference_config

"""A training run: the stages in order, each resumed where it broke off and left alone once finished.

Killed at any moment, the same command goes on from the end of the last epoch that was backed up and takes as many
optimizer steps in all as a run that was never interrupted. A stage is finished when its final weights exist; they are
written after the best weights and before the backup is removed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import pathlib
import shutil
import sys
from collections.abc import Iterator

import tensorflow as tf

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, InferenceConfig, ModelConfig, TrainConfig
from opec_tf.data import image_files
from opec_tf.models import loading, workdir
from opec_tf.training import (
    callbacks,
    checks,
    kept,
    precision,
    run_data,
    stages,
    strategy as strategies,
    validation,
)
from opec_tf.training.run_data import Run


def train(
    root: os.PathLike[str] | str,
    model_config: ModelConfig,
    data_config: DataConfig,
    train_config: TrainConfig,
    inference_config: InferenceConfig,
) -> None:
    """Trains the stages of ``train_config.stages`` that are not finished yet.

    Args:
      root: the workdir, made where it is missing.
      model_config: of a new run; it gets its couple_smoothing from ``inference_config.peak_smoothing``.

    Raises:
      UserError: unusable settings, data, weights or workdir; a loss that is not finite; too little memory or
        disk; another worker that is gone.
    """
    files.refuse_pattern(root)
    strategy = strategies.make(train_config.strategy)
    root, is_chief = pathlib.Path(root), strategies.is_chief(strategy)
    model_config = _with_smoothing(root, model_config, inference_config)
    workdir.start(root, model_config, write=False)
    with workdir.lock(root) if is_chief else contextlib.nullcontext():
        unfinished = [stage for stage in train_config.stages if not workdir.stage_folder(root, stage).finished]
        for stage in train_config.stages:
            if stage not in unfinished:
                print(f"stage {stage}: finished before; delete {root / stage} to train it anew", flush=True)
        if not unfinished:
            return
        data = run_data.load(model_config, data_config, inference_config.protocol)
        run = Run(root, model_config, data_config, train_config, inference_config, strategy, *data)
        checks.check(run, unfinished)
        # Not before, since a model that is written down cannot be changed any more.
        workdir.start(root, model_config, write=is_chief)
        policy, reason = precision.resolve(train_config.precision)
        if reason and is_chief:
            print(f"precision: {policy}, since {reason}", flush=True)
        if run.train_config.kept_passes:
            if run.is_chief:
                kept.keep(run)
            strategies.barrier(strategy)
        for stage in unfinished:
            with precision.policy(policy), _machine_errors(stage):
                _train_stage(run, stage)
            strategies.barrier(strategy)


def _with_smoothing(root: pathlib.Path, model_config: ModelConfig, inference_config: InferenceConfig) -> ModelConfig:
    """The network finds the peaks among which couples choose as the run's peaks were found when it began."""
    smoothing = inference_config.peak_smoothing
    if (root / "config.json").exists():
        smoothing = workdir.read_model_config(root).couple_smoothing
    return dataclasses.replace(model_config, couple_smoothing=smoothing)


def _train_stage(run: Run, stage: str) -> None:
    """Trains one stage from where it is to its end."""
    folder = workdir.stage_folder(run.root, stage)
    epochs, people = stages.epochs(stage, run.train_config), run.people(stage)
    steps = stages.steps_per_epoch(run.train_config, people)
    settings = run.root, run.model_config, run.train_config
    whole = stages.start(stage, *settings) if run.train_config.kept_passes else None
    with run.strategy.scope():
        model = stages.build(stage, *settings, epochs * steps, _jit_compile(run), whole).model
    if run.is_chief:
        _prepare_folder(run, folder, model)
    strategies.barrier(run.strategy)
    # Scored and saved without the strategy, and with the base's body.
    plain = model if whole is None else whole.model
    if whole is None and run.strategy.num_replicas_in_sync > 1:
        plain = loading.BUILDERS[stage](run.model_config)
    make_batches = _batches(run, stage, with_others="base_heatmaps" in model.loss)
    start_epoch = len(callbacks.read_log(folder.log))
    batches = stages.dataset(
        run.strategy, make_batches, list(model.loss), run.train_config.batch_size, run.train_config.seed, start_epoch
    )
    print(
        f"stage {stage}: {model.count_params():,} parameters, {people} people, epochs {epochs}, each of {steps} steps",
        flush=True,
    )
    # Without --strict an image that cannot be decoded is left out and raises nothing.
    strict = run.data_config.strict
    with image_files.naming_unreadable(run.train_data.image_paths.tolist()) if strict else contextlib.nullcontext():
        model.fit(
            batches,
            epochs=epochs,
            steps_per_epoch=steps,
            callbacks=_callbacks(run, stage, model, plain, folder, epochs),
            verbose=int(run.is_chief and sys.stdout.isatty()),
        )
    if plain is not model:
        # Without an epoch left to train the callbacks have copied nothing; every worker has to take part.
        loading.copy_weights(model, plain)
    if run.is_chief:
        _finish(run, stage, plain, folder, steps=int(model.optimizer.iterations.numpy()))


def _batches(run: Run, stage: str, with_others: bool) -> stages.MakeBatches:
    """The training data of a stage; other people's joints come with it for the joint-candidate loss."""
    if run.train_config.kept_passes:
        return functools.partial(kept.dataset, run.kept_folder, stage == "couple")
    return run_data.crops(run, run.train_data, stage, with_others)


def _prepare_folder(run: Run, folder: workdir.StageFolder, model: tf.keras.Model) -> None:
    """Checks that the stage's files will fit, and writes its settings."""
    files.make_folder(folder.path)
    files.remove_partial(folder.path)
    # A backup holds a weight and Adam's two moments, and is written before the last one goes; then best and final.
    needed = 4 * (2 * 3 + 2) * model.count_params()
    free = shutil.disk_usage(folder.path).free
    if free < needed:
        raise UserError(f"{folder.path}: {free / 1e6:.0f} MB free, {needed / 1e6:.0f} MB needed; free some space")
    changes = workdir.write_stage_config(
        folder, run.model_config, run.data_config, run.train_config, run.inference_config
    )
    if changes and folder.backup.exists():
        print(f"resuming with other settings: {', '.join(changes)}", flush=True)


def _callbacks(
    run: Run,
    stage: str,
    model: tf.keras.Model,
    plain: tf.keras.Model,
    folder: workdir.StageFolder,
    epochs: int,
) -> list[tf.keras.callbacks.Callback]:
    """The callbacks in the order in which an epoch's end needs them; the backup, which ends the epoch, comes last."""
    result = [callbacks.StopOnNaN(stage)]
    if plain is not model:
        result.append(callbacks.CopyWeights(plain))
    if run.is_chief:
        result.append(callbacks.LearningRate())
        boxes = run_data.boxes(run.data_config, "val")
        if run.val_data is not None:
            validator = validation.Validator(
                plain,
                run.val_data,
                validation.people_of_split(boxes, run.val_data, run.model_config),
                model_config=run.model_config,
                data_config=run.data_config,
                inference_config=run.inference_config,
                max_people=run.train_config.validation_people,
            )
            score = validation.score_name(stages.best_pose(stage, run.model_config), "AP")
            result.append(callbacks.Validation(validator, folder.tensorboard))
            result.append(callbacks.BestWeights(plain, folder.best_weights, score))
        if not sys.stdout.isatty():
            result.insert(0, callbacks.StepProgress(stage, epochs))
        result += [
            tf.keras.callbacks.TensorBoard(str(folder.tensorboard), write_graph=False),
            callbacks.EpochLog(folder.log),
            callbacks.EpochLine(stage, epochs),
        ]
    result.append(tf.keras.callbacks.BackupAndRestore(str(folder.backup), delete_checkpoint=False))
    return result


def _finish(run: Run, stage: str, plain: tf.keras.Model, folder: workdir.StageFolder, steps: int) -> None:
    """Writes a stage's metrics and final weights, which mark it as finished; removes what it could resume from."""
    last_epoch = stages.epochs(stage, run.train_config) - 1
    if run.val_data is None:
        print(f"stage {stage}: without --val_data the last epoch counts as the best", flush=True)
        workdir.save_weights(plain, folder.best_weights, {"epoch": last_epoch})
    best = workdir.read_attributes(folder.best_weights)
    files.write_json(folder.metrics, {"stage": stage, "steps": steps, **best}, indent=2)
    workdir.save_weights(plain, folder.final_weights, {"epoch": last_epoch, "steps": steps})
    shutil.rmtree(folder.backup, ignore_errors=True)


def _jit_compile(run: Run) -> bool:
    """Whether XLA compiles the training step; "auto" means on a single GPU, where it has always paid."""
    if run.train_config.jit_compile != "auto":
        return run.train_config.jit_compile == "on"
    return bool(tf.config.list_physical_devices("GPU")) and run.strategy.num_replicas_in_sync == 1


@contextlib.contextmanager
def _machine_errors(stage: str) -> Iterator[None]:
    """Turns a full device or disk, and a worker that is gone, into one line."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        message = error.message.splitlines()[0]
        raise UserError(
            f"stage {stage}: out of memory or disk space ({message}); lower --batch_size, try "
            "--precision=mixed_bfloat16, or free some space; the same command resumes"
        ) from error
    except tf.errors.UnavailableError as error:
        raise UserError(
            f"stage {stage}: another worker is gone or out of reach; see what it said last, and start all workers "
            "again: the same commands go on with the epoch that was broken off"
        ) from error

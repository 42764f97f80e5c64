"""What is wrong with a run's settings, found before the first of its stages trains and before anything is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.config import TrainConfig
from opec_tf.models import workdir
from opec_tf.training import stages, strategy as strategies
from opec_tf.training.run_data import Run

# Where Keras' BackupAndRestore keeps the index of the last epoch that it backed up.
_BACKUP_FOLDER, _BACKUP_EPOCH = "chief", "ckpt_saved_epoch/.ATTRIBUTES/VARIABLE_VALUE"


def check(run: Run, unfinished: Sequence[str]) -> None:
    """Checks the settings of every stage that is not finished.

    Args:
      unfinished: names of these stages.

    Raises:
      UserError: one of them cannot be trained, or not be resumed, with these settings.
    """
    train_config = run.train_config
    if train_config.kept_passes:
        _check_kept(run)
    crops = strategies.per_replica_batch_size(run.strategy, train_config.batch_size)
    for stage in unfinished:
        people = run.people(stage)
        if stage == "couple":
            _check_couple(run, unfinished, crops, people)
        steps = stages.epochs(stage, train_config) * stages.steps_per_epoch(train_config, people)
        if train_config.warmup_steps >= steps:
            warmup = f"--warmup_steps={train_config.warmup_steps}"
            raise UserError(f"{warmup} must be below the {steps} steps of stage {stage}")
        folder = workdir.stage_folder(run.root, stage)
        backup = tf.train.latest_checkpoint(str(folder.backup / _BACKUP_FOLDER))
        if backup:
            done = 1 + int(tf.train.load_variable(backup, _BACKUP_EPOCH))
            _check_resumed(stage, folder, done, train_config)


def _check_kept(run: Run) -> None:
    """What is kept of a base's body takes the place of crops, so the base needs a body, and nothing else sees crops."""
    flag, model_config = f"--kept_passes={run.train_config.kept_passes}", run.model_config
    if not model_config.regresses_pose:
        raise UserError(f"{flag}: --trunk={model_config.trunk} has no body that is kept; it goes with MoveNet")
    if model_config.trunk_maps or model_config.initial_pose == "given":
        raise UserError(f"{flag} does not go with --trunk_maps or --initial_pose=given; leave out one")
    if (
        not (run.train_config.base_weights or run.train_config.start_from)
        and not workdir.stage_folder(run.root, "base").finished
    ):
        raise UserError(f"{flag} needs --base_weights or --start_from: nothing is learnt from a body of random weights")


def _check_couple(run: Run, unfinished: Sequence[str], crops: int, people: int) -> None:
    """What stage couple needs: the stage before it, or a run to start from, its graph, and pairs of people."""
    root = run.root
    has = {stage: stage in unfinished or workdir.stage_folder(root, stage).finished for stage in ("base", "opec")}
    if not has["opec"] and (has["base"] or not run.train_config.start_from):
        raise UserError(f"{root}: stage couple starts from OPEC-Net, and stage opec is not finished; train it first")
    if not run.model_config.has_graph:
        raise UserError(
            "--norefinement and --graph_convolution=none leave out OPEC-Net's graph, whose poses stage couple refines; "
            "leave out one"
        )
    if crops % 2:
        raise UserError(
            f"--batch_size={run.train_config.batch_size}: stage couple trains on pairs, so a device's {crops} crops "
            "must be even"
        )
    if not people:
        raise UserError("--train_data: no two people's boxes overlap, so stage couple has nothing to learn from")


def _check_resumed(stage: str, folder: workdir.StageFolder, done: int, train_config: TrainConfig) -> None:
    """A stage goes on with the variables that it trained before, and ends no earlier than its learning rate does.

    Args:
      stage: name of the stage.
      folder: its ``StageFolder``.
      done: epochs that are backed up.
      train_config: with which it is to go on.
    """
    now = dataclasses.asdict(train_config)
    begun = {**now, **files.read_json(folder.config)}
    frozen = [
        stages.frozen_part(stage, freeze_base=settings["freeze_base"], freeze_opec=settings["freeze_opec"])
        for settings in (begun, now)
    ]
    if frozen[0] != frozen[1]:
        raise UserError(
            f"{folder.path}: begun with --freeze_base={begun['freeze_base']} and --freeze_opec={begun['freeze_opec']}, "
            f"which must stay; resume with them, or delete the folder to train stage {stage} anew"
        )
    flag = f"{stage}_epochs"
    least = done if done == begun[flag] else done + 1
    if now[flag] < least:
        raise UserError(
            f"--{flag}={now[flag]}: {folder.path} has done {done} of {begun[flag]} epochs; set {least} or more, or "
            f"delete the folder to train stage {stage} anew"
        )

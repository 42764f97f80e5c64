"""A training run: the stages in order, each resumed where it broke off and left alone once finished.

Killed at any moment, the same command goes on from the end of the last epoch that was backed up and takes as many
optimizer steps in all as a run that was never interrupted. A stage is finished when its final weights exist; they are
written after the best weights and before the backup is removed.
"""

import contextlib
import dataclasses
import functools
import os
import pathlib
import shutil
import sys

import tensorflow as tf

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, InferenceConfig, ModelConfig, TrainConfig
from opec_tf.data import image_files, pipeline, proposals
from opec_tf.data.annotations import loading
from opec_tf.evaluation import protocols
from opec_tf.models import workdir
from opec_tf.poses import predictions, skeletons
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.training import callbacks, checks, context_epochs, stages, strategy as strategies, validation


@dataclasses.dataclass(frozen=True)
class Run:
    """What all stages of a run share.

    Attributes:
      root: the workdir.
      model_config, data_config, train_config, inference_config: the settings.
      strategy: tf.distribute strategy.
      train_data: ``PoseAnnotations`` of who is trained on, with the boxes to crop.
      everybody: ``PoseAnnotations`` of all people in their images.
      val_data: ``PoseAnnotations``; None where no validation split is named.
    """

    root: pathlib.Path
    model_config: ModelConfig
    data_config: DataConfig
    train_config: TrainConfig
    inference_config: InferenceConfig
    strategy: tf.distribute.Strategy
    train_data: PoseAnnotations
    everybody: PoseAnnotations
    val_data: PoseAnnotations

    @property
    def is_chief(self):
        return strategies.is_chief(self.strategy)

    def people(self, stage):
        """Number of people in a pass through the data of a stage."""
        if stage != "couple":
            return self.train_data.num_people
        return 2 * len(pipeline.trainable_pairs(self.train_data, self.data_config))


def train(root, model_config, data_config, train_config, inference_config):
    """Trains the stages of ``train_config.stages`` that are not finished yet.

    Args:
      root: the workdir, made where it is missing.
      model_config, data_config, train_config, inference_config: the settings.

    Raises:
      UserError: unusable settings, data, weights or workdir; a loss that is not finite; too little memory or disk.
    """
    strategy = strategies.make(train_config.strategy)
    root, is_chief = pathlib.Path(root), strategies.is_chief(strategy)
    workdir.start(root, model_config, write=False)
    with workdir.lock(root) if is_chief else contextlib.nullcontext():
        unfinished = [stage for stage in train_config.stages if not workdir.stage_folder(root, stage).finished]
        for stage in train_config.stages:
            if stage not in unfinished:
                print(f"stage {stage}: finished before; delete {root / stage} to train it anew", flush=True)
        if not unfinished:
            return
        data = load_data(model_config, data_config, inference_config.protocol)
        run = Run(root, model_config, data_config, train_config, inference_config, strategy, *data)
        checks.check(run, unfinished)
        # Not before, since a model that is written down cannot be changed any more.
        workdir.start(root, model_config, write=is_chief)
        for stage in unfinished:
            with _precision(train_config.precision), _memory_errors(stage):
                _train_stage(run, stage)
            strategies.barrier(strategy)


def load_data(model_config, data_config, protocol):
    """The people to train on, with the boxes to crop; all people of their images; and the validation split, in the
    joints that its protocol scores.

    Returns:
      (``PoseAnnotations``, ``PoseAnnotations``, ``PoseAnnotations`` or None)

    Raises:
      UserError: no training data, or an unusable file.
    """
    skeleton = skeletons.SKELETONS[model_config.skeleton]
    everybody = loading.load_all(data_config.train_data, data_config.data_root, skeleton)
    train_data = everybody if data_config.train_boxes == "gt" else _proposals(everybody, data_config)
    train_data = train_data.select(pipeline.trainable_people(train_data, data_config))
    if not train_data.num_people:
        raise UserError("--train_data: nobody in it can be trained on; check its labels and --min_labelled_joints")
    val_data = None
    if data_config.val_data:
        scored = protocols.PROTOCOLS[protocol].skeleton
        val_data = loading.load_all(data_config.val_data, data_config.data_root, scored)
    return train_data, everybody, val_data


def _proposals(train_data, data_config):
    """The training data with the detected boxes of ``train_boxes`` in place of its own."""
    path = _boxes(data_config, "train")
    return proposals.select(
        train_data,
        predictions.read(path, to_refine=True),
        min_visible_joints=data_config.min_visible_joints,
        min_oks=data_config.min_proposal_oks,
        name=path,
    )


def _boxes(data_config, split):
    """What ``train_boxes`` or ``val_boxes`` says: "gt", or the path of the file."""
    boxes, sources = getattr(data_config, f"{split}_boxes"), getattr(data_config, f"{split}_data")
    if boxes == "gt":
        return boxes
    loading.require_one(sources, split, f"--{split}_boxes={boxes}")
    return os.path.join(data_config.data_root, boxes)


def _train_stage(run, stage):
    """Trains one stage from where it is to its end."""
    folder = workdir.stage_folder(run.root, stage)
    epochs = stages.epochs(stage, run.train_config)
    make_batches = pipeline.couple_dataset if stage == "couple" else pipeline.training_dataset
    people = run.people(stage)
    steps = stages.steps_per_epoch(run.train_config, people)
    with run.strategy.scope():
        model = stages.build(stage, run.root, run.model_config, run.train_config, epochs * steps, _jit_compile(run))
    if run.is_chief:
        _prepare_folder(run, folder, model)
    strategies.barrier(run.strategy)
    # Scored and saved without the strategy.
    plain = model if run.strategy.num_replicas_in_sync == 1 else workdir.BUILDERS[stage](run.model_config)
    make_batches = functools.partial(
        make_batches,
        run.train_data,
        crop_size=run.model_config.crop_size,
        data_config=run.data_config,
        crop_offset=run.model_config.crop_offset,
        everybody=run.everybody if run.train_config.interference_weight and "base_heatmaps" in model.loss else None,
        with_poses=stage != "base" and run.model_config.initial_pose == "given",
    )
    start_epoch = len(callbacks.read_log(folder.log))
    batches = stages.dataset(
        run.strategy, make_batches, list(model.loss), run.train_config.batch_size, run.train_config.seed, start_epoch
    )
    learning = []
    if stages.has_context(stage, run.model_config):
        learn = functools.partial(
            context_epochs.learn,
            model,
            make_batches,
            people=steps * run.train_config.batch_size,
            members=2 if stage == "couple" else 1,
            strategy=run.strategy,
            loss=stages.pose_loss(run.model_config, oks_share=1.0),
            train_config=run.train_config,
        )
        learning = [context_epochs.ContextLearning(model, epochs, learn, folder.context_weights, run.is_chief)]
    print(
        f"stage {stage}: {model.count_params():,} parameters, {people} people, epochs {epochs}, each of {steps} steps",
        flush=True,
    )
    # Without --strict an image that cannot be decoded is left out and raises nothing.
    strict = run.data_config.strict
    with image_files.naming_unreadable(run.train_data.image_paths) if strict else contextlib.nullcontext():
        model.fit(
            batches,
            epochs=epochs,
            steps_per_epoch=steps,
            callbacks=[*learning, *_callbacks(run, stage, model, plain, folder, epochs)],
            verbose=int(run.is_chief and sys.stdout.isatty()),
        )
    if plain is not model:
        # Without an epoch left to train the callbacks have copied nothing; every worker has to take part.
        plain.set_weights(model.get_weights())
    if run.is_chief:
        _finish(run, stage, plain, folder, steps=int(model.optimizer.iterations.numpy()))


def _prepare_folder(run, folder, model):
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
    if changes:
        folder.context_weights.unlink(missing_ok=True)
    if changes and folder.backup.exists():
        print(f"resuming with other settings: {', '.join(changes)}", flush=True)


def _callbacks(run, stage, model, plain, folder, epochs):
    """The callbacks in the order in which an epoch's end needs them; the backup, which ends the epoch, comes last."""
    result = [callbacks.StopOnNaN(stage)]
    if plain is not model:
        result.append(callbacks.CopyWeights(plain))
    if run.is_chief:
        result.append(callbacks.LearningRate())
        boxes = _boxes(run.data_config, "val")
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
        result += [
            tf.keras.callbacks.TensorBoard(str(folder.tensorboard), write_graph=False),
            callbacks.EpochLog(folder.log),
            callbacks.EpochLine(stage, epochs),
        ]
    result.append(tf.keras.callbacks.BackupAndRestore(str(folder.backup), delete_checkpoint=False))
    return result


def _finish(run, stage, plain, folder, steps):
    """Writes a stage's metrics and final weights, which mark it as finished; removes what it could resume from."""
    last_epoch = stages.epochs(stage, run.train_config) - 1
    if run.val_data is None:
        print(f"stage {stage}: without --val_data the last epoch counts as the best", flush=True)
        workdir.save_weights(plain, folder.best_weights, {"epoch": last_epoch})
    best = workdir.read_attributes(folder.best_weights)
    files.write_json(folder.metrics, {"stage": stage, "steps": steps, **best}, indent=2)
    workdir.save_weights(plain, folder.final_weights, {"epoch": last_epoch, "steps": steps})
    folder.context_weights.unlink(missing_ok=True)
    shutil.rmtree(folder.backup, ignore_errors=True)


def _jit_compile(run):
    """Whether XLA compiles the training step; "auto" means on a single GPU, where it has always paid."""
    if run.train_config.jit_compile != "auto":
        return run.train_config.jit_compile == "on"
    return bool(tf.config.list_physical_devices("GPU")) and run.strategy.num_replicas_in_sync == 1


@contextlib.contextmanager
def _precision(policy):
    """Keras' mixed precision policy while a stage is built and trained."""
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(before)


@contextlib.contextmanager
def _memory_errors(stage):
    """Turns a full device or disk into one line."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        message = error.message.splitlines()[0]
        raise UserError(
            f"stage {stage}: out of memory or disk space ({message}); lower --batch_size, try "
            "--precision=mixed_bfloat16, or free some space; the same command resumes"
        ) from error

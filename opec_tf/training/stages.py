"""What each training stage is: its model, the weights it starts from, and the images it learns from."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.config import STAGES, ModelConfig, TrainConfig
from opec_tf.data.pipeline import ALL
from opec_tf.inference import pose_model
from opec_tf.models import builders, loading, workdir
from opec_tf.models.networks import BaseNet, CoupleNet, Network, OpecNet
from opec_tf.training import objectives, optimizer, strategy as strategies

# ``ModelConfig`` fields that change what a base's weights see and leave their shapes alone.
_INPUT_SETTINGS = ("normalization", "crop_offset", "stride_in_1x1")
# What --start_from calls the model that comes with the package.
_PACKAGE = "package"


class MakeBatches(Protocol):
    """Function that gives endless batches of (crops or what else a model takes, joints)."""

    def __call__(self, *, batch_size: int, seed: int, shard: tuple[int, int] = ALL) -> tf.data.Dataset: ...


def best_pose(stage: str, model_config: ModelConfig) -> str:
    """Name of the pose that chooses a stage's best epoch: the decoded peak of the base, else the last pose (paper 3.3:
    "the last generated pose will correspond to the best estimation result")."""
    return {"base": "peak", "opec": "pose_3" if model_config.has_graph else "initial", "couple": "couple_3"}[stage]


def epochs(stage: str, train_config: TrainConfig) -> int:
    """Number of epochs of a stage."""
    return getattr(train_config, f"{stage}_epochs")


def frozen_part(stage: str, *, freeze_base: bool, freeze_opec: bool) -> str | None:
    """Name of the layer that a stage leaves as it is; None where it trains everything."""
    if stage == "couple" and freeze_opec:
        return "opec_net"
    return "base" if stage != "base" and freeze_base else None


def build(
    stage: str,
    root: pathlib.Path,
    model_config: ModelConfig,
    train_config: TrainConfig,
    total_steps: int,
    jit_compile: bool,
    whole: Network | None = None,
) -> Network:
    """Builds, initialises and compiles the network of a stage. Call it in the strategy's scope.

    Args:
      stage: "base", "opec" or "couple".
      root: the workdir.
      total_steps: optimizer steps of the whole stage.
      whole: from ``start``, to build the network that goes on from what is kept of its body; None: build the whole.
      jit_compile: whether the training step is compiled with XLA.

    Returns:
      the network's named parts; its model is compiled and has its optimizer's variables made, so that a checkpoint
      restores into them at once.

    Raises:
      UserError: the weights to start from are missing or do not fit.
    """
    if whole is None:
        network = start(stage, root, model_config, train_config)
    else:
        network = builders.NETWORKS[stage](model_config, kept=True)
        loading.copy_weights(whole.model, network.model)
    _freeze(network, stage, train_config)
    model, opec = network.model, _opec_net(network)
    slow = [] if opec is None else opec.base.trainable_variables
    # The visibility's gradients must not shorten, by way of the global norm, the steps of all others.
    apart = opec.visibility_head.trainable_variables if opec is not None and opec.visibility_head is not None else []
    adam = optimizer.make(train_config, total_steps, slow, train_config.base_rate_factor, apart)
    stage_losses, weights = objectives.losses_and_weights(stage, model_config, train_config)
    compile_model(model, adam, stage_losses, weights, jit_compile)
    return network


def compile_model(
    model: tf.keras.Model,
    adam: tf.keras.optimizers.Optimizer,
    losses_by_output: dict[str, tf.keras.losses.Loss],
    weights: dict[str, float] | None = None,
    jit_compile: bool = False,
) -> None:
    """Compiles a model so that its training step is traced once and without AutoGraph. Call it in the strategy's scope.

    Args:
      model: Keras functional model whose output is a dict.
      adam: the optimizer; its variables are made.
      losses_by_output: output name -> Keras loss.
      weights: output name -> weight of its loss; all 1 without.
      jit_compile: whether the training step is compiled with XLA.
    """
    model.compile(optimizer=adam, loss=losses_by_output, loss_weights=weights, jit_compile=jit_compile)
    model.train_step = tf.autograph.experimental.do_not_convert(model.train_step)
    model.optimizer.build(model.trainable_variables)
    # Keras would make each loss's average within the first step, and trace that step a second time.
    model.compiled_loss.build(model.output)


def start(stage: str, root: pathlib.Path, model_config: ModelConfig, train_config: TrainConfig) -> Network:
    """The network of a stage with the weights that it starts from.

    Raises:
      UserError: they are missing or do not fit.
    """
    tf.keras.utils.set_random_seed(train_config.seed)
    network = builders.NETWORKS[stage](model_config)
    _load_start_weights(network, stage, root, model_config, train_config)
    return network


def _opec_net(network: Network) -> OpecNet | None:
    """The OPEC-Net that a network is or has within."""
    if isinstance(network, BaseNet):
        return None
    return network.opec_net if isinstance(network, CoupleNet) else network


def _freeze(network: Network, stage: str, train_config: TrainConfig) -> None:
    """Keeps a stage's optimizer from what the stage leaves as it is."""
    opec = _opec_net(network)
    # A frozen BatchNorm layer also uses its moving statistics in training, and leaves them as they are.
    frozen = frozen_part(stage, freeze_base=train_config.freeze_base, freeze_opec=train_config.freeze_opec)
    if opec is not None and frozen:
        (opec.model if frozen == "opec_net" else opec.base).trainable = False


def _load_start_weights(
    network: Network, stage: str, root: pathlib.Path, model_config: ModelConfig, train_config: TrainConfig
) -> None:
    """Fills a stage's model with what it starts from.

    Stage base starts from --base_weights, stage opec with the base of the stage before it or else of --base_weights,
    stage couple with the OPEC-Net of the stage before it; with --start_from, where no stage before it is finished, each
    from its part of that run's network.
    """
    before = {"base": "", "opec": "base", "couple": "opec"}[stage]
    if train_config.start_from:
        _start_from_run(network, stage, model_config, train_config.start_from)
    path: str | pathlib.Path = train_config.base_weights if stage != "couple" else ""
    if before and workdir.stage_folder(root, before).finished:
        path = workdir.stage_folder(root, before).best_weights
    print(f"stage {stage}: starts from {path or train_config.start_from or 'random weights'}", flush=True)
    if not path:
        return
    if path == train_config.base_weights:
        _check_input_settings(train_config.base_weights, model_config)
    if stage == "base":
        workdir.load_weights(network.model, path)
        return
    trained = builders.NETWORKS[before](model_config)
    workdir.load_weights(trained.model, path)
    if isinstance(network, CoupleNet):
        loading.copy_weights(trained.model, network.opec_net.model)
    else:
        network.base.set_weights(trained.base.get_weights())


def _start_from_run(network: Network, stage: str, model_config: ModelConfig, run: str) -> None:
    """Fills a stage's model with its part of a trained run's."""
    trained = pose_model.load(None if run == _PACKAGE else run)
    if STAGES.index(trained.stage) < STAGES.index(stage):
        raise UserError(f"--start_from={run}: has been trained to stage {trained.stage}, and this is stage {stage}")
    theirs = dataclasses.asdict(trained.model_config)
    # A second look starts from the first, so it may come new.
    for name in builders.BASE_SETTINGS if stage == "base" else [name for name in theirs if name != "second_look"]:
        if theirs[name] != getattr(model_config, name):
            raise UserError(f"--start_from={run}: made for --{name}={theirs[name]}, not {getattr(model_config, name)}")
    source, target = trained.network, network.model
    if trained.stage == "couple" != stage:
        source = source.get_layer("opec_net")
    if stage == "base":
        source, target = source.get_layer("base"), network.base
    loading.copy_weights(source, target)


def _check_input_settings(path: str, model_config: ModelConfig) -> None:
    """Weights of another workdir want their input as there; no shape would tell that it is not."""
    root = pathlib.Path(path).parent.parent
    if not (root / "config.json").exists():
        return
    theirs = workdir.read_model_config(root)
    for name in _INPUT_SETTINGS:
        if getattr(theirs, name) != getattr(model_config, name):
            raise UserError(
                f"--base_weights={path}: made for --{name}={getattr(theirs, name)}, not {getattr(model_config, name)}; "
                "set it so (converted weights come with a model.flags)"
            )


def steps_per_epoch(train_config: TrainConfig, num_people: int) -> int:
    """Optimizer steps in an epoch: as configured, or once through the people trained on."""
    return train_config.steps_per_epoch or -(-num_people // train_config.batch_size)


def dataset(
    strategy: tf.distribute.Strategy,
    make_batches: MakeBatches,
    output_names: Sequence[str],
    batch_size: int,
    seed: int,
    start_epoch: int,
) -> tf.data.Dataset:
    """The distributed training data of a stage.

    All workers follow one endless, shuffled order of images, of which each reads every n-th: no file is read twice in
    an epoch, and no worker runs dry. A resumed run draws another order than the first epochs had.

    Args:
      make_batches: the joints that it gives may include other people's.
      output_names: model outputs that carry a loss; each is compared with the joints.
      batch_size: global batch size.
      seed: the run's seed.
      start_epoch: epoch that training starts or resumes at.

    Returns:
      (distributed) dataset of (the model's inputs, output name -> joints [B, K, 4] or [B, 1 + M, K, 4]).
    """
    # 31 bits: what tf.data takes for a seed.
    order = int(np.random.SeedSequence([seed, start_epoch, 0]).generate_state(1)[0] >> 1)
    local_batch_size = strategies.per_replica_batch_size(strategy, batch_size)

    def worker_dataset(context: tf.distribute.InputContext) -> tf.data.Dataset:
        shard = context.input_pipeline_id, context.num_input_pipelines
        batches = make_batches(batch_size=local_batch_size, seed=order, shard=shard)
        return batches.map(lambda inputs, joints: (inputs, dict.fromkeys(output_names, joints)))

    return strategy.distribute_datasets_from_function(worker_dataset)

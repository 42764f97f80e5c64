"""What each training stage is: its model, the weights it starts from, its losses, and the images it learns from."""

import pathlib

import numpy as np
import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.models import builders, workdir
from opec_tf.poses import skeletons
from opec_tf.training import losses, optimizer, strategy as strategies

# ``ModelConfig`` fields that change what a base's weights see and leave their shapes alone.
_INPUT_SETTINGS = ("normalization", "crop_offset", "stride_in_1x1")


def best_pose(stage, model_config):
    """Name of the pose that chooses a stage's best epoch: the decoded peak of the base, else the last pose (paper 3.3:
    "the last generated pose will correspond to the best estimation result")."""
    return {"base": "peak", "opec": "pose_3" if model_config.refinement else "initial", "couple": "couple_3"}[stage]


def has_context(stage, model_config):
    """Whether a stage trains a ``BodyContext``."""
    if stage == "opec":
        return model_config.body_context and model_config.refinement
    return stage == "couple" and model_config.couple_context


def epochs(stage, train_config):
    """Number of epochs of a stage."""
    return getattr(train_config, f"{stage}_epochs")


def frozen_part(stage, *, freeze_base, freeze_opec):
    """Name of the layer that a stage leaves as it is; None where it trains everything but contexts."""
    if stage == "couple" and freeze_opec:
        return "opec_net"
    return "base" if stage != "base" and freeze_base else None


def losses_and_weights(stage, model_config, train_config):
    """The losses of a stage by model output, and their weights.

    Stage base learns heatmaps. Stage opec minimises eq. 3: the initial pose with weight 1 (its own, which fills the
    gaps of a given one), poses 1 to 3 with lambda_1 to lambda_3; a base that is trained along keeps its heatmap loss
    beside it, since nothing in eq. 3 asks it for a peak at each joint. Predicted visibility has its cross entropy.
    Stage couple minimises eq. 3 of the couple's poses, with lambda_1 to lambda_3; an OPEC-Net that is trained along
    keeps its losses beside it.

    Returns:
      (output name -> Keras loss, output name -> weight)
    """
    heatmap_loss = losses.HeatmapLoss(
        sigma=train_config.heatmap_sigma, interference_weight=train_config.interference_weight
    )
    if stage == "base":
        return {"base_heatmaps": heatmap_loss}, {"base_heatmaps": 1.0}
    if stage == "couple":
        weights = dict(zip(builders.COUPLE_OUTPUTS, train_config.pose_loss_weights))
        stage_losses = {name: pose_loss(model_config, train_config.oks_loss_share) for name in weights}
        if train_config.freeze_opec:
            return stage_losses, weights
        opec_losses, opec_weights = losses_and_weights("opec", model_config, train_config)
        return {**opec_losses, **stage_losses}, {**opec_weights, **weights}
    poses = builders.POSE_OUTPUTS if model_config.refinement else builders.POSE_OUTPUTS[:1]
    weights = dict(zip(poses, (1.0,) + train_config.pose_loss_weights))
    stage_losses = {name: pose_loss(model_config, train_config.oks_loss_share) for name in weights}
    if train_config.heatmap_loss_weight and not train_config.freeze_base:
        stage_losses["base_heatmaps"] = heatmap_loss
        weights["base_heatmaps"] = train_config.heatmap_loss_weight
    if model_config.refinement and model_config.predict_visibility:
        stage_losses[builders.VISIBILITY_OUTPUT] = losses.VisibilityLoss()
        weights[builders.VISIBILITY_OUTPUT] = train_config.visibility_loss_weight
    return stage_losses, weights


def pose_loss(model_config, oks_share):
    """The loss of one pose, L1 with a share of OKS."""
    sigmas = skeletons.SKELETONS[model_config.skeleton].sigmas
    return losses.PoseLoss(oks_share=oks_share, sigmas=[float(s) for s in sigmas], crop_size=model_config.crop_size)


def build(stage, root, model_config, train_config, total_steps, jit_compile):
    """Builds, initialises and compiles the model of a stage. Call it in the strategy's scope.

    Args:
      stage: "base", "opec" or "couple".
      root: the workdir.
      model_config: ``ModelConfig``.
      train_config: ``TrainConfig``.
      total_steps: optimizer steps of the whole stage.
      jit_compile: whether the training step is compiled with XLA.

    Returns:
      compiled Keras model with its optimizer's variables made, so that a checkpoint restores into them at once.

    Raises:
      UserError: the weights to start from are missing or do not fit.
    """
    tf.keras.utils.set_random_seed(train_config.seed)
    model = workdir.BUILDERS[stage](model_config)
    _load_start_weights(model, stage, root, model_config, train_config)
    opec = model.get_layer("opec_net") if stage == "couple" else model
    base = opec.get_layer("base")
    # A frozen BatchNorm layer also uses its moving statistics in training, and leaves them as they are.
    frozen = frozen_part(stage, freeze_base=train_config.freeze_base, freeze_opec=train_config.freeze_opec)
    if frozen:
        (opec if frozen == "opec_net" else base).trainable = False
    # Contexts learn alone.
    for layer in (*model.layers, *opec.layers):
        if layer.name in builders.CONTEXT_LAYERS.values():
            layer.trainable = False
    slow = [] if stage == "base" else base.trainable_variables
    # The visibility's gradients must not shorten, by way of the global norm, the steps of all others.
    apart = [] if stage == "base" else _layer_variables(opec, builders.VISIBILITY_OUTPUT)
    adam = optimizer.make(train_config, total_steps, slow, train_config.base_rate_factor, apart)
    stage_losses, weights = losses_and_weights(stage, model_config, train_config)
    model.compile(optimizer=adam, loss=stage_losses, loss_weights=weights, jit_compile=jit_compile)
    model.train_step = tf.autograph.experimental.do_not_convert(model.train_step)
    model.optimizer.build(model.trainable_variables)
    # Keras would make each loss's average within the first step, and trace that step a second time.
    model.compiled_loss.build(model.output)
    return model


def _layer_variables(net, name):
    """The variables of a layer of a network; none where it has no such layer."""
    layers = [layer for layer in net.layers if layer.name == name]
    return [variable for layer in layers for variable in layer.trainable_variables]


def _load_start_weights(model, stage, root, model_config, train_config):
    """Fills a stage's model with what it starts from.

    Stage base starts from --base_weights, stage opec with the base of the stage before it or else of --base_weights,
    stage couple with the OPEC-Net of the stage before it.
    """
    before = {"base": "", "opec": "base", "couple": "opec"}[stage]
    path = train_config.base_weights if stage != "couple" else ""
    if before and workdir.stage_folder(root, before).finished:
        path = workdir.stage_folder(root, before).best_weights
    print(f"stage {stage}: starts from {path or 'random weights'}", flush=True)
    if not path:
        return
    if path == train_config.base_weights:
        _check_input_settings(path, model_config)
    if stage == "base":
        workdir.load_weights(model, path)
        return
    trained = workdir.BUILDERS[before](model_config)
    workdir.load_weights(trained, path)
    if stage == "opec":
        model.get_layer("base").set_weights(trained.get_layer("base").get_weights())
        return
    for layer in trained.layers:
        model.get_layer("opec_net").get_layer(layer.name).set_weights(layer.get_weights())


def _check_input_settings(path, model_config):
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


def steps_per_epoch(train_config, num_people):
    """Optimizer steps in an epoch: as configured, or once through the people trained on."""
    return train_config.steps_per_epoch or -(-num_people // train_config.batch_size)


def dataset(strategy, make_batches, output_names, batch_size, seed, start_epoch):
    """The distributed training data of a stage.

    Every worker draws its own shuffled stream of crops from all of the data: with an endless, shuffled stream there is
    nothing to gain from sharding, and no worker runs dry. A run resumed at ``start_epoch`` draws another order than
    the first epochs had.

    Args:
      strategy: tf.distribute strategy.
      make_batches: function of the keywords batch_size and seed -> endless tf.data.Dataset of (crops or what
        else the model takes, joints, which may include other people's).
      output_names: model outputs that carry a loss; each is compared with the joints.
      batch_size: global batch size.
      seed: the run's seed.
      start_epoch: epoch that training starts or resumes at.

    Returns:
      (distributed) dataset of (the model's inputs, output name -> joints [B, K, 4] or [B, 1 + M, K, 4]).
    """
    local_batch_size = strategies.per_replica_batch_size(strategy, batch_size)

    def worker_dataset(context):
        entropy = [seed, start_epoch, context.input_pipeline_id]
        # 31 bits: what tf.data takes for a seed.
        worker_seed = int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)
        batches = make_batches(batch_size=local_batch_size, seed=worker_seed)
        return batches.map(lambda inputs, joints: (inputs, dict.fromkeys(output_names, joints)))

    return strategy.distribute_datasets_from_function(worker_dataset)

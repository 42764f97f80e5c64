"""What each training stage minimises."""

from __future__ import annotations

import tensorflow as tf

from opec_tf.config import ModelConfig, TrainConfig
from opec_tf.models import output_names
from opec_tf.poses import skeletons
from opec_tf.training import losses


def losses_and_weights(
    stage: str, model_config: ModelConfig, train_config: TrainConfig
) -> tuple[dict[str, tf.keras.losses.Loss], dict[str, float]]:
    """The losses of a stage by model output, and their weights.

    Stage base learns heatmaps and, if it regresses one, its pose. Stage opec minimises eq. 3: the initial pose with
    weight 1 (its own, which fills the gaps of a given one), poses 1 to 3 with lambda_1 to lambda_3; a base that is
    trained along keeps its own losses beside it, since nothing in eq. 3 asks it for a peak at each joint, nor where its
    person is. Adapted heatmaps that are integrated about their highest cell have the heatmap loss, since such an
    integral does not say which cell should be the highest. Predicted visibility has its cross entropy; a weight of it
    would mean nothing, since it trains its own head alone and Adam divides by the size of gradients.
    Stage couple minimises eq. 3 of the couple's poses, with lambda_1 to lambda_3, and what the second look costs; an
    OPEC-Net that is trained along keeps its losses beside it.

    Returns:
      (output name -> Keras loss, output name -> weight)
    """
    heatmap_loss = losses.HeatmapLoss(
        sigma=train_config.heatmap_sigma, interference_weight=train_config.interference_weight
    )
    if stage == "base":
        base_losses: dict[str, tf.keras.losses.Loss] = {"base_heatmaps": heatmap_loss}
        if model_config.regresses_pose:
            base_losses[output_names.REGRESSED_OUTPUT] = pose_loss(model_config, train_config.oks_loss_share)
        return base_losses, dict.fromkeys(base_losses, 1.0)
    if stage == "couple":
        weights = dict(zip(output_names.COUPLE_OUTPUTS, train_config.pose_loss_weights))
        if model_config.second_look:
            weights.update(dict.fromkeys(output_names.SECOND_LOOK_OUTPUTS, 1.0))
        stage_losses = {name: pose_loss(model_config, train_config.oks_loss_share) for name in weights}
        if model_config.second_look and model_config.integral_radius:
            stage_losses[output_names.SECOND_HEATMAPS_OUTPUT] = heatmap_loss
            weights[output_names.SECOND_HEATMAPS_OUTPUT] = 1.0
        if train_config.freeze_opec:
            return stage_losses, weights
        opec_losses, opec_weights = losses_and_weights("opec", model_config, train_config)
        return {**opec_losses, **stage_losses}, {**opec_weights, **weights}
    poses = output_names.POSE_OUTPUTS if model_config.has_graph else output_names.POSE_OUTPUTS[:1]
    weights = dict(zip(poses, (1.0,) + train_config.pose_loss_weights))
    stage_losses = {name: pose_loss(model_config, train_config.oks_loss_share) for name in weights}
    if train_config.heatmap_loss_weight and not train_config.freeze_base:
        stage_losses["base_heatmaps"] = heatmap_loss
        weights["base_heatmaps"] = train_config.heatmap_loss_weight
    if model_config.regresses_pose and not train_config.freeze_base:
        stage_losses[output_names.REGRESSED_OUTPUT] = pose_loss(model_config, train_config.oks_loss_share)
        weights[output_names.REGRESSED_OUTPUT] = 1.0
    if not model_config.refinement:
        return stage_losses, weights
    if model_config.integral_radius:
        stage_losses["heatmaps"] = heatmap_loss
        weights["heatmaps"] = train_config.heatmap_loss_weight or 1.0
    if model_config.predict_visibility and model_config.has_graph:
        stage_losses[output_names.VISIBILITY_OUTPUT] = losses.VisibilityLoss()
        weights[output_names.VISIBILITY_OUTPUT] = 1.0
    return stage_losses, weights


def pose_loss(model_config: ModelConfig, oks_share: float) -> losses.PoseLoss:
    """The loss of one pose, L1 with a share of OKS."""
    sigmas = skeletons.SKELETONS[model_config.skeleton].sigmas
    return losses.PoseLoss(oks_share=oks_share, sigmas=[float(s) for s in sigmas], crop_size=model_config.crop_size)

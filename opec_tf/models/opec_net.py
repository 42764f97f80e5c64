"""OPEC-Net (Qiu et al., ECCV 2020): the builder reads from top to bottom as the paper's Figure 2 from left to right."""

from __future__ import annotations

import math

import tensorflow as tf

from opec_tf.config import ModelConfig
from opec_tf.layers.fusion import FusionBlock
from opec_tf.layers.graph import JointIdentity
from opec_tf.layers.heatmap import GivenPose, SoftArgmax
from opec_tf.layers.joints import JointSampling, VisibilityHead
from opec_tf.models.networks import OpecNet, inputs_of, output
from opec_tf.models.output_names import (
    GIVEN_OUTPUT,
    MAPS,
    NUM_BLOCKS,
    POSE_OUTPUTS,
    REGRESSED_OUTPUT,
    TRUNK_MAPS,
    VISIBILITY_OUTPUT,
)
from opec_tf.models.refinement import progressive_refinement, score_columns
from opec_tf.poses import skeletons


def opec_net(base: tf.keras.Model, config: ModelConfig) -> OpecNet:
    """Builds OPEC-Net over a base module.

    Args:
      base: model made by ``pose_backbone``; it becomes part of the new model, weights and all.
      config: of the joints, the feature adaption and the graph.

    Returns:
      ``OpecNet``. Its model goes from crops [B, H, W, 3] (RGB, 0..255) to a dict of float32 tensors: base_heatmaps and
      heatmaps [B, H / 4, W / 4, K]; initial_pose, pose_1, pose_2, pose_3 [B, K, 2], (x, y), normalised; initial_score
      [B, K], 0..1; visibility [B, K, 3], logits of visible, occluded and outside the picture; of a base that has it
      regressed_pose. Every output comes from a layer of its own name, so Keras logs losses under these names.
      With a given initial pose it goes from a dict of crops, given_pose [B, K, 2], (x, y), normalised, and given_score
      [B, K], 0 for joints that are not given. It has an output "given" more, the pose refined; initial_pose is its own
      still. Without a graph the initial pose is the last one, and there is no visibility.
    """
    # Base module: heatmaps, and the three feature maps F1, F2, F3 from coarse to fine.
    inputs = inputs_of(base)
    base_outputs = base(inputs)
    base_heatmaps = output("base_heatmaps")(base_outputs["base_heatmaps"])
    # Cascaded Feature Adaption (eq. 4 and 5): F1, F2, F3 -> F^1, F^2, F^3.
    maps = _feature_adaption(base_outputs, config)
    # Heatmap (eq. 6): a correction of the base's that starts at zero, so that training starts from what the base knows.
    heatmaps = output("heatmaps")(_corrected(base_heatmaps, maps[-1]))

    # Initial pose and its score c: integral regression (eq. 2), or another system's pose as far as it is given.
    beta = initial_beta(heatmaps.shape[1:3])
    integral, score = SoftArgmax(beta, config.integral_radius, name="soft_argmax")(heatmaps)
    start = output(POSE_OUTPUTS[0])(integral)
    outputs, given = {POSE_OUTPUTS[0]: start}, {}
    if config.initial_pose == "given":
        given = _given_inputs(start.shape[1])
        pose, score = GivenPose(name="given_pose_or_integral")([*given.values(), integral, score])
        start = outputs[GIVEN_OUTPUT] = output(GIVEN_OUTPUT)(pose)
        # Of crops only: what is kept of a body does not go with given poses.
        inputs = {"crops": inputs, **given}
    score = output("initial_score")(score)
    outputs.update(base_heatmaps=base_heatmaps, heatmaps=heatmaps, initial_score=score, **_regressed(base_outputs))
    if not config.has_graph:
        model = tf.keras.Model(inputs, outputs, name="opec_net")
        return OpecNet(model, base, heatmaps=heatmaps, score=score, poses=(start,))

    # Nodes (x, y, c).
    scores = score_columns(score, base_heatmaps)
    nodes = tf.keras.layers.Concatenate(dtype="float32", name="node_features")([start, scores])
    if config.joint_identity:
        nodes = JointIdentity(nodes.shape[1], dtype="float32", name="joint_identity")(nodes)

    # Image-Guided Progressive GCN: two graph convolutions, then three blocks, of which each excavates image features
    # from its F^i at the pose known so far and displaces that pose.
    sampled = tuple(_maps_of_block(maps, block, config) for block in range(1, NUM_BLOCKS + 1))

    def excavate(block: int, pose: tf.Tensor) -> list[tf.Tensor]:
        return [
            JointSampling(name=f"joint_features_{block}_{index}")([feature_map, pose])
            for index, feature_map in enumerate(sampled[block - 1], start=1)
        ]

    adjacency = skeletons.SKELETONS[config.skeleton].adjacency
    poses, features = progressive_refinement(start, nodes, excavate, adjacency=adjacency, graph=config)
    outputs.update({name: output(name)(pose) for name, pose in zip(POSE_OUTPUTS[1:], poses)})

    # What the last node features tell of each joint beside its place.
    head = VisibilityHead(dtype="float32", name=VISIBILITY_OUTPUT) if config.predict_visibility else None
    if head is not None:
        outputs[VISIBILITY_OUTPUT] = head(features)
    model = tf.keras.Model(inputs, outputs, name="opec_net")
    seen = {name: base_outputs[name] for name in ("base_heatmaps", *MAPS, *(TRUNK_MAPS if config.trunk_maps else ()))}
    seen.update(given)
    return OpecNet(model, base, seen, heatmaps, score, (start, *poses), sampled, features, head)


def integral_net(base: tf.keras.Model) -> OpecNet:
    """Integral regression on a base's own heatmaps (Sun et al., 2018), without CFA and graph: OPEC-Net's control.

    Args:
      base: model made by ``pose_backbone``.

    Returns:
      ``OpecNet`` whose model goes from crops [B, H, W, 3] to base_heatmaps, initial_pose, initial_score and
      regressed_pose as ``opec_net`` has them.
    """
    inputs = inputs_of(base)
    base_outputs = base(inputs)
    heatmaps = output("base_heatmaps")(base_outputs["base_heatmaps"])
    pose, score = SoftArgmax(initial_beta(heatmaps.shape[1:3]), name="soft_argmax")(heatmaps)
    pose, score = output("initial_pose")(pose), output("initial_score")(score)
    outputs = {"base_heatmaps": heatmaps, "initial_pose": pose, "initial_score": score, **_regressed(base_outputs)}
    return OpecNet(tf.keras.Model(inputs, outputs, name="integral_net"), base, heatmaps=heatmaps, poses=(pose,))


def initial_beta(heatmap_size: tuple[int, int]) -> float:
    """Inverse temperature at which a base's heatmaps can be read: 2 ln(cells) + 4; 17 for 32 x 24, 21 for 80 x 64.

    At a peak of half height (an unsure, often hidden joint) the top cell alone then weighs e^(beta / 2) = e^2 cells,
    seven times as much as all the background, which would otherwise pull the joint to the centre of the crop.
    """
    height, width = heatmap_size
    return 2.0 * math.log(height * width) + 4.0


def _regressed(base_outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The pose that a base regresses, as the output of that name; {} where it does not."""
    if REGRESSED_OUTPUT not in base_outputs:
        return {}
    return {REGRESSED_OUTPUT: output(REGRESSED_OUTPUT)(base_outputs[REGRESSED_OUTPUT])}


def _feature_adaption(base_outputs: dict[str, tf.Tensor], config: ModelConfig) -> list[tf.Tensor]:
    """CFA (supplement 4, Fig. 7): [F1, F2, F3], each with the trunk's map of its size or alone -> [F^1, F^2, F^3]."""
    maps = [base_outputs[name] for name in MAPS]
    if config.trunk_maps:
        maps = [
            tf.keras.layers.Concatenate(name=f"decoder_and_trunk_{index}")([feature_map, base_outputs[trunk_map]])
            for index, (feature_map, trunk_map) in enumerate(zip(maps, TRUNK_MAPS), start=1)
        ]
    if config.adaption == "none":
        return maps
    adapted: list[tf.Tensor] = []
    for index, (feature_map, width) in enumerate(zip(maps, config.adaption_channels), start=1):
        if config.adaption == "fusion" and adapted:
            adapted.append(FusionBlock(width, name=f"fusion_{index}")([adapted[-1], feature_map]))
        else:
            conv = tf.keras.layers.Conv2D(
                width, 3, padding="same", activation="relu", kernel_initializer="he_normal", name=f"adaption_{index}"
            )
            adapted.append(conv(feature_map))
    return adapted


def _corrected(base_heatmaps: tf.Tensor, finest_map: tf.Tensor) -> tf.Tensor:
    """The base's heatmaps plus Conv(F^3)."""
    correction = tf.keras.layers.Conv2D(
        base_heatmaps.shape[-1],
        3,
        padding="same",
        kernel_initializer="zeros",
        dtype="float32",
        name="heatmap_conv",
    )(finest_map)
    return tf.keras.layers.Add(dtype="float32", name="heatmap_sum")([base_heatmaps, correction])


def _given_inputs(joints: int) -> dict[str, tf.Tensor]:
    """The inputs that a given pose of so many joints comes in."""
    return {
        "given_pose": tf.keras.Input((joints, 2), name="given_pose"),
        "given_score": tf.keras.Input((joints,), name="given_score"),
    }


def _maps_of_block(maps: list[tf.Tensor], block: int, config: ModelConfig) -> list[tf.Tensor]:
    """The feature maps that block 1, 2 or 3 samples."""
    if not config.image_guided:
        return []
    if not config.multi_scale:
        return maps[-1:]
    return maps[block - 1 : block] if config.progressive else maps

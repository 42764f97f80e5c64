"""OPEC-Net (Qiu et al., ECCV 2020): the builder reads from top to bottom as the paper's Figure 2 from left to right."""

import math

import tensorflow as tf

from opec_tf.layers.body_context import BodyContext
from opec_tf.layers.fusion import FusionBlock
from opec_tf.layers.graph import JointIdentity
from opec_tf.layers.heatmap import GivenPose, PeakCandidates, PeakGate, PoseNoise, SoftArgmax
from opec_tf.layers.joints import JointSampling, VisibilityHead
from opec_tf.models.refinement import progressive_refinement

POSE_OUTPUTS = ("initial_pose", "pose_1", "pose_2", "pose_3")
# The pose that the graph refines where that is an input; the initial pose then only fills its gaps.
GIVEN_OUTPUT = "given"
VISIBILITY_OUTPUT = "visibility"


def opec_net(
    base,
    *,
    adjacency,
    adaption_channels=(256, 128, 128),
    graph_channels=128,
    block_channels=256,
    graph_convolution="semantic",
    graph_normalization=False,
    joint_attention=True,
    sample_at="latest",
    displacement=True,
    image_guided=True,
    progressive=True,
    multi_scale=True,
    adaption="fusion",
    trunk_maps=False,
    heatmap_from_base=True,
    initial_pose="integral",
    initial_pose_noise=0.0,
    joint_identity=True,
    candidates=0,
    gate=False,
    predict_visibility=True,
    body_context=False,
    flip_order=None,
):
    """Builds OPEC-Net over a base module.

    Args:
      base: model made by ``pose_backbone``; it becomes part of the new model, weights and all.
      adjacency: [K, K], non-zero where two joints are neighbours in the body.
      adaption_channels: of F^1, F^2, F^3.
      graph_channels: of the first two graph convolutions.
      block_channels: of the ResGCN attention blocks.
      graph_convolution: "gcn" or "semantic", see ``GraphConv``.
      graph_normalization: LayerNormalization in every graph convolution.
      joint_attention: self-attention at the end of each block.
      sample_at: "latest": block i samples at the pose of block i - 1; "initial": all sample at the initial pose.
      displacement: blocks add to the pose before them; otherwise each gives a pose of its own.
      image_guided, progressive, multi_scale, adaption: the rows of the paper's Table 6, see ``ModelConfig``.
      trunk_maps: the adaption gets the trunk's C4, C3, C2 beside F1, F2, F3.
      heatmap_from_base: the convolution of eq. 6 is added to the base's heatmaps instead of replacing them.
      initial_pose: "integral": the integral regression's; "given": an input, completed by it, see ``GivenPose``.
      initial_pose_noise: standard deviation of noise on the initial pose, see ``PoseNoise``; 0: none.
      joint_identity: nodes know which joint they are, see ``JointIdentity``.
      candidates: the highest peaks of the base's heatmaps as node features, so many a joint; see ``PeakCandidates``.
      gate: the last pose is mixed with the base's peak, see ``PeakGate``.
      predict_visibility: an output more, see ``VisibilityHead``.
      body_context: the graph starts from where all joints of the body tell each to be, see ``BodyContext``.
      flip_order: [K], for it, the row of each joint's counterpart on the other side of the body.

    Returns:
      A model from crops [B, H, W, 3] (RGB, 0..255) to a dict of float32 tensors: base_heatmaps and heatmaps
      [B, H / 4, W / 4, K]; initial_pose, pose_1, pose_2, pose_3 [B, K, 2], (x, y), normalised; initial_score [B, K],
      0..1; visibility [B, K, 3], logits of visible, occluded and outside the picture. Every output comes from a layer
      of its own name, so Keras logs losses under these names.
      With a given initial pose it is a model from a dict of crops, given_pose [B, K, 2], (x, y), normalised, and
      given_score [B, K], 0 for joints that are not given. It has an output "given" more, the pose refined; initial_pose
      is its own still.
    """
    # Base module: heatmaps and three feature maps, coarse to fine.
    crops = tf.keras.Input(base.input_shape[1:], name="crops")
    base_outputs = base(crops)
    base_heatmaps = _output("base_heatmaps")(base_outputs["base_heatmaps"])
    maps = [base_outputs["F1"], base_outputs["F2"], base_outputs["F3"]]

    # Cascaded Feature Adaption (eq. 4 and 5): F1, F2, F3 -> F^1, F^2, F^3.
    if trunk_maps:
        maps = [
            tf.keras.layers.Concatenate(name=f"decoder_and_trunk_{index}")([feature_map, base_outputs[trunk_map]])
            for index, (feature_map, trunk_map) in enumerate(zip(maps, ("C4", "C3", "C2")), start=1)
        ]
    maps = _feature_adaption(maps, adaption_channels, adaption)

    # Heatmap (eq. 6). As a correction it starts at zero, so that training starts from what the base knows.
    heatmaps = tf.keras.layers.Conv2D(
        base_heatmaps.shape[-1],
        3,
        padding="same",
        kernel_initializer="zeros" if heatmap_from_base else "glorot_uniform",
        dtype="float32",
        name="heatmap_conv",
    )(maps[-1])
    if heatmap_from_base:
        heatmaps = tf.keras.layers.Add(dtype="float32", name="heatmap_sum")([base_heatmaps, heatmaps])
    heatmaps = _output("heatmaps")(heatmaps)

    # Initial pose: integral regression (eq. 2), or another system's pose as far as it is given.
    start, score = SoftArgmax(initial_beta(heatmaps.shape[1:3]), name="soft_argmax")(heatmaps)
    inputs, outputs = crops, {}
    if initial_pose == "given":
        given = _given_inputs(len(adjacency))
        inputs, outputs = {"crops": crops, **given}, {POSE_OUTPUTS[0]: _output(POSE_OUTPUTS[0])(start)}
        start, score = GivenPose(name="given_pose_or_integral")([*given.values(), start, score])
    if initial_pose_noise:
        start = PoseNoise(initial_pose_noise, name="initial_pose_noise")(start)
    start_name = GIVEN_OUTPUT if initial_pose == "given" else POSE_OUTPUTS[0]
    start = outputs[start_name] = _output(start_name)(start)
    score = _output("initial_score")(score)

    # Image-Guided Progressive GCN: (x, y, c) through two graph convolutions, then three blocks, each with its pose.
    # Image features are excavated at the pose known so far, or at the initial one.
    def excavate(block, pose):
        sampled_maps = _maps_of_block(maps, block, image_guided, progressive, multi_scale)
        return [
            JointSampling(name=f"joint_features_{block}_{index}")(
                [feature_map, pose if sample_at == "latest" else start]
            )
            for index, feature_map in enumerate(sampled_maps, start=1)
        ]

    scores = score_columns(score, base_heatmaps)
    told = start
    if body_context:
        aspect = crops.shape[2] / crops.shape[1]
        told = BodyContext(flip_order, aspect=aspect, name="body_context")([start, scores])
    features = _node_features(told, scores, base_heatmaps, joint_identity, candidates)
    poses, features = progressive_refinement(
        told,
        features,
        excavate,
        adjacency=adjacency,
        graph_channels=graph_channels,
        block_channels=block_channels,
        graph_convolution=graph_convolution,
        graph_normalization=graph_normalization,
        joint_attention=joint_attention,
        displacement=displacement,
    )
    if gate:
        poses[-1] = PeakGate(name="peak_gate")([poses[-1], features, base_heatmaps])

    outputs.update({name: _output(name)(pose) for name, pose in zip(POSE_OUTPUTS[1:], poses)})
    outputs.update(base_heatmaps=base_heatmaps, heatmaps=heatmaps, initial_score=score)
    # What the last node features tell of each joint beside its place.
    if predict_visibility:
        outputs[VISIBILITY_OUTPUT] = VisibilityHead(dtype="float32", name=VISIBILITY_OUTPUT)(features)
    return tf.keras.Model(inputs, outputs, name="opec_net")


def integral_net(base):
    """Integral regression on a base's own heatmaps (Sun et al., 2018), without CFA and graph: OPEC-Net's control.

    Args:
      base: model made by ``pose_backbone``.

    Returns:
      A model from crops [B, H, W, 3] to base_heatmaps, initial_pose and initial_score as ``opec_net`` has them.
    """
    crops = tf.keras.Input(base.input_shape[1:], name="crops")
    base_heatmaps = _output("base_heatmaps")(base(crops)["base_heatmaps"])
    pose, score = SoftArgmax(initial_beta(base_heatmaps.shape[1:3]), name="soft_argmax")(base_heatmaps)
    outputs = {
        "base_heatmaps": base_heatmaps,
        "initial_pose": _output("initial_pose")(pose),
        "initial_score": _output("initial_score")(score),
    }
    return tf.keras.Model(crops, outputs, name="integral_net")


def _given_inputs(joints):
    """The inputs that a given pose of so many joints comes in."""
    return {
        "given_pose": tf.keras.Input((joints, 2), name="given_pose"),
        "given_score": tf.keras.Input((joints,), name="given_score"),
    }


def initial_beta(heatmap_size):
    """Inverse temperature at which a base's heatmaps can be read: 2 ln(cells) + 4; 17 for 32 x 24, 21 for 80 x 64.

    At a peak of half height (an unsure, often hidden joint) the top cell alone then weighs e^(beta / 2) = e^2 cells,
    seven times as much as all the background, which would otherwise pull the joint to the centre of the crop.
    """
    height, width = heatmap_size
    return 2.0 * math.log(height * width) + 4.0


def _output(name):
    """Identity in float32, whose name becomes the output's name in logs and signatures."""
    return tf.keras.layers.Activation("linear", dtype="float32", name=name)


def _feature_adaption(maps, channels, adaption):
    """CFA (supplement 4, Fig. 7): [F1, F2, F3] -> [F^1, F^2, F^3] of the given channels; "none" gives the maps back."""
    if adaption == "none":
        return maps
    adapted = []
    for index, (feature_map, width) in enumerate(zip(maps, channels), start=1):
        if adaption == "fusion" and adapted:
            adapted.append(FusionBlock(width, name=f"fusion_{index}")([adapted[-1], feature_map]))
        else:
            conv = tf.keras.layers.Conv2D(
                width, 3, padding="same", activation="relu", kernel_initializer="he_normal", name=f"adaption_{index}"
            )
            adapted.append(conv(feature_map))
    return adapted


def score_columns(initial_score, base_heatmaps):
    """The two things c can mean, [B, K, 2].

    The peak likelihood (eq. 1) says how concentrated the joint's heatmap is, the height of the base's own peak whether
    it saw the joint at all; the second keeps its meaning while training moves heatmaps and temperature.
    """
    joints = base_heatmaps.shape[-1]
    peak = tf.keras.layers.GlobalMaxPooling2D(dtype="float32", name="base_peak")(base_heatmaps)
    columns = [
        tf.keras.layers.Reshape((joints, 1), dtype="float32", name="initial_score_column")(initial_score),
        tf.keras.layers.Reshape((joints, 1), dtype="float32", name="base_peak_column")(peak),
    ]
    return tf.keras.layers.Concatenate(dtype="float32", name="score_columns")(columns)


def _node_features(pose, scores, base_heatmaps, joint_identity, candidates):
    """The nodes' (x, y, c), [B, K, 4], the score as both things it can mean; then what tells the joints apart.

    With ``candidates`` the places of the base's highest peaks, relative to the pose, and their heights come between.
    """
    joints = pose.shape[1]
    columns = [pose, scores]
    if candidates:
        points, heights = PeakCandidates(candidates, name="candidates")(base_heatmaps)
        start = tf.keras.layers.Reshape((joints, 1, 2), dtype="float32", name="candidates_origin")(pose)
        offsets = tf.keras.layers.Subtract(dtype="float32", name="candidates_offset")([points, start])
        columns.append(tf.keras.layers.Reshape((joints, -1), dtype="float32", name="candidates_row")(offsets))
        columns.append(heights)
    features = tf.keras.layers.Concatenate(dtype="float32", name="node_features")(columns)
    return JointIdentity(joints, dtype="float32", name="joint_identity")(features) if joint_identity else features


def _maps_of_block(maps, block, image_guided, progressive, multi_scale):
    """The feature maps that block 1, 2 or 3 samples."""
    if not image_guided:
        return []
    if not multi_scale:
        return maps[-1:]
    return maps[block - 1 : block] if progressive else maps

"""CoupleGraph (paper 3.2, supplement 1): OPEC-Net's refinement once more, on the joints of two people."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from opec_tf.config import ModelConfig
from opec_tf.layers.graph import JointIdentity
from opec_tf.layers.heatmap import PeakCandidates
from opec_tf.layers.pair import ChangeFrame, PairFrame, PairSampling, ReturnToCrop, WithPartner
from opec_tf.layers.pair_choice import PairChoice
from opec_tf.layers.second_look import DrawnPose, PartnerInCrop
from opec_tf.models.networks import CoupleNet, OpecNet, output
from opec_tf.models.output_names import (
    ALTERNATIVES_OUTPUT,
    COUPLE_OUTPUTS,
    MAPS,
    PAIR_LOGITS_OUTPUT,
    SECOND_HEATMAPS_OUTPUT,
    SECOND_LOOK_OUTPUTS,
)
from opec_tf.models.refinement import progressive_refinement, score_columns
from opec_tf.poses import skeletons

Tensors = dict[str, tf.Tensor]


class _Pair(NamedTuple):
    """Who is whose partner (int [B], -1: nobody's), and the affines to the frame of both crops and back, see
    ``PairFrame``."""

    crop_to_image: tf.Tensor
    partner: tf.Tensor
    to_pair: tf.Tensor
    to_crops: tf.Tensor


def couple_net(opec: OpecNet, config: ModelConfig) -> CoupleNet:
    """Builds the CoupleGraph behind OPEC-Net.

    OPEC-Net runs once for every person of the batch. Then every person has a graph of 2K joints, the own and the
    partner's, in the frame that the two crops share; what the graph says of the own joints is the person's pose.
    Nothing in it tells the two people apart, so two who are each other's partners have graphs that agree.

    Args:
      opec: it becomes the new model's layer "opec_net", weights and all. Block i samples the maps of its block i.
      config: of the joints, the graph, and what the couple's last pose is chosen from.

    Returns:
      ``CoupleNet``. Its model goes from a dict of crops [B, H, W, 3] (RGB, 0..255), crop_to_image [B, 2, 3] (the crops'
      affines to image pixels), partner int32 [B] (each person's partner's row, -1 for none) and what else OPEC-Net
      takes to OPEC-Net's outputs and couple_pose_1, couple_pose_2, couple_pose_3, float32 [B, K, 2], (x, y),
      normalised, each person in the own crop. Without a partner they equal pose_3. OPEC-Net's visibility is the
      couple's too: its node features are among the graph's.
      With candidates couple_pose_3 is one of couple_alternatives [B, K, A, 2], that of the likeliest pair by
      couple_pair_logits [B, K, A, A] (own alternative, partner's); both are for the flip test.
    """
    # OPEC-Net, with what it goes on from: its last pose and its score, heatmaps, maps and node features.
    inputs, layer, outputs, seen, look = _within(opec)
    # Both people's joints in one frame.
    pair = _pair(config.crop_size)
    start = _in_pair(look["final"], pair, "both_poses", "pose_in_pair")
    # A second look: OPEC-Net again, at maps into which it is drawn where it has found the partner.
    if config.second_look:
        look = opec.behind_base()(_with_partner_drawn(seen, start, pair))
        second = dict(zip(SECOND_LOOK_OUTPUTS, (look["initial"], look["final"])))
        second[SECOND_HEATMAPS_OUTPUT] = look["heatmaps"]
        outputs.update({name: output(name)(value) for name, value in second.items()})
        start = _in_pair(look["final"], pair, "both_second_poses", "second_pose_in_pair")

    # Nodes: place in the pair's frame, what OPEC-Net knows of the joint, and where else its heatmap has a peak.
    scores = score_columns(look["score"], outputs["base_heatmaps"])
    columns = [start, _both_known(scores, look["features"], pair)]
    if config.couple_candidates:
        # The adapted heatmaps have a loss of their own, and so peaks to choose from, only where they have a radius.
        heatmaps = look["heatmaps"] if config.integral_radius else outputs["base_heatmaps"]
        points, heights = _both_candidates(heatmaps, pair, config)
        columns += [_offsets(points, start), heights]
    nodes = tf.keras.layers.Concatenate(dtype="float32", name="couple_features")(columns)
    if config.joint_identity:
        nodes = JointIdentity(look["final"].shape[1], dtype="float32", name="couple_joint_identity")(nodes)

    # Image-Guided Progressive GCN on the couple's graph; image features are excavated in each person's own crop.
    def excavate(block: int, pose_in_pair: tf.Tensor) -> list[tf.Tensor]:
        in_crops = ChangeFrame(name=f"pose_in_crops_{block}")([pose_in_pair, pair.to_crops])
        return [
            PairSampling(name=f"couple_joint_features_{block}_{index}")([feature_map, in_crops, pair.partner])
            for index, feature_map in enumerate(look["maps"][block - 1], start=1)
        ]

    adjacency = skeletons.SKELETONS[config.skeleton].couple_adjacency
    poses, features = progressive_refinement(
        start, nodes, excavate, adjacency=adjacency, graph=config, bodies=2, prefix="couple_"
    )

    # Two people in one crop leave a peak each in its heatmaps: they choose together, so that not both take the same.
    moved = dict(zip(COUPLE_OUTPUTS, poses))
    if config.couple_candidates:
        choice = PairChoice(name="pair_choice")([poses[-1], points, heights, features])
        moved[COUPLE_OUTPUTS[-1]], moved[ALTERNATIVES_OUTPUT], logits = choice
        outputs[PAIR_LOGITS_OUTPUT] = output(PAIR_LOGITS_OUTPUT)(logits)
    # Back to each person's crop.
    for name, in_pair in moved.items():
        outputs[name] = ReturnToCrop(name=name)([look["final"], start, in_pair, pair.to_crops, pair.partner])
    inputs.update(crop_to_image=pair.crop_to_image, partner=pair.partner)
    model = tf.keras.Model(inputs, outputs, name="couple_net")
    return CoupleNet(model, opec._replace(model=layer), tuple(outputs[name] for name in COUPLE_OUTPUTS))


def _within(opec: OpecNet) -> tuple[Tensors, tf.keras.Model, Tensors, Tensors, dict[str, Any]]:
    """OPEC-Net as a layer: (inputs, the layer, outputs, what it sees of the base, what the graph goes on from)."""
    # Its own model does not give the last two, since they would be copied from the device whenever it predicts.
    layer = tf.keras.Model(opec.model.input, (opec.model.output, opec.seen, opec.look), name="opec_net")
    takes_more = isinstance(opec.model.input_shape, dict)
    shapes = opec.model.input_shape if takes_more else {"crops": opec.model.input_shape}
    inputs = {name: tf.keras.Input(shape[1:], name=name) for name, shape in shapes.items()}
    outputs, seen, look = layer(inputs if takes_more else inputs["crops"])
    return inputs, layer, {name: output(name)(value) for name, value in outputs.items()}, seen, look


def _with_partner_drawn(seen: Tensors, poses: tf.Tensor, pair: _Pair) -> Tensors:
    """What is seen of the base, with the partner's joints drawn into its maps; poses are both people's [B, 2K, 2]."""
    partners = PartnerInCrop(name="partner_in_crop")([poses, pair.to_crops])
    drawn = {name: DrawnPose(name=f"partner_in_{name}")([seen[name], partners, pair.partner]) for name in MAPS}
    return {**seen, **drawn}


def _pair(crop_size: tuple[int, int]) -> _Pair:
    """The inputs that say who belongs to whom and where they are, and what follows from them."""
    crop_to_image = tf.keras.Input((2, 3), name="crop_to_image")
    partner = tf.keras.Input((), dtype="int32", name="partner")
    return _Pair(crop_to_image, partner, *PairFrame(crop_size, name="pair_frame")([crop_to_image, partner]))


def _in_pair(pose: tf.Tensor, pair: _Pair, both: str, in_pair: str) -> tf.Tensor:
    """Each person's pose [B, K, 2] -> both people's [B, 2K, 2] in the pair's frame; the last are the layers' names."""
    both_poses = WithPartner(dtype="float32", name=both)([pose, pair.partner])
    return ChangeFrame(name=in_pair)([both_poses, pair.to_pair])


def _both_known(scores: tf.Tensor, features: tf.Tensor, pair: _Pair) -> tf.Tensor:
    """What OPEC-Net knows of both people's joints, [B, 2K, 2 + C]: its scores c and its last features.

    These start as vectors of length 1, as the joint's identity is: at their full length the first steps of Adam would
    throw the poses out of the crop.
    """
    features = tf.keras.layers.LayerNormalization(
        gamma_initializer=tf.keras.initializers.Constant(features.shape[-1] ** -0.5),
        dtype="float32",
        name="couple_opec_features",
    )(features)
    features = tf.keras.layers.Concatenate(dtype="float32", name="own_features")([scores, features])
    return WithPartner(dtype="float32", name="both_features")([features, pair.partner])


def _both_candidates(heatmaps: tf.Tensor, pair: _Pair, config: ModelConfig) -> tuple[tf.Tensor, tf.Tensor]:
    """Both people's M highest peaks: points [B, 2K, M, 2] in the pair's frame and heights [B, 2K, M]."""
    count, joints = config.couple_candidates, heatmaps.shape[-1]
    candidates = PeakCandidates(count, smoothing=config.couple_smoothing, name="couple_peaks")
    points, heights = candidates(heatmaps)
    rows = tf.keras.layers.Reshape((joints, 2 * count), dtype="float32", name="candidate_rows")(points)
    both = WithPartner(dtype="float32", name="both_candidates")([rows, pair.partner])
    both = tf.keras.layers.Reshape((2 * joints * count, 2), dtype="float32", name="candidate_points")(both)
    both = ChangeFrame(name="candidates_in_pair")([both, pair.to_pair])
    both = tf.keras.layers.Reshape((2 * joints, count, 2), dtype="float32", name="pair_candidates")(both)
    return both, WithPartner(dtype="float32", name="both_heights")([heights, pair.partner])


def _offsets(points: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    """Places of the candidates [B, J, M, 2] relative to the joints [B, J, 2] they belong to, [B, J, 2M]."""
    joints, count = points.shape[1:3]
    origin = tf.keras.layers.Reshape((joints, 1, 2), dtype="float32", name="candidates_origin")(start)
    offsets = tf.keras.layers.Subtract(dtype="float32", name="candidates_offset")([points, origin])
    return tf.keras.layers.Reshape((joints, 2 * count), dtype="float32", name="candidates_offsets")(offsets)

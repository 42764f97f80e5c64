"""CoupleGraph (paper 3.2, supplement 1): OPEC-Net's refinement once more, on the joints of two people."""

import tensorflow as tf

from opec_tf.layers.body_context import BodyContext
from opec_tf.layers.graph import JointIdentity
from opec_tf.layers.heatmap import PeakCandidates
from opec_tf.layers.pair import ChangeFrame, PairFrame, PairSampling, ReturnToCrop, WithPartner
from opec_tf.layers.pair_choice import PairChoice
from opec_tf.models.opec_net import VISIBILITY_OUTPUT, score_columns
from opec_tf.models.refinement import NUM_BLOCKS, progressive_refinement

# The layer that gives the pose which the graph starts from, where a context does.
CONTEXT_LAYER = "couple_context"
COUPLE_OUTPUTS = tuple(f"couple_pose_{block}" for block in range(1, NUM_BLOCKS + 1))


def couple_net(
    opec_net,
    *,
    adjacency,
    graph_channels=128,
    block_channels=256,
    graph_convolution="semantic",
    graph_normalization=False,
    joint_attention=True,
    sample_at="latest",
    displacement=True,
    joint_identity=True,
    couple_candidates=4,
    couple_context=False,
    flip_order=None,
):
    """Builds the CoupleGraph behind OPEC-Net.

    OPEC-Net runs once for every person of the batch. Then every person has a graph of 2K joints, the own and the
    partner's, in the frame that the two crops share; what the graph says of the own joints is the person's pose.
    Nothing in it tells the two people apart, so two who are each other's partners have graphs that agree.

    Args:
      opec_net: model made by ``opec_net``; it becomes the new model's layer "opec_net", weights and all. Block i of the
        CoupleGraph samples the maps that its block i samples.
      adjacency: [2K, 2K], non-zero where two joints are neighbours in or between the bodies.
      graph_channels, block_channels, graph_convolution, graph_normalization, joint_attention, displacement: see
        ``progressive_refinement``.
      sample_at: "latest": block i samples at the pose of block i - 1; "initial": all sample at OPEC-Net's pose.
      joint_identity: nodes know which joint they are, see ``JointIdentity``.
      couple_candidates: M, the highest peaks of each base heatmap that the last pose may choose instead of the refined
        joint, see ``PairChoice``; 0: it is the refined joint.
      couple_context: the graph starts from where all joints of both people tell each to be, see ``BodyContext``.
      flip_order: [K], for it, the row of each joint's counterpart on the other side of the body.

    Returns:
      A model from a dict of crops [B, H, W, 3] (RGB, 0..255), crop_to_image [B, 2, 3] (the crops' affines to image
      pixels), partner int32 [B] (each person's partner's row, -1 for none) and what else OPEC-Net takes to OPEC-Net's
      outputs and couple_pose_1, couple_pose_2, couple_pose_3, float32 [B, K, 2], (x, y), normalised, each person in the
      own crop. Without a partner they equal pose_3. OPEC-Net's visibility is the couple's too: its node features
      are among the graph's.
    """
    # OPEC-Net's inputs: crops, and where it refines a given pose that.
    shapes = opec_net.input_shape if isinstance(opec_net.input_shape, dict) else {"crops": opec_net.input_shape}
    opec_inputs = {name: tf.keras.Input(shape[1:], name=name) for name, shape in shapes.items()}
    crop_size, joints = shapes["crops"][1:3], len(adjacency) // 2
    crop_to_image = tf.keras.Input((2, 3), name="crop_to_image")
    partner = tf.keras.Input((), dtype="int32", name="partner")

    # OPEC-Net, with the maps that its blocks sample and its nodes' last features.
    of_opec_net = _with_inner_tensors(opec_net)
    outputs, maps, features = of_opec_net(opec_inputs if len(opec_inputs) > 1 else opec_inputs["crops"])
    outputs = {name: _output(name)(value) for name, value in outputs.items()}
    pose = outputs["pose_3"]

    # Both people's joints in one frame.
    to_pair, to_crops = PairFrame(crop_size, name="pair_frame")([crop_to_image, partner])
    both_poses = WithPartner(dtype="float32", name="both_poses")([pose, partner])
    start = ChangeFrame(name="pose_in_pair")([both_poses, to_pair])

    # What all joints of both people tell of each, before the graph passes on from neighbour to neighbour what the image
    # shows at them.
    scores = score_columns(outputs["initial_score"], outputs["base_heatmaps"])
    if couple_context:
        both_known = WithPartner(dtype="float32", name="both_known")([_known(outputs, scores), partner])
        told = BodyContext(flip_order, name="couple_body_context")([start, both_known])
        pose = ReturnToCrop(name=CONTEXT_LAYER)([pose, start, told, to_crops, partner])
        both_poses = WithPartner(dtype="float32", name="both_told_poses")([pose, partner])
        start = ChangeFrame(name="told_pose_in_pair")([both_poses, to_pair])

    # Nodes: place in the pair's frame, and what OPEC-Net knows of the joint: its scores c, its last features. These
    # start as vectors of length 1, as the joint's identity is: at their full length the first steps of Adam would
    # throw the poses out of the crop.
    features = tf.keras.layers.LayerNormalization(
        gamma_initializer=tf.keras.initializers.Constant(features.shape[-1] ** -0.5),
        dtype="float32",
        name="couple_opec_features",
    )(features)
    own_features = tf.keras.layers.Concatenate(dtype="float32", name="own_features")([scores, features])
    both_features = WithPartner(dtype="float32", name="both_features")([own_features, partner])
    columns = [start, both_features]
    if couple_candidates:
        points, heights = PeakCandidates(couple_candidates, name="couple_peaks")(outputs["base_heatmaps"])
        points, heights = _both_candidates(points, heights, partner, to_pair)
        columns += [_offsets(points, start), heights]
    nodes = tf.keras.layers.Concatenate(dtype="float32", name="couple_features")(columns)
    if joint_identity:
        nodes = JointIdentity(joints, dtype="float32", name="couple_joint_identity")(nodes)

    # Image features are excavated in each person's own crop.
    def excavate(block, pose_in_pair):
        sampled_at = pose_in_pair if sample_at == "latest" else start
        in_crops = ChangeFrame(name=f"pose_in_crops_{block}")([sampled_at, to_crops])
        return [
            PairSampling(name=f"couple_joint_features_{block}_{index}")([feature_map, in_crops, partner])
            for index, feature_map in enumerate(maps[block - 1], start=1)
        ]

    # Image-Guided Progressive GCN on the couple's graph.
    poses, features = progressive_refinement(
        start,
        nodes,
        excavate,
        adjacency=adjacency,
        graph_channels=graph_channels,
        block_channels=block_channels,
        graph_convolution=graph_convolution,
        graph_normalization=graph_normalization,
        joint_attention=joint_attention,
        displacement=displacement,
        bodies=2,
        prefix="couple_",
    )

    # Two people in one crop leave a peak each in its heatmaps: they choose together, so that not both take the same.
    if couple_candidates:
        poses[-1] = PairChoice(name="pair_choice")([poses[-1], points, heights, features])

    # Back to each person's crop.
    for name, moved in zip(COUPLE_OUTPUTS, poses):
        outputs[name] = ReturnToCrop(name=name)([pose, start, moved, to_crops, partner])
    inputs = {**opec_inputs, "crop_to_image": crop_to_image, "partner": partner}
    return tf.keras.Model(inputs, outputs, name="couple_net")


def _with_inner_tensors(opec_net):
    """OPEC-Net as a model "opec_net" that also gives the maps each of its blocks samples and its last features.

    Its own model does not, since what a model gives is copied from the device whenever it predicts.
    """
    maps = [
        [layer.input[0] for layer in opec_net.layers if layer.name.startswith(f"joint_features_{block}_")]
        for block in range(1, NUM_BLOCKS + 1)
    ]
    features = opec_net.get_layer(f"residual_graph_block_{NUM_BLOCKS}").output
    return tf.keras.Model(opec_net.input, (opec_net.output, maps, features), name="opec_net")


def _known(outputs, scores):
    """What OPEC-Net says of each joint beside its place: scores c and probabilities of visibility, [B, K, 2 or 5]."""
    if VISIBILITY_OUTPUT not in outputs:
        return scores
    visibility = tf.keras.layers.Softmax(dtype="float32", name="visibility_probabilities")(outputs[VISIBILITY_OUTPUT])
    return tf.keras.layers.Concatenate(dtype="float32", name="known")([scores, visibility])


def _both_candidates(points, heights, partner, to_pair):
    """Candidates of each person, points [B, K, M, 2] in the own crop and heights [B, K, M] -> those of both people,
    points [B, 2K, M, 2] in the pair's frame and heights [B, 2K, M]."""
    joints, count = heights.shape[1:]
    rows = tf.keras.layers.Reshape((joints, 2 * count), dtype="float32", name="candidate_rows")(points)
    both = WithPartner(dtype="float32", name="both_candidates")([rows, partner])
    both = tf.keras.layers.Reshape((2 * joints * count, 2), dtype="float32", name="candidate_points")(both)
    both = ChangeFrame(name="candidates_in_pair")([both, to_pair])
    both = tf.keras.layers.Reshape((2 * joints, count, 2), dtype="float32", name="pair_candidates")(both)
    return both, WithPartner(dtype="float32", name="both_heights")([heights, partner])


def _offsets(points, start):
    """Places of the candidates [B, J, M, 2] relative to the joints [B, J, 2] they belong to, [B, J, 2M]."""
    joints, count = points.shape[1:3]
    origin = tf.keras.layers.Reshape((joints, 1, 2), dtype="float32", name="candidates_origin")(start)
    offsets = tf.keras.layers.Subtract(dtype="float32", name="candidates_offset")([points, origin])
    return tf.keras.layers.Reshape((joints, 2 * count), dtype="float32", name="candidates_offsets")(offsets)


def _output(name):
    """Identity in float32, whose name becomes the output's name in logs and signatures."""
    return tf.keras.layers.Activation("linear", dtype="float32", name=name)

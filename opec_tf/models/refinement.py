"""The Image-Guided Progressive GCN (paper 3.2, supplement 2): what OPEC-Net and the CoupleGraph share."""

import tensorflow as tf

from opec_tf.layers.graph import GraphConv, ResidualGraphBlock

NUM_BLOCKS = 3


def progressive_refinement(
    pose,
    features,
    excavate,
    *,
    adjacency,
    graph_channels=128,
    block_channels=256,
    graph_convolution="semantic",
    graph_normalization=False,
    joint_attention=True,
    displacement=True,
    bodies=1,
    prefix="",
):
    """Two graph convolutions, then three ResGCN attention blocks, each of which gives a pose.

    Args:
      pose: [B, J, 2], the pose to start from; J joints of one person, or of a pair.
      features: [B, J, C], the nodes' features before the first graph convolution.
      excavate: function of (block number 1 to 3, pose [B, J, 2] before that block) -> list of the image features
        [B, J, *] that join the nodes' features there; empty for none.
      adjacency: [J, J], non-zero where two joints are neighbours.
      graph_channels: of the first two graph convolutions.
      block_channels: of the ResGCN attention blocks.
      graph_convolution: "gcn" or "semantic", see ``GraphConv``.
      graph_normalization: LayerNormalization in every graph convolution.
      joint_attention: self-attention at the end of each block.
      displacement: blocks add to the pose before them; otherwise each gives a pose of its own.
      bodies: people in the graph, one after the other, see ``GraphConv``.
      prefix: begins the name of every layer.

    Returns:
      ([P^1, P^2, P^3], each float32 [B, J, 2] in the frame of ``pose``; features [B, J, block_channels] of the last
      block).
    """
    for number in (1, 2):
        name = f"{prefix}graph_conv_{number}"
        features = GraphConv(
            graph_channels,
            adjacency,
            graph_convolution,
            normalization=graph_normalization,
            bodies=bodies,
            name=name,
        )(features)
    poses = []
    for block in range(1, NUM_BLOCKS + 1):
        # J^i: features of the image at the joints. Their gradient flows into the pose they are sampled at, as the
        # paper trains end to end.
        joint_features = excavate(block, pose)
        if joint_features:
            features = tf.keras.layers.Concatenate(name=f"{prefix}node_features_{block}")([features, *joint_features])
        # ResGCN attention block.
        features = ResidualGraphBlock(
            block_channels,
            adjacency,
            graph_convolution,
            joint_attention,
            graph_normalization,
            bodies,
            name=f"{prefix}residual_graph_block_{block}",
        )(features)
        # P^i: the pose before, displaced. Displacements start at zero, so that the first poses equal the initial one.
        change = tf.keras.layers.Dense(
            2,
            kernel_initializer="zeros" if displacement else "glorot_uniform",
            dtype="float32",
            name=f"{prefix}displacement_{block}",
        )(features)
        if displacement:
            change = tf.keras.layers.Add(dtype="float32", name=f"{prefix}displaced_{block}")([pose, change])
        pose = change
        poses.append(pose)
    return poses, features

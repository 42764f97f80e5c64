"""The Image-Guided Progressive GCN (paper 3.2, supplement 2): what OPEC-Net and the CoupleGraph share."""

from __future__ import annotations

from typing import Callable

import numpy as np
import tensorflow as tf

from opec_tf.config import GraphConfig
from opec_tf.layers.graph import GraphConv, ResidualGraphBlock
from opec_tf.models.output_names import NUM_BLOCKS


def progressive_refinement(
    pose: tf.Tensor,
    features: tf.Tensor,
    excavate: Callable[[int, tf.Tensor], list[tf.Tensor]],
    *,
    adjacency: np.ndarray,
    graph: GraphConfig,
    bodies: int = 1,
    prefix: str = "",
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Two graph convolutions, then three ResGCN attention blocks, each of which displaces the pose.

    Args:
      pose: [B, J, 2], the pose to start from; J joints of one person, or of a pair.
      features: [B, J, C], the nodes' features before the first graph convolution.
      excavate: function of (block number 1 to 3, pose [B, J, 2] before that block) -> the image features [B, J, *] that
        join the nodes' features there; empty for none.
      adjacency: [J, J], non-zero where two joints are neighbours.
      graph: channels and kinds of its layers.
      bodies: people in the graph, one after the other, see ``GraphConv``.
      prefix: begins the name of every layer.

    Returns:
      ([P^1, P^2, P^3], each float32 [B, J, 2] in the frame of ``pose``; features [B, J, C] of the last block).
    """
    kind = graph.graph_convolution
    for number in (1, 2):
        convolution = GraphConv(
            graph.graph_channels, adjacency, kind, bodies=bodies, name=f"{prefix}graph_conv_{number}"
        )
        features = convolution(features)
    poses = []
    for block in range(1, NUM_BLOCKS + 1):
        # J^i: features of the image at the joints. Their gradient flows into the pose they are sampled at, as the
        # paper trains end to end.
        joint_features = excavate(block, pose)
        if joint_features:
            features = tf.keras.layers.Concatenate(name=f"{prefix}node_features_{block}")([features, *joint_features])
        # ResGCN attention block.
        name = f"{prefix}residual_graph_block_{block}"
        features = ResidualGraphBlock(
            graph.block_channels, adjacency, kind, attention=graph.joint_attention, bodies=bodies, name=name
        )(features)
        # P^i: the pose before, displaced. Displacements start at zero, so that the first poses equal the initial one.
        displacement = tf.keras.layers.Dense(
            2, kernel_initializer="zeros", dtype="float32", name=f"{prefix}displacement_{block}"
        )(features)
        pose = tf.keras.layers.Add(dtype="float32", name=f"{prefix}displaced_{block}")([pose, displacement])
        poses.append(pose)
    return poses, features


def score_columns(initial_score: tf.Tensor, base_heatmaps: tf.Tensor) -> tf.Tensor:
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

"""The networks, made from a ``ModelConfig``. The builders themselves take keywords and know no config."""

import tensorflow as tf

from opec_tf.models.context_split import CONTEXT_LAYERS, split_at_context
from opec_tf.models.couple_net import COUPLE_OUTPUTS, couple_net
from opec_tf.models.opec_net import GIVEN_OUTPUT, POSE_OUTPUTS, VISIBILITY_OUTPUT, integral_net, opec_net
from opec_tf.models.pose_backbone import pose_backbone
from opec_tf.poses import skeletons

__all__ = [
    "BASE_SETTINGS",
    "CONTEXT_LAYERS",
    "COUPLE_OUTPUTS",
    "GIVEN_OUTPUT",
    "POSE_OUTPUTS",
    "VISIBILITY_OUTPUT",
    "build_base",
    "build_couple_net",
    "build_opec_net",
    "split_at_context",
]

# The fields of ``ModelConfig`` that the base module and what it is given depend on.
BASE_SETTINGS = {
    "skeleton",
    "crop_height",
    "crop_width",
    "crop_offset",
    "normalization",
    "trunk",
    "trunk_width",
    "stride_in_1x1",
    "unshuffle",
    "squeeze_excite",
    "decoder",
    "deconv_channels",
}


# AutoGraph would translate every layer's Python, which takes a good part of the time in which a network is built; no
# layer needs it, since none lets the values of tensors decide in Python. So for the training step and the input too.
@tf.autograph.experimental.do_not_convert
def build_base(config):
    """The base module alone: crops [B, H, W, 3] -> {"base_heatmaps": float32 [B, H / 4, W / 4, K]}.

    The model holds ``pose_backbone`` as its layer "base", as does ``build_opec_net``'s, so that weights pass from one
    to the other by ``get_layer("base")``.
    """
    base = _backbone(config)
    crops = tf.keras.Input((*config.crop_size, 3), name="crops")
    heatmaps = tf.keras.layers.Activation("linear", dtype="float32", name="base_heatmaps")(base(crops)["base_heatmaps"])
    return tf.keras.Model(crops, {"base_heatmaps": heatmaps}, name="base_net")


@tf.autograph.experimental.do_not_convert
def build_opec_net(config):
    """OPEC-Net with its base; see ``opec_net.opec_net`` for the outputs (``integral_net`` without refinement)."""
    if not config.refinement:
        return integral_net(_backbone(config))
    return opec_net(
        _backbone(config),
        adjacency=skeletons.SKELETONS[config.skeleton].adjacency,
        adaption_channels=config.adaption_channels,
        image_guided=config.image_guided,
        progressive=config.progressive,
        multi_scale=config.multi_scale,
        adaption=config.adaption,
        trunk_maps=config.trunk_maps,
        heatmap_from_base=config.heatmap_from_base,
        initial_pose=config.initial_pose,
        initial_pose_noise=config.initial_pose_noise,
        candidates=config.candidates,
        gate=config.gate,
        predict_visibility=config.predict_visibility,
        body_context=config.body_context,
        flip_order=skeletons.SKELETONS[config.skeleton].flip_order,
        **_graph_settings(config),
    )


@tf.autograph.experimental.do_not_convert
def build_couple_net(config):
    """The CoupleGraph with its OPEC-Net as layer "opec_net"; see ``couple_net.couple_net`` for inputs and outputs."""
    return couple_net(
        build_opec_net(config),
        adjacency=skeletons.SKELETONS[config.skeleton].couple_adjacency,
        couple_candidates=config.couple_candidates,
        couple_context=config.couple_context,
        flip_order=skeletons.SKELETONS[config.skeleton].flip_order,
        **_graph_settings(config),
    )


def _graph_settings(config):
    """What the graphs of OPEC-Net and of the CoupleGraph have in common."""
    return {
        "graph_channels": config.graph_channels,
        "block_channels": config.block_channels,
        "graph_convolution": config.graph_convolution,
        "graph_normalization": config.graph_normalization,
        "joint_attention": config.joint_attention,
        "joint_identity": config.joint_identity,
        "sample_at": config.sample_at,
        "displacement": config.displacement,
    }


def _backbone(config):
    return pose_backbone(
        crop_size=config.crop_size,
        num_joints=skeletons.SKELETONS[config.skeleton].num_joints,
        trunk=config.trunk,
        trunk_width=config.trunk_width,
        stride_in_1x1=config.stride_in_1x1,
        unshuffle=config.unshuffle,
        normalization=config.normalization,
        squeeze_excite=config.squeeze_excite,
        decoder=config.decoder,
        deconv_channels=config.deconv_channels,
    )

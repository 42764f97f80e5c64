"""MoveNet's published weights for ``models.trunks.movenet``: what each layer's weights are called in the file."""

from __future__ import annotations

import re

_BLOCK = {"expand": "expand/Conv2D", "depthwise": "depthwise/depthwise", "project": "project/Conv2D"}
# The last of a name's number in the file, by order of creation there.
_LATERALS = {"lateral5": "conv2d", "lateral4": "conv2d_1", "lateral3": "conv2d_2", "lateral2": "conv2d_3"}
_PYRAMID = {"pyramid1": "separable_conv2d", "pyramid2": "separable_conv2d_1", "pyramid3": "separable_conv2d_2"}
_HEADS = {
    "center": ("center_0", 3, 4),
    "heatmap": ("kpt_heatmap_0", 4, 5),
    "regression": ("kpt_regress_0", 5, 6),
    "offset": ("kpt_offset_0", 6, 7),
}
_FEATURES = "center_net_mobile_net_v2fpn_feature_extractor/model_1"


def tensor_names(layer: str) -> tuple[str, ...]:
    """The names in the file of a layer's weights, kernel first; () of a layer without any."""
    trunk, _, part = layer.partition("_")
    if layer in ("stem", "last"):
        scope = f"{_FEATURES}/model/{'Conv1' if layer == 'stem' else 'Conv_1'}/Conv2D"
        return f"{scope}_weights", f"{scope}_bn_offset"
    if match := re.fullmatch(r"block(\d+)_(expand|depthwise|project)", layer):
        block = "expanded_conv" if match[1] == "0" else f"block_{match[1]}"
        scope = f"{_FEATURES}/model/{block}_{_BLOCK[match[2]]}"
        return f"{scope}_weights", f"{scope}_bn_offset"
    if layer in _LATERALS:
        scope = f"{_FEATURES}/{_LATERALS[layer]}"
        return f"{scope}/Conv2D/ReadVariableOp", f"{scope}/BiasAdd/ReadVariableOp"
    if trunk in _PYRAMID and part in ("depthwise", "pointwise"):
        scope = f"{_FEATURES}/{_PYRAMID[trunk]}/separable_conv2d"
        return (f"{scope}/ReadVariableOp",) if part == "depthwise" else (f"{scope}_weights", f"{scope}_bn_offset")
    if trunk in _HEADS:
        scope, inner, outer = _HEADS[trunk]
        if not part:
            scope = f"{scope}/conv2d_{outer}"
            return f"{scope}/Conv2D/ReadVariableOp", f"{scope}/BiasAdd/ReadVariableOp"
        scope = f"{scope}/separable_conv2d_{inner}"
        if part == "conv_depthwise":
            return (f"{scope}/separable_conv2d/ReadVariableOp",)
        if part == "conv_pointwise":
            return f"{scope}/separable_conv2d/ReadVariableOp_1", f"{scope}/BiasAdd/ReadVariableOp"
    return ()

"""The order of channels around a pixel shuffle, which PyTorch and TensorFlow have differently.

What feeds a shuffle has its channels permuted (for the first shuffle the whole residual stream of stage 4: the ends of
its branches, its shortcut and gate, and the entries that read it); what reads an unshuffle has its inputs permuted.
"""

from __future__ import annotations

import re

import numpy as np

from opec_tf.common.errors import UserError
from opec_tf.models.pose_backbone import DUC421_CONVOLUTIONS
from opec_tf.weights.recognition import Source


def shuffle_order(channels: int) -> np.ndarray:
    """Which channel of PyTorch's order each channel before a ``PixelShuffle`` here is; int [channels].

    PyTorch's channel 4 c + i goes to channel c of cell i of the four; TensorFlow's channel i C + c does. It is the same
    after a ``PixelUnshuffle``.
    """
    return np.arange(channels).reshape(-1, 4).T.ravel()


def permute_for_shuffles(tensors: dict[str, np.ndarray], source: Source, basic: bool) -> None:
    """Permutes, in place, the channels that the three pixel shuffles read."""
    last = 2 if basic else 3
    _permute(tensors, source, rf"layer4\.\d+\.(conv{last}|bn{last}|se\.fc\.2)\.|layer4\.0\.downsample\.", 0)
    _permute(tensors, source, r"layer4\.(?!0\.)\d+\.conv1\.weight|layer4\.\d+\.se\.fc\.0\.weight", 1)
    _permute(tensors, source, r"duc[12]\.(conv|bn)\.", 0)
    # Of duc421's stages only the last convolution feeds the next one's shuffle.
    for stage, count in enumerate(DUC421_CONVOLUTIONS[:2], start=1):
        _permute(tensors, source, rf"duc{stage}\.({3 * count - 2}|{3 * count - 1})\.", 0)


def permute_for_unshuffles(tensors: dict[str, np.ndarray], source: Source) -> None:
    """Permutes, in place, the channels that the first 3x3 convolutions of stages 2 to 4 read off a pixel unshuffle."""
    _permute(tensors, source, r"layer[234]\.0\.conv2\.weight", 1)


def _permute(tensors: dict[str, np.ndarray], source: Source, pattern: str, axis: int) -> None:
    """Permutes, in place, an axis of the tensors whose names begin with a pattern by ``shuffle_order``."""
    for name, value in tensors.items():
        if re.match(pattern, name) and value.ndim > axis:
            if value.shape[axis] % 4:
                raise UserError(
                    f"{source.path}: {source.names[name]} has shape {list(value.shape)}: a pixel shuffle takes a "
                    "multiple of 4 channels"
                )
            tensors[name] = np.take(value, shuffle_order(value.shape[axis]), axis)

"""BatchNorm folded into the convolutions before it: the same function in fewer operations, for an exported model."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from opec_tf.layers.image import DUC, PixelShuffle

# The kernel's axis of output channels.
_OUTPUT_AXIS = {tf.keras.layers.Conv2D: -1, tf.keras.layers.Conv2DTranspose: -2}


class _DucWithoutNorm(tf.keras.layers.Layer):
    """A ``DUC`` whose convolution has a bias and no BatchNorm after it."""

    def __init__(self, duc: DUC) -> None:
        super().__init__(name=duc.name)
        config = {**duc.conv.get_config(), "use_bias": True, "activation": "relu"}
        self.conv = tf.keras.layers.Conv2D.from_config(config)
        self.shuffle = PixelShuffle(name="shuffle")

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return self.shuffle(self.conv(features))


@tf.autograph.experimental.do_not_convert
def fold_batch_norm(model: tf.keras.Model) -> tf.keras.Model:
    """A copy of a functional model, nested models included, without the BatchNorm that follows a convolution.

    In inference BatchNorm is y = s x + (beta - s mean) with s = gamma / sqrt(variance + epsilon) for each channel, so
    that the convolution before it takes s into its kernel and the rest into its bias. A BatchNorm after anything else,
    or after a convolution whose output something else reads too, stays.

    Args:
      model: Keras functional model; it is not changed.

    Returns:
      The model for inference, float32, with the same inputs and outputs.
    """
    norm_of_conv = _norms_after_convolutions(model)
    folded_norms = {norm.name for norm in norm_of_conv.values()}

    def clone(layer: tf.keras.layers.Layer) -> tf.keras.layers.Layer:
        if isinstance(layer, tf.keras.Model):
            return fold_batch_norm(layer)
        if layer.name in folded_norms:
            return tf.keras.layers.Activation("linear", name=layer.name)
        if layer.name in norm_of_conv:
            return type(layer).from_config({**layer.get_config(), "use_bias": True})
        if isinstance(layer, DUC):
            return _DucWithoutNorm(layer)
        return type(layer).from_config(layer.get_config())

    folded = tf.keras.models.clone_model(model, clone_function=clone)
    for layer in model.layers:
        copy = folded.get_layer(layer.name)
        if layer.name in norm_of_conv:
            copy.set_weights(_folded_weights(layer, norm_of_conv[layer.name]))
        elif isinstance(layer, DUC):
            copy.set_weights(_folded_weights(layer.conv, layer.norm))
        elif not isinstance(layer, tf.keras.Model) and layer.name not in folded_norms:
            copy.set_weights(layer.get_weights())
    return folded


def _norms_after_convolutions(model: tf.keras.Model) -> dict[str, tf.keras.layers.BatchNormalization]:
    """Name of a convolution -> the BatchNorm that alone reads its output."""
    found = {}
    for layer in model.layers:
        # Nodes of the layer outside this model (another model that shares it) do not count: layers here are not shared.
        readers = {node.outbound_layer for node in layer.outbound_nodes}
        if type(layer) in _OUTPUT_AXIS and len(readers) == 1 and layer.activation is tf.keras.activations.linear:
            (reader,) = readers
            if isinstance(reader, tf.keras.layers.BatchNormalization):
                found[layer.name] = reader
    return found


def _folded_weights(conv: tf.keras.layers.Layer, norm: tf.keras.layers.BatchNormalization) -> list[np.ndarray]:
    """[kernel, bias] of a convolution that does what ``conv`` and ``norm`` did; in float64 until the end."""
    scale = 1.0 / np.sqrt(norm.moving_variance.numpy().astype(np.float64) + norm.epsilon)
    if norm.scale:
        scale = scale * norm.gamma.numpy()
    bias = conv.bias.numpy() if conv.use_bias else 0.0
    bias = scale * (bias - norm.moving_mean.numpy())
    if norm.center:
        bias = bias + norm.beta.numpy()
    along_kernel = scale if _OUTPUT_AXIS[type(conv)] == -1 else scale[:, None]
    return [(conv.kernel.numpy() * along_kernel).astype(np.float32), bias.astype(np.float32)]

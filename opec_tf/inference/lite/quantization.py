"""Numbers of 8 bits for the convolutions, which are most of the work, and float32 for what places the joints.

Post-training quantization: the weights of each convolution, channel by channel, and the values between convolutions
become whole numbers, scaled by their ranges over some crops. Behind the last convolution (soft-argmax, sampling at
joints, graph convolutions, displacements) nothing is: with 8 bits over a crop 256 high a coordinate would be off by up
to half a pixel each time that it is written down.

Reference: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference"
(CVPR 2018).
"""

from __future__ import annotations

from collections.abc import Sequence

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
    calibrated = flatbuffer_utils.convert_bytearray_to_object(converter.convert())
    names = _forget_ranges(calibrated.subgraphs[0], [code.builtinCode for code in calibrated.operatorCodes])
    content = bytes(flatbuffer_utils.convert_object_to_bytearray(calibrated))
    return convert.mlir_quantize(content, denylisted_nodes=names)


def _forget_ranges(graph: schema.SubGraphT, kinds: Sequence[int]) -> list[str]:
    """Takes from a calibrated graph the ranges of all that no convolution of the network depends on.

    Names alone do not keep an operation in float32: one of several outputs has none, and what has a range is written
    down in 8 bits once even where nothing computes so.

    Args:
      graph: it is changed.
      kinds: the built-in operators that its operators' codes stand for.

    Returns:
      Names of the tensors whose ranges are gone.
    """
    needed: set[int] = set()
    forgotten = []
    # Operators lie in the order in which they run, so that backwards every reader comes before what it reads.
    for operator in reversed(graph.operators):
        outputs = [graph.tensors[index] for index in operator.outputs]
        # What a layer makes is called NETWORK/LAYER/...; the convolution that smooths heatmaps for peaks is no layer's.
        is_convolution = kinds[operator.opcodeIndex] in _CONVOLUTIONS and b"/" in outputs[0].name
        if is_convolution or needed.intersection(operator.outputs):
            needed.update(operator.inputs)
            continue
        for tensor in outputs:
            tensor.quantization = None
            forgotten.append(tensor.name.decode())
    return forgotten

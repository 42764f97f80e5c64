"""Keras without two things that no test looks at, in which it spends a third of the time of building a network.

Processes that tests start have Keras as it is.
"""

import tensorflow as tf
from keras.src.engine import functional, keras_tensor
from keras.src.utils import traceback_utils


def install():
    """Changes Keras in this process."""
    # Each call of a layer is wrapped to add its arguments to the message of an exception.
    traceback_utils.inject_argument_info_in_traceback = lambda function, object_name=None: function
    functional.Functional._infer_output_signature = _infer_output_signature


def _infer_output_signature(self, inputs, args, kwargs, input_masks):
    """What a network gives for symbolic inputs: of inputs like its own what it gave for those, where Keras would trace
    all of its layers again to find the shapes."""
    if not self._is_graph_network or not _like(inputs, self._nested_inputs):
        return tf.keras.layers.Layer._infer_output_signature(self, inputs, args, kwargs, input_masks)
    self._set_save_spec(inputs, args, kwargs)
    return tf.nest.map_structure(
        lambda output: keras_tensor.KerasTensor(tf.TensorSpec(output.shape, output.dtype)), self._nested_outputs
    )


def _like(tensors, others):
    return all(
        type(tensor) is keras_tensor.KerasTensor for tensor in tf.nest.flatten(tensors)
    ) and tf.nest.map_structure(_kind, tensors) == tf.nest.map_structure(_kind, others)


def _kind(tensor):
    return str(tensor.dtype), str(tensor.shape)

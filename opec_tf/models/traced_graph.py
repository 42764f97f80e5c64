"""A function of TensorFlow operations as a file, without its weights, which are read from where they are kept.

Reading a graph takes a fraction of the time of building a Keras network and tracing it. Weights become further inputs
of the graph, so that no weight is stored twice.

::

  FILE.zip/graph.pb     GraphDef
  FILE.zip/graph.json   "inputs", "outputs": names of its tensors; "weights": tensor -> name of the weight; "about"
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from opec_tf.common import files
from opec_tf.common.errors import UserError

_GRAPH, _NAMES = "graph.pb", "graph.json"


def write(
    function: tf.types.experimental.PolymorphicFunction,
    weights: Mapping[str, np.ndarray],
    path: os.PathLike[str] | str,
    about: object,
) -> None:
    """Writes a function of whose variables the values are kept elsewhere.

    Args:
      function: a ``tf.function`` with an input signature.
      weights: name -> values. A variable is told by its values; of weights that are alike any will do.
      path: a name that ends in ``.zip``.
      about: whatever is to be read with it, JSON.

    Raises:
      ValueError: a variable is none of the weights.
      UserError: the file cannot be written.
    """
    from tensorflow.python.framework import convert_to_constants

    concrete = function.get_concrete_function()
    variables = {id(variable.handle): variable for variable in concrete.variables}
    names = {_key(values): name for name, values in weights.items()}
    places = {}
    for outside, inside in concrete.graph.captures:
        if id(outside) in variables:
            key = _key(variables[id(outside)].numpy())
            if key not in names:
                raise ValueError(f"{variables[id(outside)].name}: is none of the weights")
            places[inside.op.name] = names[key]
    frozen, graph = convert_to_constants.convert_variables_to_constants_v2_as_graph(concrete, lower_control_flow=False)
    for node in graph.node:
        if node.name in places:
            _become_input(node)
    captured = {id(inside) for _, inside in concrete.graph.captures}
    content = {
        "inputs": [tensor.name for tensor in concrete.inputs if id(tensor) not in captured],
        "outputs": [tensor.name for tensor in frozen.outputs],
        "weights": {f"{node}:0": name for node, name in places.items()},
        "about": about,
    }
    with files.atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        # Of the same date always, so that the same function makes the same file.
        archive.writestr(_entry(_NAMES), json.dumps(content, indent=1))
        archive.writestr(_entry(_GRAPH), graph.SerializeToString(deterministic=True))


class TracedGraph:
    """A function that ``write`` has written.

    Args:
      path: the file.

    Attributes:
      about: what was written with it.

    Raises:
      UserError: the file cannot be read, or is another.
    """

    def __init__(self, path: os.PathLike[str] | str) -> None:
        try:
            with zipfile.ZipFile(path) as archive:
                self._content = json.loads(archive.read(_NAMES))
                self._graph = tf.compat.v1.GraphDef.FromString(archive.read(_GRAPH))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise UserError(f"{os.fspath(path)}: cannot be read ({error}); install or write it anew") from error
        self.about = self._content["about"]

    def function(self, weights: Mapping[str, np.ndarray]) -> Callable[..., Sequence[tf.Tensor]]:
        """The function; it takes and gives tensors, flat, in the order of what was written.

        Args:
          weights: name -> values, as those that it was written with.
        """
        places = [*self._content["inputs"], *self._content["weights"]]
        specs = {f"{node.name}:0": _spec(node) for node in self._graph.node if node.op == "Placeholder"}
        # Unlike tf.function's, its trace does not look for what must run in order: nothing here has effects.
        graph = tf.compat.v1.wrap_function(
            lambda *tensors: tf.graph_util.import_graph_def(
                self._graph, dict(zip(places, tensors)), self._content["outputs"], name=""
            ),
            [specs[place] for place in places],
        )
        values = [tf.constant(weights[name], tf.float32) for name in self._content["weights"].values()]
        return lambda *inputs: graph(*inputs, *values)


def _key(values: np.ndarray) -> tuple[tuple[int, ...], bytes]:
    values = np.asarray(values, np.float32)
    return values.shape, values.tobytes()


def _become_input(constant: tf.compat.v1.NodeDef) -> None:
    constant.op = "Placeholder"
    constant.attr["shape"].shape.CopyFrom(constant.attr["value"].tensor.tensor_shape)
    del constant.attr["value"]


def _spec(placeholder: tf.compat.v1.NodeDef) -> tf.TensorSpec:
    return tf.TensorSpec(placeholder.attr["shape"].shape, placeholder.attr["dtype"].type)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry

"""TensorFlow.js graph models as they were published, run by TensorFlow, to compare rebuilt networks with."""

import base64
import json

import numpy as np
import tensorflow as tf
from google.protobuf import json_format

from opec_tf.weights import tfjs_file

SCOPE = "StatefulPartitionedCall/"
_FUSED = {"_FusedConv2D": "Conv2D", "FusedDepthwiseConv2dNative": "DepthwiseConv2dNative"}


def run(path, placeholder, values, names):
    """What nodes of a graph model give for one input: name -> array."""
    graph = tf.Graph()
    with graph.as_default():
        part = tf.compat.v1.graph_util.extract_sub_graph(definition(path), list(names))
        tf.import_graph_def(part, name="")
        with tf.compat.v1.Session(graph=graph) as session:
            return session.run({name: f"{name}:0" for name in names}, {f"{placeholder}:0": values})


def definition(path):
    """The graph, in which operations that only TensorFlow.js has fused stand one by one."""
    tensors, graph = tfjs_file.read(path), tf.compat.v1.GraphDef()
    for node in json.loads(path.read_text())["modelTopology"]["node"]:
        if node["op"] == "Const":
            values = tensors[node["name"].removeprefix(SCOPE)]
            added = graph.node.add(op="Const", name=node["name"])
            added.attr["dtype"].type = tf.as_dtype(values.dtype).as_datatype_enum
            added.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values))
        elif node["op"] in _FUSED:
            _unfuse(node, graph)
        else:
            json_format.ParseDict(node, graph.node.add())
    return graph


def _unfuse(node, graph):
    """A convolution, then its bias and its activation."""
    following = [base64.b64decode(text).decode() for text in node["attr"]["fused_ops"]["list"]["s"]]
    steps = [_FUSED[node["op"]], *following]
    names = [*(f"{node['name']}/{step}" for step in steps[:-1]), node["name"]]
    inputs = node["input"][:2]
    for step, name in zip(steps, names):
        added = graph.node.add(op=step, name=name)
        added.input.extend([*inputs, *(node["input"][2:3] if step == "BiasAdd" else [])])
        added.attr["T"].type = tf.float32.as_datatype_enum
        if step == steps[0]:
            for key in ("strides", "padding"):
                json_format.ParseDict(node["attr"][key], added.attr[key])
        inputs = [name]


def write(folder, tensors, quantized=None):
    """Writes a graph model without a graph, of two shards; ``quantized``: tensor name -> quantization."""
    entries, raw = [], b""
    for name, values in tensors.items():
        quantization = (quantized or {}).get(name)
        entries.append({"name": SCOPE + name, "shape": list(values.shape), "dtype": "float32"})
        if quantization:
            entries[-1]["quantization"] = quantization
        raw += values.tobytes()
    (folder / "shard1.bin").write_bytes(raw[: len(raw) // 2])
    (folder / "shard2.bin").write_bytes(raw[len(raw) // 2 :])
    manifest = [{"paths": ["shard1.bin", "shard2.bin"], "weights": entries}]
    (folder / "model.json").write_text(json.dumps({"format": "graph-model", "weightsManifest": manifest}))
    return folder / "model.json"


def random_like(shapes, seed=0):
    """name -> float32 array of small random numbers."""
    random = np.random.default_rng(seed)
    return {name: random.normal(0.0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()}

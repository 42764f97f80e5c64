"""A graph without weights is the function it was written from, given these."""

import zipfile

import numpy as np
import pytest
import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.models import traced_graph
from opec_tf.models.traced_graph import TracedGraph

WEIGHTS = {"layer/kernel": np.eye(3, 2, dtype=np.float32) * [2.0, 3.0], "layer/bias": np.array([1.0, -1.0])}
POINTS = tf.constant([[1.0, 2.0, 3.0], [0.5, 0.0, -1.0]])


@pytest.fixture(scope="module")
def function():
    kernel, bias = (tf.Variable(values, dtype=tf.float32) for values in WEIGHTS.values())
    inner = tf.function(lambda x: x @ kernel + bias)  # a call of another function, as layers make it
    shift = tf.constant([0.25, 0.5])  # no weight

    def outer(x, unused):
        y = inner(x) + shift
        return y, tf.cond(tf.reduce_sum(y) > 0, lambda: y[:, 0] * 2.0, lambda: y[:, 1])

    return tf.function(outer, input_signature=[tf.TensorSpec([None, 3]), tf.TensorSpec([None], tf.int32)])


@pytest.fixture(scope="module")
def path(function, tmp_path_factory):
    path = tmp_path_factory.mktemp("traced") / "graph.zip"
    traced_graph.write(function, WEIGHTS, path, about={"poses": ["peak"]})
    return path


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_it_answers_as_the_function_does(function, path, sign):
    graph = TracedGraph(path)
    assert graph.about == {"poses": ["peak"]}
    found = graph.function(WEIGHTS)(sign * POINTS, np.array([7], np.int32))
    expected = function(sign * POINTS, np.array([7], np.int32))
    assert len(found) == len(expected) == 2
    for ours, theirs in zip(found, expected):
        np.testing.assert_array_equal(ours, theirs)


def test_the_weights_are_not_in_it(path):
    twice = {name: 2.0 * values for name, values in WEIGHTS.items()}
    (once, _), (double, _) = (TracedGraph(path).function(weights)(POINTS, []) for weights in (WEIGHTS, twice))
    np.testing.assert_allclose(double - [0.25, 0.5], 2.0 * (once - [0.25, 0.5]))
    graph = tf.compat.v1.GraphDef.FromString(zipfile.ZipFile(path).read("graph.pb"))
    assert sum(node.op == "Placeholder" for node in graph.node) == 4


def test_it_is_the_same_file_again(function, path, tmp_path):
    traced_graph.write(function, WEIGHTS, tmp_path / "again.zip", about={"poses": ["peak"]})
    assert (tmp_path / "again.zip").read_bytes() == path.read_bytes()


def test_a_variable_that_is_no_weight_is_refused(function, tmp_path):
    with pytest.raises(ValueError, match="is none of the weights"):
        traced_graph.write(function, {"layer/kernel": WEIGHTS["layer/kernel"]}, tmp_path / "graph.zip", about=None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("spoil", [lambda content: b"", lambda content: content[:-40], lambda content: content[40:]])
def test_a_damaged_file_is_one_line(path, tmp_path, spoil):
    damaged = tmp_path / "graph.zip"
    damaged.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(UserError, match=f"^{damaged}: cannot be read"):
        TracedGraph(damaged)
    with pytest.raises(UserError, match="none.zip: cannot be read"):
        TracedGraph(tmp_path / "none.zip")

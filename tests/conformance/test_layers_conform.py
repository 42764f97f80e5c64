"""What every layer must do, whatever it computes: one suite over all of them."""

import importlib
import pkgutil

import numpy as np
import pytest
import tensorflow as tf

from opec_tf import layers
from opec_tf.layers.fusion import FusionBlock
from opec_tf.layers.graph import GraphConv, JointAttention, JointIdentity, ResidualGraphBlock, SemanticConv
from opec_tf.layers.heatmap import GivenPose, PeakCandidates, SoftArgmax
from opec_tf.layers.image import (
    DUC,
    ImageNormalization,
    PixelShuffle,
    PixelUnshuffle,
    PositionEmbedding,
    SqueezeExcite,
)
from opec_tf.layers.instance import InstanceHeatmaps
from opec_tf.layers.joints import JointSampling, VisibilityHead
from opec_tf.layers.pair import ChangeFrame, PairFrame, PairSampling, ReturnToCrop, WithPartner
from opec_tf.layers.pair_choice import PairChoice
from opec_tf.layers.second_look import DrawnPose, PartnerInCrop
from opec_tf.models import workdir
from opec_tf.training import strategy as strategies

BATCH, JOINTS = 4, 3
PATH = [[1, 1, 0], [1, 1, 1], [0, 1, 1]]
MAP = (BATCH, 6, 5, 8)
NODES = (BATCH, JOINTS, 8)
POSE, POSES = (BATCH, JOINTS, 2), (BATCH, 2 * JOINTS, 2)
COUPLE = np.block([[np.array(PATH), np.eye(3)], [np.eye(3), np.array(PATH)]])
PARTNER = (BATCH,)

# Layer and the shapes of its inputs; values are drawn from -1..1. A shape without the batch stands for a graph, a
# batch without features for the rows of partners: the first two people have each other, in either replica's half too.
CASES = {
    "ChangeFrame": (ChangeFrame, [POSES, (BATCH, 2, 2, 3)]),
    "DrawnPose": (lambda: DrawnPose(4, sigma=0.2), [MAP, POSE, PARTNER]),
    "DUC": (lambda: DUC(16), [MAP]),
    "FusionBlock": (lambda: FusionBlock(4), [(BATCH, 3, 2, 6), (BATCH, 6, 4, 5)]),
    "GivenPose": (GivenPose, [POSE, POSE[:2], POSE, POSE[:2]]),
    "GraphConv gcn": (lambda: GraphConv(5, PATH), [NODES]),
    "GraphConv of two bodies": (lambda: GraphConv(5, COUPLE, "semantic", bodies=2), [(BATCH, 2 * JOINTS, 8)]),
    "GraphConv semantic": (lambda: GraphConv(5, PATH, kind="semantic", activation=None), [NODES]),
    "ImageNormalization": (lambda: ImageNormalization(mean=(0.1, 0.2, 0.3)), [(BATCH, 6, 5, 3)]),
    "InstanceHeatmaps": (InstanceHeatmaps, [(BATCH, 4, 6, JOINTS), (BATCH, 4, 6, 1), (BATCH, 4, 6, 2 * JOINTS)]),
    "JointAttention": (JointAttention, [NODES]),
    "JointIdentity": (lambda: JointIdentity(JOINTS), [NODES]),
    "JointSampling": (JointSampling, [MAP, (BATCH, JOINTS, 2)]),
    # Logits of a size at which the sine of three times them can be told to the last digits.
    "PairChoice": (
        lambda: PairChoice(initial_beta=3.0, initial_lambda=1.0, initial_radius=0.5),
        [POSES, (BATCH, 2 * JOINTS, 4, 2), (BATCH, 2 * JOINTS, 4), (BATCH, 2 * JOINTS, 8)],
    ),
    "PairFrame": (lambda: PairFrame((32, 24)), [(BATCH, 2, 3), PARTNER]),
    "PairSampling": (PairSampling, [MAP, POSES, PARTNER]),
    "PartnerInCrop": (PartnerInCrop, [POSES, (BATCH, 2, 2, 3)]),
    "PeakCandidates": (lambda: PeakCandidates(3, "none"), [MAP]),
    "PixelShuffle": (PixelShuffle, [MAP]),
    "PixelUnshuffle": (PixelUnshuffle, [(BATCH, 6, 4, 8)]),
    "PositionEmbedding": (PositionEmbedding, [MAP]),
    "ResidualGraphBlock of two bodies": (
        lambda: ResidualGraphBlock(6, COUPLE, "semantic", bodies=2),
        [(BATCH, 2 * JOINTS, 8)],
    ),
    "ResidualGraphBlock": (lambda: ResidualGraphBlock(6, PATH, graph_convolution="semantic"), [NODES]),
    "ResidualGraphBlock without attention": (lambda: ResidualGraphBlock(6, PATH, attention=False), [NODES]),
    "ReturnToCrop": (ReturnToCrop, [POSE, POSES, POSES, (BATCH, 2, 2, 3), PARTNER]),
    "ReturnToCrop of several places": (
        ReturnToCrop,
        [POSE, POSES, (BATCH, 2 * JOINTS, 3, 2), (BATCH, 2, 2, 3), PARTNER],
    ),
    "SemanticConv": (lambda: SemanticConv(5, activation="relu"), [NODES, (JOINTS, JOINTS)]),
    "SoftArgmax": (lambda: SoftArgmax(initial_beta=3.0), [MAP]),
    "SqueezeExcite": (lambda: SqueezeExcite(reduction=2), [MAP]),
    "VisibilityHead": (lambda: VisibilityHead(4), [NODES]),
    "WithPartner": (WithPartner, [NODES, PARTNER]),
}


# `make check` takes one layer, the slow tests the others.
SAMPLE = "ResidualGraphBlock"


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.slow] if name != SAMPLE else []) for name in CASES])
def case(request):
    """(function that makes the layer, its inputs as arrays)."""
    make, shapes = CASES[request.param]
    generator = np.random.default_rng(3)

    def values(shape):
        if shape == PARTNER:
            return np.array([1, 0, -1, -1], np.int32)
        return np.array(PATH, np.float32) if shape[0] != BATCH else generator.uniform(-1, 1, shape).astype(np.float32)

    return make, [values(shape) for shape in shapes]


def apply(layer, inputs):
    """Output tensors as a list."""
    return tf.nest.flatten(layer(inputs if len(inputs) > 1 else inputs[0]))


def made(make, inputs):
    """A layer whose weights that start at zero, and would hide what they multiply, are random."""
    layer = make()
    apply(layer, inputs)
    generator = np.random.default_rng(6)
    layer.set_weights(
        [weight if np.any(weight) else generator.uniform(-0.5, 0.5, weight.shape) for weight in layer.get_weights()]
    )
    return layer


def test_every_layer_is_here():
    classes = set()
    for module in pkgutil.iter_modules(layers.__path__):
        for value in vars(importlib.import_module(f"opec_tf.layers.{module.name}")).values():
            if isinstance(value, type) and value.__module__.startswith("opec_tf.layers"):
                classes.add(value.__name__)
    assert classes == {name.split()[0] for name in CASES}


def test_eager_graph_and_xla_agree(case):
    make, arrays = case
    layer, inputs = made(make, arrays), [tf.constant(array) for array in arrays]

    def outputs_and_gradients(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = apply(layer, list(inputs))
            total = tf.add_n([tf.reduce_sum(tf.sin(3.0 * output)) for output in outputs])
        gradients = tape.gradient(total, [*inputs, *layer.trainable_variables], unconnected_gradients="zero")
        return outputs + gradients

    eager = outputs_and_gradients(*inputs)
    for jit_compile in (False, True):
        compiled = tf.function(outputs_and_gradients, jit_compile=jit_compile, autograph=False)(*inputs)
        for expected, actual in zip(eager, compiled):
            np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=2e-5)


def test_config_round_trip(case):
    make, inputs = case
    layer = made(make, inputs)
    expected = apply(layer, inputs)
    assert tf.keras.utils.get_registered_name(type(layer)) == f"opec_tf>{type(layer).__name__}"
    copy = tf.keras.layers.deserialize(tf.keras.layers.serialize(layer))
    assert copy.get_config() == layer.get_config()
    apply(copy, inputs)
    # A name of its own for each weight, so that optimizers can tell kernels from the rest.
    assert len({weight.name for weight in layer.weights}) == len(layer.weights) == len(copy.weights)
    copy.set_weights(layer.get_weights())
    for first, second in zip(expected, apply(copy, inputs)):
        np.testing.assert_array_equal(first, second)


@tf.autograph.experimental.do_not_convert
def model_of(layer, arrays):
    """A model of this layer alone."""
    symbols = [
        tf.keras.Input(batch_shape=(None if len(array) == BATCH else len(array), *array.shape[1:]), dtype=array.dtype)
        for array in arrays
    ]
    return tf.keras.Model(symbols if len(symbols) > 1 else symbols[0], apply(layer, symbols))


def test_weights_file_round_trip(case, tmp_path):
    make, arrays = case
    model, copy = model_of(make(), arrays), model_of(make(), arrays)
    generator = np.random.default_rng(4)
    expected = [generator.uniform(-1, 1, weight.shape).astype(np.float32) for weight in model.get_weights()]
    model.set_weights(expected)
    workdir.save_weights(model, tmp_path / "layer.weights.h5")
    workdir.load_weights(copy, tmp_path / "layer.weights.h5")
    for first, second in zip(expected, copy.get_weights()):
        np.testing.assert_array_equal(first, second)


def test_saved_model_round_trip(case, tmp_path):
    make, arrays = case
    model = model_of(made(make, arrays), arrays)
    expected = tf.nest.flatten(model(arrays))
    tf.autograph.experimental.do_not_convert(tf.saved_model.save)(model, str(tmp_path / "model"))
    restored = tf.saved_model.load(str(tmp_path / "model"))
    structure = [tf.constant(array) for array in arrays] if len(arrays) > 1 else tf.constant(arrays[0])
    for first, second in zip(expected, tf.nest.flatten(restored(structure))):
        np.testing.assert_allclose(second, first, rtol=1e-5, atol=1e-6)


def test_two_replicas_add_up_to_one(case):
    make, arrays = case
    strategy = strategies.make("mirrored")
    with strategy.scope():
        layer = made(make, arrays)

    @tf.function(autograph=False)
    def outputs_and_gradients(*inputs):
        with tf.GradientTape() as tape:
            outputs = apply(layer, list(inputs))
            total = tf.add_n([tf.reduce_sum(tf.square(output)) for output in outputs])
        variables = layer.trainable_variables
        return outputs, tape.gradient(total, variables, unconnected_gradients="zero") if variables else []

    def of_replica(context):
        half = slice(2 * context.replica_id_in_sync_group, 2 * context.replica_id_in_sync_group + 2)
        return [tf.constant(array[half] if len(array) == BATCH else array) for array in arrays]

    shards = [
        strategy.experimental_distribute_values_from_function(lambda context, i=i: of_replica(context)[i])
        for i in range(len(arrays))
    ]
    outputs, gradients = strategy.run(outputs_and_gradients, args=tuple(shards))
    expected_outputs, expected_gradients = outputs_and_gradients(*map(tf.constant, arrays))
    for expected, output in zip(expected_outputs, outputs):
        joined = tf.concat(strategy.experimental_local_results(output), axis=0)
        np.testing.assert_allclose(joined, expected, rtol=1e-4, atol=1e-5)
    for expected, gradient in zip(expected_gradients, gradients):
        np.testing.assert_allclose(sum(strategy.experimental_local_results(gradient)), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_is_finite_and_close(case, precision):
    make, inputs = case

    @tf.function(jit_compile=True, autograph=False)
    def outputs_and_gradients(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = apply(half, list(inputs))
            total = tf.add_n([tf.reduce_sum(tf.cast(output, tf.float32)) for output in outputs])
        return outputs, tape.gradient(total, [*inputs, *half.trainable_variables], unconnected_gradients="zero")

    layer = made(make, inputs)
    expected = apply(layer, inputs)
    tf.keras.mixed_precision.set_global_policy(precision)
    try:
        half = make()
        apply(half, inputs)
        half.set_weights(layer.get_weights())
        outputs, gradients = outputs_and_gradients(*map(tf.constant, inputs))
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    for first, second in zip(expected, outputs):
        scale = np.abs(first).max()
        np.testing.assert_allclose(tf.cast(second, tf.float32), first, atol=0.02 * scale)
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    assert all(weight.dtype == tf.float32 for weight in half.weights)

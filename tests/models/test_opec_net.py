import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf

from opec_tf.config import ModelConfig
from opec_tf.models import builders, output_names
from opec_tf.poses import gaussians, geometry
from opec_tf.training import losses, stages
from opec_tf.training.optimizer import AdamWithFactors

pytestmark = pytest.mark.slow

SMALL = ModelConfig(
    crop_height=64,
    crop_width=64,
    trunk="resnet10",
    trunk_width=8,
    adaption_channels=(16, 12, 8),
    graph_channels=16,
    block_channels=24,
)
LOSSES = {"base_heatmaps": losses.HeatmapLoss(), **{name: losses.PoseLoss() for name in output_names.POSE_OUTPUTS}}


def build(**changes):
    """The small model with fields of its config changed."""
    return builders.build_opec_net(dataclasses.replace(SMALL, **changes))


# The same model for all tests that do not train it.
shared = functools.cache(build)


def sampled_channels(model):
    """For each block the channels of the maps it samples."""
    found = {}
    for layer in model.layers:
        if layer.name.startswith("joint_features_"):
            found.setdefault(int(layer.name.split("_")[2]), []).append(layer.output_shape[-1])
    return [found.get(block, []) for block in (1, 2, 3)]


def random_batch(size=4, seed=0):
    generator = np.random.default_rng(seed)
    crops = generator.uniform(0, 255, (size, 64, 64, 3)).astype(np.float32)
    places, visibility = generator.uniform(-0.7, 0.7, (size, 12, 2)), generator.integers(-1, 3, (size, 12, 1))
    joints = np.concatenate([places, np.ones((size, 12, 1)), visibility], axis=-1)
    return tf.constant(crops), tf.constant(joints, tf.float32)


def train_step(model, optimizer, crops, joints):
    """One step on eq. 3 with the heatmap loss and, where the model predicts it, visibility's; returns the gradients."""
    chosen = {**LOSSES, "visibility": losses.VisibilityLoss()} if "visibility" in model.output else LOSSES
    with tf.GradientTape() as tape:
        outputs = model(crops, training=True)
        total = tf.add_n([loss(joints, outputs[name]) for name, loss in chosen.items()])
    gradients = tape.gradient(total, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return gradients


def test_outputs():
    model = builders.build_opec_net(dataclasses.replace(SMALL, skeleton="crowdpose14"))
    outputs = model(random_batch(2)[0])
    expected = dict.fromkeys(output_names.POSE_OUTPUTS, (2, 14, 2))
    expected.update(base_heatmaps=(2, 16, 16, 14), heatmaps=(2, 16, 16, 14), initial_score=(2, 14))
    expected.update(visibility=(2, 14, 3))
    assert {name: tuple(value.shape) for name, value in outputs.items()} == expected
    assert all(value.dtype == tf.float32 for value in outputs.values())
    assert sorted(model.output_names) == sorted(expected)


def test_training_starts_from_what_the_base_knows():
    """Zero heatmap correction and zero displacements: every pose is the soft-argmax of the base's heatmaps."""
    outputs = shared()(random_batch()[0])
    np.testing.assert_array_equal(outputs["heatmaps"], outputs["base_heatmaps"])
    for name in output_names.POSE_OUTPUTS[1:]:
        np.testing.assert_array_equal(outputs[name], outputs["initial_pose"])


def test_a_trained_bases_peak_is_the_initial_pose():
    """Heatmaps as the base is trained to give them, fed in place of the base's."""
    joints = tf.constant([[[0.3, -0.2]] * 6 + [[-0.41, 0.37]] * 6])
    model = build(crop_height=128, crop_width=96)
    adapted = model.get_layer("heatmap_conv").input
    head = tf.keras.Model([model.get_layer("base_heatmaps").output, adapted], model.get_layer("initial_pose").output)
    # The correction is zero whatever the adapted features are.
    poses = head([gaussians.heatmaps(joints, (32, 24), sigma=2.0), tf.ones((1, *adapted.shape[1:]))])
    error = geometry.denormalize(poses, (32, 24)) - geometry.denormalize(joints, (32, 24))
    assert np.abs(error).max() < 0.06


@pytest.mark.parametrize(
    "changes, channels",
    [
        ({}, [[16], [12], [8]]),
        ({"image_guided": False}, [[], [], []]),
        ({"progressive": False}, [[16, 12, 8]] * 3),
        ({"multi_scale": False}, [[8], [8], [8]]),
        ({"adaption": "none"}, [[16], [8], [4]]),
        ({"adaption": "conv"}, [[16], [12], [8]]),
    ],
    ids=["full", "a", "b", "c", "d", "e"],
)
def test_rows_of_table_6(changes, channels):
    model = shared(**changes)
    assert sampled_channels(model) == channels
    names = [layer.name for layer in model.layers]
    assert ("fusion_3" in names) == (changes.get("adaption", "fusion") == "fusion")
    assert np.all(np.isfinite(model(random_batch()[0])["pose_3"]))


def test_blocks_sample_at_the_pose_before_them():
    """Block 2 samples F^2 at pose 1, which moves with the first displacement."""
    net = builders.opec_network(SMALL)
    features = tf.keras.Model(net.model.input, net.model.get_layer("joint_features_2_1").output)
    crops = random_batch()[0]
    before = features(crops)
    displacement = net.model.get_layer("displacement_1")
    displacement.set_weights([displacement.get_weights()[0], np.array([0.3, -0.2])])
    assert np.abs(features(crops) - before).max() > 1e-4


def test_named_parts_are_those_of_the_model():
    net = builders.opec_network(SMALL)
    assert net.base is net.model.get_layer("base") and net.visibility_head is net.model.get_layer("visibility")
    assert [[feature_map.shape[-1] for feature_map in block] for block in net.maps] == [[16], [12], [8]]
    parts = {"heatmaps": net.heatmaps, **dict(zip(output_names.POSE_OUTPUTS, net.poses)), "features": net.features}
    crops = random_batch(2)[0]
    found, outputs = tf.keras.Model(net.model.input, parts)(crops), net.model(crops)
    assert found.pop("features").shape == (2, 12, 24)
    for name, value in found.items():
        np.testing.assert_array_equal(value, outputs[name])
    control = builders.opec_network(dataclasses.replace(SMALL, refinement=False))
    assert len(control.poses) == 1 and control.features is None


def test_without_a_graph_the_initial_pose_of_the_adapted_maps_is_the_last():
    net = builders.opec_network(dataclasses.replace(SMALL, graph_convolution="none"))
    assert set(net.model.output_names) == {"base_heatmaps", "heatmaps", "initial_pose", "initial_score"}
    assert len(net.poses) == 1 and net.features is None
    names = {layer.name for layer in net.model.layers}
    assert "fusion_2" in names and not any("graph" in name or "displacement" in name for name in names)


def test_trunk_maps_join_the_decoders_before_adaption():
    """C4, C3 and C2 of a trunk of width 8 have 32, 16 and 8 channels; F1, F2 and F3 of a DUC have 16, 8 and 4."""
    convolutions = {"adaption_1": 16 + 32, "fusion_2": 16 + 8 + 16, "fusion_3": 12 + 4 + 8}
    with_trunk, without = build(trunk_maps=True), shared()
    for name, channels in convolutions.items():
        layer = with_trunk.get_layer(name)
        kernel = layer.kernel if name == "adaption_1" else layer.conv.kernel
        assert kernel.shape[2] == channels
    assert [with_trunk.get_layer("base").count_params(), sampled_channels(with_trunk)] == (
        [without.get_layer("base").count_params(), sampled_channels(without)]
    )
    # None of them is made less by adaption="none", where the blocks sample what there is.
    assert sampled_channels(build(trunk_maps=True, adaption="none")) == [[48], [24], [12]]


@pytest.mark.parametrize("graph_convolution", [pytest.param("gcn", marks=pytest.mark.slowest), "semantic"])
def test_every_weight_is_trained(graph_convolution):
    """Not by the first step, where zero-initialised layers hold the gradient back from those before them."""
    model, optimizer = build(graph_convolution=graph_convolution), tf.keras.optimizers.Adam(1e-3)
    crops, joints = random_batch()
    for _ in range(2):
        train_step(model, optimizer, crops, joints)
    for variable, gradient in zip(model.trainable_variables, train_step(model, optimizer, crops, joints)):
        assert gradient is not None and np.any(tf.convert_to_tensor(gradient) != 0.0), variable.name


def test_losses_fall():
    tf.keras.utils.set_random_seed(1)
    model = build()
    stages.compile_model(model, tf.keras.optimizers.Adam(3e-3), LOSSES)
    crops, joints = random_batch()
    history = model.fit(crops, joints, batch_size=4, epochs=30, verbose=0).history
    assert set(history) == {"loss", *(f"{name}_loss" for name in LOSSES)}
    for name in LOSSES:
        first, last = history[f"{name}_loss"][0], history[f"{name}_loss"][-1]
        assert last < (0.75 if name == "base_heatmaps" else 0.25) * first, (name, first, last)


@pytest.mark.slowest
def test_blocks_learn_displacements_from_image_features():
    """All frozen up to the initial pose; each crop asks for another displacement and shows another colour."""
    tf.keras.utils.set_random_seed(1)
    model = build()
    base = model.get_layer("base")
    # What comes after the base, as a model of its own.
    used = ("F1", "F2", "F3", "base_heatmaps")
    base_outputs = {name: base.get_output_at(0)[name] for name in used}
    correction = tf.keras.Model(base_outputs, {name: model.output[name] for name in output_names.POSE_OUTPUTS})
    for name in ("heatmap_conv", "soft_argmax"):
        correction.get_layer(name).trainable = False
    colors = tf.constant([[255.0, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]])
    outputs = base(colors[:, None, None] * tf.ones((4, 64, 64, 3)))
    maps = {name: outputs[name] for name in used}
    points = tf.constant([[0.5, 0.5], [-0.5, 0.5], [0.5, -0.5], [-0.5, -0.5]])[:, None] * tf.ones((4, 12, 2))
    joints = tf.concat([points, tf.ones((4, 12, 1))], axis=-1)
    pose_losses = {name: losses.PoseLoss() for name in output_names.POSE_OUTPUTS}
    stages.compile_model(correction, tf.keras.optimizers.Adam(1e-2), pose_losses)
    history = correction.fit(maps, joints, batch_size=4, epochs=30, verbose=0).history
    assert history["initial_pose_loss"][-1] == pytest.approx(history["initial_pose_loss"][0], rel=1e-5)
    for name in output_names.POSE_OUTPUTS[1:]:
        assert history[f"{name}_loss"][-1] < 0.5 * history[f"{name}_loss"][0]


def test_weights_pass_from_the_base_net_by_the_layer_base():
    base_net, model = builders.build_base(SMALL), shared()
    model.get_layer("base").set_weights(base_net.get_layer("base").get_weights())
    crops = random_batch()[0]
    np.testing.assert_allclose(model(crops)["base_heatmaps"], base_net(crops)["base_heatmaps"], atol=1e-6)


def test_a_frozen_base_stays_as_it_is():
    """Weights and BatchNorm statistics."""
    model = build()
    base = model.get_layer("base")
    base.trainable = False
    before = base.get_weights()
    train_step(model, tf.keras.optimizers.Adam(1e-2), *random_batch())
    for first, second in zip(before, base.get_weights()):
        np.testing.assert_array_equal(first, second)


def test_mixed_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = build()
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    reference = shared()
    reference.set_weights(model.get_weights())
    crops, joints = random_batch()
    outputs, expected = model(crops), reference(crops)
    assert all(value.dtype == tf.float32 for value in outputs.values())
    assert model.get_layer("base").get_layer("stage1_block1_conv1").compute_dtype == "bfloat16"
    for name in output_names.POSE_OUTPUTS:
        np.testing.assert_allclose(outputs[name], expected[name], atol=0.02)
    gradients = train_step(model, tf.keras.optimizers.Adam(1e-3), crops, joints)
    assert all(np.all(np.isfinite(tf.convert_to_tensor(gradient))) for gradient in gradients)


def test_xla_agrees():
    assert SMALL.graph_convolution == "semantic"
    model, crops = shared(), random_batch()[0]
    expected = model(crops)
    for name, value in tf.function(model, jit_compile=True, autograph=False)(crops).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-4)


def test_published_size(zeros):
    """The paper's CrowdPose model, its graph part to the letter: GCN and ReLU over (x, y, two scores)."""
    # Depth changes nothing behind C5, so the shallowest trunk with 2048 channels will do.
    model = builders.build_opec_net(ModelConfig(trunk="resnet50", graph_convolution="gcn", joint_identity=False))

    def count(name):
        return model.get_layer(name).count_params()

    assert count("adaption_1") == 9 * 512 * 256 + 256
    gates = 2 * (512 * 512 + 512), 2 * (256 * 256 + 256)
    assert count("fusion_2") == 9 * (256 + 256) * 128 + 128 + gates[0]
    assert count("fusion_3") == 9 * (128 + 128) * 128 + 128 + gates[1]
    assert count("heatmap_conv") == 9 * 128 * 12 + 12
    assert count("graph_conv_1") == 4 * 128 + 128
    assert count("graph_conv_2") == 128 * 128 + 128
    for block, inputs in ((1, 128 + 256), (2, 256 + 128), (3, 256 + 128)):
        convolutions = 2 * (inputs * 256 + 256) + (256 * 256 + 256)
        assert count(f"residual_graph_block_{block}") == convolutions + 3 * 256 * 256
        assert count(f"displacement_{block}") == 2 * 256 + 2


def test_size_of_the_default_graph():
    """Learned edge weights, and a one-hot of the joint beside the four numbers."""
    # Of which the base says nothing.
    model = builders.build_opec_net(ModelConfig(trunk="resnet10", trunk_width=4))
    kernels, logits = 2 * (4 + 12) * 128 + 128, 12 * 12
    assert model.get_layer("graph_conv_1").count_params() == kernels + logits


@pytest.mark.slowest
def test_predicting_visibility_changes_no_pose():
    """Same seed, same labels, clipped gradients: after two steps all other weights are equal to the bit."""
    crops, joints = random_batch()
    weights = []
    for predict_visibility in (False, True):
        tf.keras.utils.set_random_seed(2)
        model = build(predict_visibility=predict_visibility)
        head = [layer for layer in model.layers if layer.name == "visibility"]
        apart = head[0].trainable_variables if head else []
        adam = AdamWithFactors(learning_rate=0.01, clip_norm=0.1, clipped_apart=apart)
        before = [variable.numpy() for variable in apart]
        for _ in range(2):
            train_step(model, adam, crops, joints)
        assert all(np.any(variable.numpy() != value) for variable, value in zip(apart, before))
        others = {id(variable) for variable in apart}
        weights.append([variable.numpy() for variable in model.variables if id(variable) not in others])
    assert len(weights[0]) == len(weights[1]) > 50
    for without, beside in zip(*weights):
        np.testing.assert_array_equal(without, beside)

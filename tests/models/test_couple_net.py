import contextlib
import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf
import tiny_run

from opec_tf.layers.heatmap import PeakCandidates
from opec_tf.models import builders, output_names
from opec_tf.poses import geometry
from opec_tf.training import losses

pytestmark = pytest.mark.slow

SIZE = tiny_run.MODEL.crop_size
# Two couples and one alone.
BOXES = np.array(
    [[10, 10, 50, 80], [30, 0, 60, 90], [200, 100, 40, 70], [210, 90, 50, 60], [500, 500, 20, 50]], np.float32
)
PARTNER = np.array([1, 0, 3, 2, -1], np.int32)


def network(config, moved=True):
    """The network, its weights moved away from where displacements are zero."""
    tf.keras.utils.set_random_seed(0)
    net = builders.couple_network(config)
    model = net.model
    if moved:
        random = np.random.default_rng(1)
        model.set_weights([weight + 0.05 * random.normal(size=weight.shape) for weight in model.get_weights()])
        # Variances stay positive.
        for layer in model._flatten_layers():
            if isinstance(layer, tf.keras.layers.BatchNormalization):
                layer.moving_variance.assign(tf.ones_like(layer.moving_variance))
    return net


# The same network for all tests that only call it.
shared_network = functools.cache(network)


def build(moved=True, **changes):
    """The tiny model with fields of its config changed."""
    return network(dataclasses.replace(tiny_run.MODEL, **changes), moved).model


def shared(**changes):
    """Likewise, the same model for all tests that only call it."""
    return shared_network(dataclasses.replace(tiny_run.MODEL, **changes)).model


@contextlib.contextmanager
def changed(model):
    """Gives a shared model its weights back."""
    weights = model.get_weights()
    try:
        yield
    finally:
        model.set_weights(weights)


def inputs(rows=slice(None), partner=PARTNER, boxes=BOXES, seed=0):
    crops = np.random.default_rng(seed).uniform(0, 255, (len(boxes), *SIZE, 3)).astype(np.float32)[rows]
    return {"crops": crops, "crop_to_image": geometry.crop_affine(boxes, SIZE, 1.25).numpy()[rows], "partner": partner}


def couple_poses(outputs):
    return np.stack([outputs[name] for name in output_names.COUPLE_OUTPUTS])


def test_training_starts_exactly_from_opec_nets_pose():
    outputs = build(moved=False, couple_candidates=0)(inputs())
    for pose in couple_poses(outputs):
        np.testing.assert_array_equal(pose, outputs["pose_3"])


def test_a_second_look_is_the_first_until_it_has_learnt_and_for_who_is_alone():
    untrained = build(moved=False, couple_candidates=0, second_look=True)(inputs())
    np.testing.assert_array_equal(untrained["second_pose"], untrained["pose_3"])
    np.testing.assert_array_equal(untrained["couple_pose_3"], untrained["pose_3"])
    outputs = shared(second_look=True)(inputs())
    moved = np.abs(outputs["second_pose"] - outputs["pose_3"]).max(axis=(1, 2))
    assert (moved[:4] > 1e-4).all() and moved[4] == 0.0


def test_a_second_look_is_told_where_the_partner_was_found():
    model = shared(second_look=True)
    apart = BOXES + np.array([[0, 0, 0, 0], [8, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], np.float32)
    near, far = model(inputs()), model(inputs(boxes=apart))
    np.testing.assert_array_equal(near["pose_3"], far["pose_3"])  # of the same crops
    assert np.abs(near["second_pose"][0] - far["second_pose"][0]).max() > 1e-5
    np.testing.assert_array_equal(near["second_pose"][2:], far["second_pose"][2:])


def test_outputs_are_named_for_the_losses():
    model = shared()
    opec_outputs = builders.build_opec_net(tiny_run.MODEL).output_names
    choice = [output_names.ALTERNATIVES_OUTPUT, output_names.PAIR_LOGITS_OUTPUT]
    assert sorted(model.output_names) == sorted([*opec_outputs, *output_names.COUPLE_OUTPUTS, *choice])
    assert sorted(model.input_names) == ["crop_to_image", "crops", "partner"]


@pytest.mark.parametrize("graph_convolution", [pytest.param("gcn", marks=pytest.mark.slowest), "semantic"])
def test_swapping_the_two_people_swaps_the_outputs_and_nothing_else(graph_convolution):
    order = np.array([1, 0, 3, 2, 4])
    model = shared(graph_convolution=graph_convolution)
    with changed(model):
        for layer in model._flatten_layers():
            # Logits of edges within and between the bodies all differ.
            if hasattr(layer, "edge_logits"):
                layer.edge_logits.assign(np.random.default_rng(2).normal(size=layer.edge_logits.shape))
        outputs, swapped = model(inputs()), model(inputs(order))
    assert set(swapped) == set(outputs)
    for name, value in outputs.items():
        np.testing.assert_allclose(swapped[name], value.numpy()[order], atol=1e-6, err_msg=name)
    assert np.abs(couple_poses(outputs) - outputs["pose_3"].numpy())[:, :4].max(axis=(0, 2, 3)).min() > 0.01


def test_alone_the_pose_stays_and_a_partner_changes_it():
    model = shared()
    outputs = model(inputs())
    np.testing.assert_array_equal(couple_poses(outputs)[:, 4], np.stack([outputs["pose_3"][4]] * 3))
    alone = model(inputs(partner=np.full(5, -1, np.int32)))
    for pose in couple_poses(alone):
        np.testing.assert_array_equal(pose, outputs["pose_3"])
    # The same person beside another partner.
    other = model(inputs(partner=np.array([1, 0, 0, -1, -1], np.int32)))
    np.testing.assert_allclose(other["couple_pose_3"][0], outputs["couple_pose_3"][0], atol=1e-6)
    assert np.abs(other["couple_pose_3"][2] - outputs["couple_pose_3"][2]).max() > 1e-4


def test_only_the_geometry_between_the_two_matters():
    """Moved and enlarged with its image, a pair's poses stay as they are in the crops."""
    model = shared()
    before = model(inputs())
    after = model(inputs(boxes=BOXES * 2 + np.array([300, 40, 0, 0], np.float32)))
    np.testing.assert_allclose(after["couple_pose_3"], before["couple_pose_3"], atol=1e-4)
    apart = model(inputs(boxes=BOXES + np.array([[0, 0, 0, 0], [15, 0, 0, 0]] + [[0] * 4] * 3, np.float32)))
    assert np.abs(apart["couple_pose_3"][0] - before["couple_pose_3"][0]).max() > 1e-4


@pytest.mark.parametrize("graph_convolution", [pytest.param("gcn", marks=pytest.mark.slowest), "semantic"])
def test_every_weight_of_the_couple_is_trained(graph_convolution):
    # Of four channels a graph's units may all be dead.
    model = build(graph_convolution=graph_convolution, graph_channels=16, block_channels=16)
    model.get_layer("opec_net").trainable = False
    joints = tf.ones((5, 12, 3)) * [0.2, -0.3, 1.0]
    with tf.GradientTape() as tape:
        outputs = model(inputs(), training=True)
        total = tf.add_n([losses.PoseLoss()(joints, outputs[name]) for name in output_names.COUPLE_OUTPUTS])
    gradients = tape.gradient(total, model.trainable_variables)
    assert len(gradients) > 10
    for variable, gradient in zip(model.trainable_variables, gradients):
        assert gradient is not None and np.any(tf.convert_to_tensor(gradient) != 0.0), variable.name


def test_features_come_from_each_persons_own_crop():
    """The partner's picture alone changes: own OPEC-Net pose stays, the couple's changes."""
    model = shared()
    data = inputs()
    before = model(data)
    data["crops"][1] = 255.0 - data["crops"][1]
    after = model(data)
    np.testing.assert_allclose(after["pose_3"][0], before["pose_3"][0], atol=1e-6)
    assert np.abs(after["couple_pose_3"][0] - before["couple_pose_3"][0]).max() > 1e-5
    np.testing.assert_allclose(after["couple_pose_3"][2:], before["couple_pose_3"][2:], atol=1e-6)


@pytest.mark.slowest
@pytest.mark.parametrize("changes", [{"image_guided": False}, {"progressive": False}, {"adaption": "none"}])
def test_maps_are_those_that_opec_net_samples(changes):
    model = build(**changes)
    opec = model.get_layer("opec_net")
    expected = [layer.name for layer in opec.layers if layer.name.startswith("joint_features_")]
    found = [layer.name for layer in model.layers if layer.name.startswith("couple_joint_features_")]
    assert sorted(found) == sorted(f"couple_{name}" for name in expected)
    assert np.isfinite(model(inputs())["couple_pose_3"]).all()


def test_the_last_pose_may_take_a_peak_that_the_graph_would_not_reach():
    model = shared()
    with changed(model):
        peaks, _ = PeakCandidates(4)(model(inputs())["base_heatmaps"])
        choice = model.get_layer("pair_choice").preference
        choice.kernel.assign(tf.zeros_like(choice.kernel))
        for alternative in range(1, 5):
            choice.bias.assign(100.0 * tf.one_hot(alternative, 5))
            outputs = model(inputs())
            expected = peaks[:, :, alternative - 1].numpy()
            expected[4] = outputs["pose_3"][4]  # alone
            np.testing.assert_allclose(outputs["couple_pose_3"], expected, atol=1e-5)


def test_the_last_pose_is_the_likeliest_of_the_alternatives():
    outputs = shared()(inputs())
    alternatives = outputs[output_names.ALTERNATIVES_OUTPUT].numpy()
    logits = outputs[output_names.PAIR_LOGITS_OUTPUT].numpy()
    assert alternatives.shape == (5, 12, 5, 2) and logits.shape == (5, 12, 5, 5)
    own = logits.reshape(5, 12, 25).argmax(axis=-1) // 5
    chosen = np.take_along_axis(alternatives, own[..., None, None], axis=2)[:, :, 0]
    np.testing.assert_allclose(outputs["couple_pose_3"], chosen, atol=1e-6)
    # The second of a couple has the pairs of the first the other way round.
    np.testing.assert_allclose(logits[1], np.swapaxes(logits[0], 1, 2), atol=1e-4)


@pytest.mark.slowest
def test_candidates_are_smoothed_as_the_run_began():
    """Where the base's peaks are found with another smoothing, so are the candidates that couples choose from."""
    assert tiny_run.MODEL.couple_smoothing == 2.0
    for smoothing, model in ((0.6, build(couple_smoothing=0.6)), (2.0, shared())):
        outputs = model(inputs())
        peaks, _ = PeakCandidates(4, smoothing=smoothing)(outputs["base_heatmaps"])
        alternatives = outputs[output_names.ALTERNATIVES_OUTPUT][:4, :, 1:]
        np.testing.assert_allclose(alternatives, peaks[:4], atol=1e-5)
        others, _ = PeakCandidates(4, smoothing=2.6 - smoothing)(outputs["base_heatmaps"])
        assert np.abs(others - peaks).max() > 0.01


def test_named_parts_are_those_of_the_model():
    net = shared_network(tiny_run.MODEL)
    assert net.opec_net.model is net.model.get_layer("opec_net") and net.base is net.opec_net.model.get_layer("base")
    data = inputs()
    found, outputs = tf.keras.Model(net.model.input, net.poses)(data), net.model(data)
    for name, pose in zip(output_names.COUPLE_OUTPUTS, found):
        np.testing.assert_array_equal(pose, outputs[name])


def test_without_candidates_the_refined_joint_is_the_last_pose():
    model = build(couple_candidates=0)
    assert not any("candidate" in layer.name or "choice" in layer.name for layer in model.layers)
    assert np.abs(model(inputs())["couple_pose_3"] - model(inputs())["pose_3"])[:4].max() > 0.01


@pytest.mark.slowest
def test_xla_agrees():
    assert tiny_run.MODEL.graph_convolution == "semantic"
    model = shared()
    data = {name: tf.constant(value) for name, value in inputs().items()}
    expected = model(data)
    for name, value in tf.function(model, jit_compile=True, autograph=False)(data).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-4)


@pytest.mark.slowest
def test_opec_nets_visibility_is_the_couples_and_disturbs_nothing():
    models_of = [build(moved=False, predict_visibility=flag) for flag in (False, True)]
    head = {id(v) for v in models_of[1].get_layer("opec_net").get_layer("visibility").variables}
    kept = [v for v in models_of[1].variables if id(v) not in head]
    assert len(kept) == len(models_of[0].variables)
    for without, beside in zip(models_of[0].variables, kept):
        np.testing.assert_array_equal(without, beside)
    outputs = models_of[1](inputs())
    np.testing.assert_array_equal(
        outputs["visibility"], models_of[1].get_layer("opec_net")(inputs()["crops"])[0]["visibility"]
    )

"""MoveNet's weights in a base: equal to the published graph, joints by name, faults named."""

import numpy as np
import pytest
import tensorflow as tf
import tfjs_graph

from opec_tf.common.errors import UserError
from opec_tf.config import MOVENETS, ModelConfig
from opec_tf.inference import pose_model
from opec_tf.models import builders
from opec_tf.models.trunks.movenet import movenet_features, movenet_heads
from opec_tf.models.trunks.sizes import MOVENET_WIDTHS
from opec_tf.poses import skeletons
from opec_tf.weights import conversion, movenet, reading

pytestmark = pytest.mark.slow

SIZE = {"crop_height": 64, "crop_width": 64}
LIGHTNING = {"trunk": "movenet_lightning", **SIZE}


@pytest.fixture(scope="module")
def coco_base():
    """An untrained MoveNet Lightning of COCO's joints."""
    tf.keras.utils.set_random_seed(1)
    return builders.build_base(ModelConfig(skeleton="coco17", **LIGHTNING)).get_layer("base")


@pytest.fixture(scope="module")
def checkpoint(coco_base, tmp_path_factory):
    """Its weights as they are published."""
    tensors = {}
    for layer in coco_base.layers:
        tensors.update(zip(movenet.tensor_names(layer.name), layer.get_weights()))
    offsets = {"kpt_offset_0/conv2d_7/Conv2D/ReadVariableOp": np.zeros([1, 1, 96, 34], np.float32)}
    return tfjs_graph.write(tmp_path_factory.mktemp("movenet"), {**tensors, **offsets})


def _heatmaps(base, crops):
    return base(crops)["base_heatmaps"].numpy()


def _crops(size=(64, 64), seed=0):
    return np.random.default_rng(seed).uniform(0, 255, (2, *size, 3)).astype(np.float32)


def test_both_sizes_have_a_width():
    assert set(MOVENET_WIDTHS) == set(MOVENETS)


@pytest.mark.parametrize("skeleton, first", [("coco17", 0), ("body12", 5)])
def test_a_converted_checkpoint_is_the_network_it_came_from(checkpoint, coco_base, tmp_path, skeleton, first):
    report, source, config = conversion.convert(
        checkpoint, tmp_path / "run", ModelConfig(skeleton=skeleton, **SIZE), ["skeleton", *SIZE]
    )
    assert (config.trunk, config.skeleton, source.family) == ("movenet_lightning", skeleton, "MoveNet")
    assert sum(tensors for tensors, _ in report.used.values()) == len(source.tensors) - 1
    assert [left.reason for left in report.left] == ["the head of offsets within a cell"] and not report.random
    loaded = pose_model.load(tmp_path / "run")
    crops = _crops()
    # Joint 5 and those after it are COCO's body joints in the order of body12.
    np.testing.assert_allclose(
        loaded.network(crops)["base_heatmaps"], _heatmaps(coco_base, crops)[..., first:], rtol=1e-5, atol=1e-6
    )


def test_head_and_neck_begin_between_others(checkpoint, coco_base, tmp_path):
    config = ModelConfig(skeleton="crowdpose14", **SIZE)
    report, *_ = conversion.convert(checkpoint, tmp_path / "run", config, ["skeleton", *SIZE], new_joints=True)
    assert report.random == ["the mean of others (head)", "the mean of others (neck)"]
    head = pose_model.load(tmp_path / "run").network.get_layer("base").get_layer("regression")
    joints, coco = skeletons.CROWDPOSE14.joints, skeletons.COCO17.joints
    bias, expected = head.bias.numpy().reshape(-1, 2), coco_base.get_layer("regression").kernel.numpy()
    kernel = head.kernel.numpy().reshape(96, -1, 2)
    expected = expected.reshape(96, -1, 2)
    shoulders = [coco.index("left_shoulder"), coco.index("right_shoulder")]
    np.testing.assert_allclose(kernel[:, joints.index("neck")], expected[:, shoulders].mean(axis=1), rtol=1e-6)
    assert bias.shape == (14, 2)


def test_faults_are_named(checkpoint, tmp_path):
    config = ModelConfig(skeleton="crowdpose14", **SIZE)
    with pytest.raises(UserError, match="has no output for joint head; .*, or --new_joints"):
        conversion.convert(checkpoint, tmp_path / "a", config, ["skeleton"])
    with pytest.raises(UserError, match="has no output for joint pelvis; choose another --skeleton$"):
        conversion.convert(checkpoint, tmp_path / "b", ModelConfig(skeleton="mpii16"), ["skeleton"], new_joints=True)
    with pytest.raises(UserError, match="is a MoveNet with trunk=movenet_lightning, not --trunk=movenet_thunder"):
        conversion.convert(checkpoint, tmp_path / "c", ModelConfig(trunk="movenet_thunder"), ["trunk"])
    with pytest.raises(UserError, match="MoveNet is taken whole; leave out --trunk_only"):
        conversion.convert(checkpoint, tmp_path / "d", ModelConfig(), [], trunk_only=True)
    tensors = reading.read(checkpoint)
    lost = movenet.tensor_names("block3_expand")[1]
    tensors.pop(lost)
    with pytest.raises(UserError, match=f"tensor {lost} of a MoveNet is missing"):
        conversion.convert(tfjs_graph.write(tmp_path, tensors), tmp_path / "e", ModelConfig(), [])
    assert not list(tmp_path.glob("[abcde]"))


@pytest.mark.parametrize(("name", "side", "parameters"), [("thunder", 256, 6_220_132), ("lightning", 192, 2_312_060)])
def test_it_equals_the_published_graph(real_samples, name, side, parameters):
    path = real_samples.parent / "weights" / "movenet" / f"movenet-{name}.json"
    if not path.exists():
        pytest.skip(f"needs {path}")
    tensors = reading.read(path)
    inputs = tf.keras.Input((side, side, 3))
    outputs = movenet_features(inputs, MOVENET_WIDTHS[f"movenet_{name}"])
    outputs.update(movenet_heads(outputs["F3"], 17))
    network = tf.keras.Model(inputs, outputs)
    position = network.get_layer("position")  # the only thing more, and it starts at zero
    for layer in network.layers:
        if layer is not position:
            layer.set_weights([tensors[weight] for weight in movenet.tensor_names(layer.name)])
    assert network.count_params() - position.count_params() == parameters

    picture = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.int32)
    features = "center_net_mobile_net_v2fpn_feature_extractor/model_1"
    nodes = {
        **{f"F{i + 1}": f"{features}/re_lu{'_' + str(i) if i else ''}/Relu" for i in range(3)},
        "heatmap": "kpt_heatmap_0/conv2d_5/BiasAdd",
        "center": "center_0/conv2d_4/BiasAdd",
        "regression": "kpt_regress_0/conv2d_6/BiasAdd",
    }
    expected = tfjs_graph.run(path, "input", picture, [tfjs_graph.SCOPE + node for node in nodes.values()])
    # The file keeps 1 / 127.5 in half precision.
    found = network(picture.astype(np.float32) * tensors["truediv"] - 1.0)
    for output, node in nodes.items():
        values = expected[tfjs_graph.SCOPE + node]
        # Of the largest value: oneDNN adds up in another order.
        np.testing.assert_allclose(found[output], values, atol=1e-5 * max(1.0, np.abs(values).max()), err_msg=output)

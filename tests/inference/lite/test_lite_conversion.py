"""TFLite files of tiny models: from disk in a fresh process, and against the exported SavedModel's numbers."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import serving_run
import tensorflow as tf
import tiny_run

from opec_tf.common.errors import UserError
from opec_tf.config import InferenceConfig
from opec_tf.inference.lite import conversion
from opec_tf.inference.lite.names import PRECISIONS
from opec_tf.inference.pose_model import PoseModel
from opec_tf.models import builders, loading
from opec_tf.poses import skeletons
from opec_tf.serving.signatures import PoseSignatures

pytestmark = pytest.mark.slowest

# What someone finds who has the file and TensorFlow, but not this package.
_ASK = """
import json, sys, zipfile
import numpy as np
import tensorflow as tf

crops, *paths = sys.argv[1:]
for path in paths:
    metadata = json.loads(zipfile.ZipFile(path).read("metadata.json"))
    interpreter = tf.lite.Interpreter(path)
    runner = interpreter.get_signature_runner(metadata["signature"])
    answers = [runner(crops=crop[None]) for crop in np.load(crops)]
    tensors = {tensor["index"]: tensor["dtype"].__name__ for tensor in interpreter.get_tensor_details()}
    operators = [(one["op_name"], tensors[one["outputs"][0]]) for one in interpreter._get_ops_details()]
    print(json.dumps({
        "metadata": metadata,
        "signatures": list(interpreter.get_signature_list()),
        "answers": {name: np.concatenate([answer[name] for answer in answers]).tolist() for name in answers[0]},
        "operators": operators,
        "package": "opec_tf" in sys.modules,
    }))
"""
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")


def crops(count, seed=0):
    """float32 [N, 64, 64, 3]: blocks of colour."""
    return np.stack([serving_run.picture(seed + i, (66, 64))[:64] for i in range(count)]).astype(np.float32)


@pytest.fixture(scope="module")
def found(exported, tmp_path_factory):
    """Precision -> what a fresh process finds in the file, of four crops."""
    folder = tmp_path_factory.mktemp("lite")
    paths = [folder / f"{precision}.tflite" for precision in PRECISIONS]
    for path, precision in zip(paths, PRECISIONS):
        file = conversion.convert(
            serving_run.load(exported[0]), precision, inference_config=InferenceConfig(), calibration=crops(8, seed=4)
        )
        file.write(path)
    np.save(folder / "crops.npy", crops(4))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _ASK, folder / "crops.npy", *paths],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = dict(zip(PRECISIONS, map(json.loads, done.stdout.splitlines())))
    return {name: {**answer, "bytes": path.stat().st_size} for (name, answer), path in zip(answers.items(), paths)}


@pytest.fixture(scope="module")
def expected(exported):
    """What signature crops of the SavedModel answers about these crops."""
    answers = tf.saved_model.load(str(exported[1] / "1")).signatures["crops"](crops=tf.constant(crops(4)))
    return {name: value.numpy() for name, value in answers.items()}


@pytest.mark.parametrize(("precision", "pixels", "share"), [("float32", 1e-3, 1e-5), ("float16", 0.1, 5e-3)])
def test_answers_are_the_saved_models(found, expected, precision, pixels, share):
    answers = {name: np.array(values) for name, values in found[precision]["answers"].items()}
    assert answers.keys() == expected.keys() == {"keypoints", "initial_keypoints", "pose_score", "visibility"}
    for name in ("keypoints", "initial_keypoints"):
        assert np.ptp(expected[name][..., :2]) > 5.0  # of a crop 64 wide: the joints do not lie on a heap
        np.testing.assert_allclose(answers[name][..., :2], expected[name][..., :2], rtol=0, atol=pixels)
        np.testing.assert_allclose(answers[name][..., 2], expected[name][..., 2], rtol=0, atol=share)
    for name in ("pose_score", "visibility"):
        np.testing.assert_allclose(answers[name], expected[name], rtol=0, atol=share)


def test_int8_is_near_the_saved_model(found, expected):
    """Of an untrained network, whose heatmaps have no peaks; that it is not exact shows that it computes otherwise."""
    apart = np.linalg.norm(
        np.array(found["int8"]["answers"]["keypoints"])[..., :2] - expected["keypoints"][..., :2], axis=-1
    )
    assert 1e-3 < np.median(apart) < 1.0


def test_operators_are_tflites_own(found):
    for precision in PRECISIONS:
        names = {name for name, _ in found[precision]["operators"]}
        assert not [name for name in names if name.startswith(("Flex", "CUSTOM"))], names
        assert not found[precision]["package"] and found[precision]["signatures"] == ["crops"]


def test_int8_is_what_convolutions_need_and_nothing_behind(found):
    operators = found["int8"]["operators"]
    assert {kind for name, kind in operators if name in _CONVOLUTIONS} == {"int8"}
    behind = max(i for i, (name, _) in enumerate(operators) if name in _CONVOLUTIONS) + 1
    assert {kind for name, kind in operators[behind:] if name != "DEQUANTIZE"} <= {"float32", "int32", "bool"}
    assert len(operators[behind:]) > 50  # the whole graph
    assert {kind for _, kind in found["float32"]["operators"]} <= {"float32", "int32", "bool"}


def test_fewer_bits_make_smaller_files(found):
    sizes = [found[precision]["bytes"] for precision in PRECISIONS]
    assert sizes[0] > sizes[1] > sizes[2]


def test_metadata_is_what_a_client_needs(found):
    for precision in PRECISIONS:
        metadata = found[precision]["metadata"]
        assert metadata["precision"] == precision and metadata["signature"] == "crops"
        assert metadata["joints"] == list(skeletons.BODY12.joints) and metadata["opec_tf"]
        assert metadata["input_size"] == {"height": 64, "width": 64} and metadata["box_margin"] == 1.25
        assert metadata["inputs"]["crops"].startswith("float32 [1, 64, 64, 3], RGB, 0..255")
        assert set(metadata["outputs"]) == set(found[precision]["answers"])
        assert metadata["outputs"]["keypoints"].startswith("float32 [1, 12, 3], (x, y, score)")
        assert metadata["poses"] == {"initial_keypoints": "initial", "keypoints": "pose_3"}
        assert "middle of the first pixel is (0, 0)" in metadata["coordinates"]
        assert metadata["visibility"] == ["visible", "occluded", "outside"]


def ask(file, crop):
    """What a file says of a crop."""
    return tf.lite.Interpreter(model_content=file.content).get_signature_runner("crops")(crops=crop[None])


VARIANTS = {
    "a base alone": ("base", {}, {}),
    "given poses, mirrored": ("opec", {"initial_pose": "given", "crop_offset": 0.5}, {"flip_test": True}),
    "a couple": ("couple", {"initial_pose": "given", "integral_radius": 2, "couple_candidates": 2}, {}),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_stage_answers_as_its_signature(variant):
    """What only pairs and given poses need is left out, and nothing is missed."""
    stage, changes, settings = VARIANTS[variant]
    model_config = dataclasses.replace(tiny_run.MODEL, **changes)
    tf.keras.utils.set_random_seed(0)
    network = loading.BUILDERS[stage](model_config)
    serving_run.randomize(network)
    model, inference_config = PoseModel(network, model_config, stage, box_margin=1.25), InferenceConfig(**settings)
    crop = crops(1)
    expected = PoseSignatures(model, inference_config).signatures["crops"](crops=tf.constant(crop))
    file = conversion.convert(model, "float32", inference_config=inference_config)
    answers = ask(file, crop[0])
    assert answers.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(answers[name], values, rtol=0, atol=2e-3)
    assert file.metadata["stage"] == ("base" if stage == "base" else "opec")
    assert file.metadata["flip_test"] == inference_config.flip_test


def test_diverged_weights_are_refused():
    network = builders.build_opec_net(tiny_run.MODEL)
    network.get_layer("displacement_1").set_weights([np.full([4, 2], np.nan), np.zeros(2)])
    model = PoseModel(network, tiny_run.MODEL, "opec", box_margin=1.25)
    with pytest.raises(UserError, match="not finite"):
        conversion.convert(model, "float32", inference_config=InferenceConfig())

"""A TFLite file where a trained model is expected: the same poses in the picture's pixels, the same scores."""

import json

import cv2
import numpy as np
import pytest
import tensorflow as tf
import tiny_run
from painted_people import COLOR_OF_JOINT, CONFIG, paint

from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, InferenceConfig
from opec_tf.inference.detectors import named
from opec_tf.inference.lite import calibration, conversion, lite_model
from opec_tf.inference.lite.names import PRECISIONS
from opec_tf.inference.pose_model import PoseModel
from opec_tf.layers.heatmap import SoftArgmax
from opec_tf.study import report
from opec_tf.study.split import Split

pytestmark = pytest.mark.slow

BOXES = np.array([[20.0, 20.0, 110.0, 150.0], [150.0, 30.0, 110.0, 150.0]])
SIZE = (200, 280)


def spots(seed):
    """Where two people's red, green and blue are, [2, 3, 2]."""
    return BOXES[:, None, :2] + BOXES[:, None, 2:] * np.random.default_rng(seed).uniform(0.25, 0.75, [2, 3, 2])


def network():
    """``painted_people.color_model`` by a convolution: joints are where the crop is red, green and blue."""
    crops = tf.keras.Input((*CONFIG.crop_size, 3), name="crops")
    kernel = np.zeros([4, 4, 3, 12], np.float32)
    kernel[:, :, COLOR_OF_JOINT, np.arange(12)] = 1.0 / (16 * 255)
    maps = tf.keras.layers.Conv2D(12, 4, strides=4, use_bias=False, name="maps")
    heatmaps = maps(crops)
    maps.set_weights([kernel])
    pose, _ = SoftArgmax(initial_beta=30.0, name="soft_argmax")(heatmaps)
    names = ("initial_pose", "pose_1", "pose_2", "pose_3")
    return tf.keras.Model(crops, {"base_heatmaps": heatmaps, **dict.fromkeys(names, pose)}, name="painted")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three pictures of two painted people each, and their annotations."""
    folder = tmp_path_factory.mktemp("data")
    images, people = [], []
    for i in range(3):
        cv2.imwrite(str(folder / f"{i}.png"), paint(*SIZE, spots(i))[..., ::-1])
        images.append({"id": i, "file_name": f"{i}.png", "height": SIZE[0], "width": SIZE[1], "crowdIndex": 0.5})
        for box, centers in zip(BOXES.tolist(), spots(i)):
            joints = np.concatenate([centers[COLOR_OF_JOINT], np.full([12, 1], 2.0)], axis=1)
            keypoints = np.concatenate([joints, np.zeros([2, 3])]).ravel().tolist()
            people.append({"id": len(people), "image_id": i, "bbox": box, "iscrowd": 0, "keypoints": keypoints})
    (folder / "annotations.json").write_text(json.dumps({"images": images, "annotations": people}))
    return folder


@pytest.fixture(scope="module")
def files(data):
    """Precision -> path of the painted people's model; it is calibrated on people of other pictures."""
    model, paths = PoseModel(network(), CONFIG, "opec", box_margin=1.3, name="painted"), {}
    pictures = data / "calibration"
    pictures.mkdir()
    for i in range(4):
        cv2.imwrite(str(pictures / f"{i}.png"), paint(*SIZE, spots(100 + i))[..., ::-1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(named, "make", lambda name, config: lambda image: (BOXES, np.ones(2)))
        crops = calibration.crops_of_people(str(pictures), model)
    assert len(crops) == 8 and crops[0].shape == (160, 128, 3) and crops[0].max() > 200
    for precision in PRECISIONS:
        paths[precision] = str(data / f"{precision}.tflite")
        file = conversion.convert(
            model, precision, inference_config=InferenceConfig(), calibration=crops, progress=False
        )
        file.write(paths[precision])
    return paths


@pytest.mark.parametrize(("precision", "pixels"), [("float32", 0.1), ("float16", 0.2), ("int8", 1.5)])
def test_poses_are_in_the_pictures_pixels(files, precision, pixels):
    poses = lite_model.load(files[precision]).predict(paint(*SIZE, spots(7)), boxes=BOXES)
    expected = network_poses(spots(7))
    np.testing.assert_allclose(poses.keypoints, expected.keypoints, rtol=0, atol=pixels)
    np.testing.assert_allclose(poses.keypoints, spots(7)[:, COLOR_OF_JOINT], rtol=0, atol=2.0)
    np.testing.assert_allclose(poses.scores, expected.scores, rtol=0, atol=0.01)
    assert poses.visibility is None and poses.skeleton.name == "body12"


def network_poses(centers):
    """What the network itself says."""
    model = PoseModel(network(), CONFIG, "opec", box_margin=1.3)
    return model.predict(paint(*SIZE, centers), boxes=BOXES)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_file_is_scored_as_a_model(files, data, precision):
    model = lite_model.load(files[precision])
    data_config = DataConfig(data_root=str(data), test_data=("crowdpose:annotations.json:.",))
    split = Split.read("test", data_config, "crowdpose12", model)
    metrics = report.evaluate(
        model, split, split.annotated(), data / precision, inference_config=InferenceConfig(protocol="crowdpose12")
    )
    assert list(metrics) == ["initial", "pose_3"]
    assert metrics["pose_3"]["AP"] == 1.0 if precision != "int8" else metrics["pose_3"]["AP50"] == 1.0
    settings = json.loads((data / precision / "metrics.json").read_text())["settings"]
    assert settings["workdir"] == files[precision] and settings["box_margin"] == 1.3


def test_the_margin_is_the_files_unless_it_is_given(files):
    assert lite_model.load(files["float32"]).box_margin == 1.3
    wide = lite_model.load_any(files["float32"], box_margin=2.0)
    assert wide.box_margin == 2.0
    poses = wide.predict(paint(*SIZE, spots(7)[:1]), boxes=BOXES[:1] + [10.0, 10.0, -20.0, -20.0])
    np.testing.assert_allclose(poses.keypoints, spots(7)[:1, COLOR_OF_JOINT], rtol=0, atol=2.0)


def test_what_a_file_cannot_do_is_one_line(files, run):
    path = files["float32"]
    model, picture = lite_model.load(path), paint(*SIZE, spots(7))
    with pytest.raises(
        UserError, match=f"^--flip_test=True: {path} was exported with False; give that, or export anew"
    ):
        model.predict(picture, boxes=BOXES, flip_test=True)
    with pytest.raises(UserError, match="^--association: .* answers no candidates"):
        model.estimator(InferenceConfig(association=True), 1)
    with pytest.raises(UserError, match="refines no given poses"):
        model.predict(picture, boxes=BOXES, initial_poses=np.ones([2, 12, 3]))
    with pytest.raises(UserError, match="is one model, not a run of several stages; leave --stage out"):
        lite_model.load_any(path, "opec")
    assert lite_model.load_any(str(run)).stage == "opec"


def test_a_file_of_another_version_is_one_line(files, tmp_path):
    file = lite_model.LiteFile.read(files["float32"])
    file._replace(metadata={"stage": "opec"}).write(tmp_path / "old.tflite")
    with pytest.raises(UserError, match="old.tflite: is of another version of opec_tf .*; export anew"):
        lite_model.load(tmp_path / "old.tflite")


def test_files_have_digests_of_their_own(files):
    assert len({lite_model.load(path).digest for path in files.values()}) == len(PRECISIONS)


def test_nobody_to_calibrate_with_is_one_line(data, run, monkeypatch):
    monkeypatch.setattr(named, "make", lambda name, config: lambda image: (np.zeros([0, 4]), np.zeros(0)))
    model = lite_model.load_any(str(run))
    with pytest.raises(UserError, match="the detector finds nobody there; give pictures of people"):
        calibration.crops_of_people(str(data / "0.png"), model)
    with pytest.raises(UserError, match="no file matches; check --calibration_images"):
        calibration.crops_of_people(str(data / "none*"), model)


@pytest.mark.slowest
def test_commands(run, files, data, tmp_path):
    """export writes what evaluate and compare take; wrong usage is told before anything is loaded."""
    lite = ["--format=tflite", f"--workdir={run}", f"--export_dir={tmp_path}/models/tiny"]
    cases = {
        "--version: is for --format=saved_model; leave it out or give that": [*lite, "--version=3"],
        "--tflite_precision: is for --format=tflite": ["--tflite_precision=int8", f"--export_dir={tmp_path}/models/x"],
        "--tflite_precision=int8 and --calibration_images=FOLDER go together": [*lite, "--tflite_precision=int8"],
        "--calibration_images=FOLDER go together; give both or neither": [*lite, f"--calibration_images={data}"],
        "none: no file matches; check --calibration_images": [
            *lite,
            "--tflite_precision=int8",
            f"--calibration_images={tmp_path}/none",
        ],
    }
    messages = tiny_run.messages("export", *cases.values(), [*lite, "--tflite_precision=float16"])
    for expected, message in zip(cases, messages):
        assert message and expected in message and "\n" not in message, (expected, message)
    assert messages[-1] is None
    written = tmp_path / "models" / "tiny" / "tiny_float16.tflite"
    assert [path for path in (tmp_path / "models").rglob("*") if path.is_file()] == [written]

    source = [f"--data_root={data}", "--protocol=crowdpose12"]
    scored = [f"--workdir={written}", "--test_data=crowdpose:annotations.json:.", *source]
    result = tiny_run.call("evaluate", *scored, f"--output_dir={tmp_path}/out")
    assert result.returncode == 0, result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()][:3] == ["pose", "initial", "pose_3"]
    assert tiny_run.messages("evaluate", scored) == [
        "--output_dir is missing; name one where --workdir is no folder of a run"
    ]
    rows = [f"--row={title}={path}:pose_3" for title, path in files.items()]
    result = tiny_run.call(
        "compare", *rows, "--set=painted=crowdpose:annotations.json:.", *source, f"--output_dir={tmp_path}/table"
    )
    assert result.returncode == 0, result.stderr
    float32, float16, int8 = json.loads((tmp_path / "table" / "painted.json").read_text())["rows"]
    assert float32["runs"] == float16["runs"] and float32["runs"][0]["AP"] == 1.0
    assert int8["difference"]["AP"][0] <= 0.0 and int8["runs"][0]["AP"] > 0.5


@pytest.mark.slowest
def test_an_int8_file_of_pictures_of_people(run, real_samples, tmp_path, monkeypatch):
    """The package's detector finds whom it is calibrated with; beside progress nothing is said."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")  # as commands set it themselves
    result = tiny_run.call(
        "export",
        "--format=tflite",
        f"--workdir={run}",
        f"--export_dir={tmp_path}",
        "--tflite_precision=int8",
        f"--calibration_images={real_samples}/coco",
    )
    path = tmp_path / f"{tmp_path.name}_int8.tflite"
    assert result.returncode == 0 and result.stdout == f"exported: {path}\n", result.stderr
    said = result.stderr.splitlines()
    assert said and all(line.startswith("calibrating: ") for line in said), said
    assert lite_model.load(path).network.metadata["precision"] == "int8"

"""An export as a server finds it: loaded from disk in a fresh process, and against ``predict`` on the same pictures."""

import dataclasses
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import serving_run
import tensorflow as tf
import tiny_run
import warm_process

from opec_tf.common.errors import UserError
from opec_tf.config import InferenceConfig
from opec_tf.data.annotations import loading
from opec_tf.data.synthetic import dataset
from opec_tf.inference.pose_model import PoseModel
from opec_tf.models import builders
from opec_tf.poses import skeletons
from opec_tf.serving import api, exporting
from opec_tf.serving.model_server.server import ModelServer

pytestmark = pytest.mark.slow

# What a fresh process finds: every op, and the outcome of every warmup record.
_REPLAY = """
import json, sys
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

folder = sys.argv[1]
model = saved_model_pb2.SavedModel.FromString(open(folder + "/saved_model.pb", "rb").read())
graph = model.meta_graphs[0].graph_def
ops = {node.op for node in graph.node} | {node.op for f in graph.library.function for node in f.node_def}
compiled = [f.signature.name for f in graph.library.function if f.attr["_XlaMustCompile"].b]
compiled += [n.name for f in graph.library.function for n in f.node_def if n.attr["_XlaMustCompile"].b]
signatures = tf.saved_model.load(folder).signatures
replayed = []
for record in tf.data.TFRecordDataset(folder + "/assets.extra/tf_serving_warmup_requests"):
    request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
    name = request.model_spec.signature_name
    answer = signatures[name](**{key: tf.make_ndarray(value) for key, value in request.inputs.items()})
    finite = all(bool(np.isfinite(value).all()) for value in answer.values())
    replayed.append([name, len(answer["pose_score"]), finite])
print(json.dumps({"ops": sorted(ops), "compiled": compiled, "replayed": replayed, "names": sorted(signatures)}))
"""

# What a server answers about nobody, loaded as a server does it: the shape, whether all is 0, and finite; of the rows
# that are padding where there is a person too.
_NOBODY = """
import json, pathlib, sys
import numpy as np
from opec_tf.serving.model_server.versions import LoadedVersion

picture = pathlib.Path(sys.argv[1]).read_bytes()
person = np.zeros([1, 3, 4], np.float32)
person[0, 1] = [10.5, 20.25, 60.0, 80.5]

for folder in sys.argv[2:]:
    version = LoadedVersion(pathlib.Path(folder), None)

    def ask(signature, leading, **inputs):
        answers = version.run(signature, inputs, tuple(version.signatures[signature].outputs))
        rows = [0, 2] if inputs.get("boxes") is person else slice(None)
        said = {
            name: (values.shape, not values[:, rows].any() if values.ndim > 1 else not values.any(),
                   bool(np.isfinite(values).all()))
            for name, values in answers.items()
        }
        print(json.dumps([folder, signature, leading, said]))

    ask("serving_default", [0], image_bytes=np.zeros([0], object), boxes=np.zeros([0, 4], np.float32))
    ask("crops", [0], crops=np.zeros([0, 64, 64, 3], np.float32))
    for boxes in (person, *(np.zeros([*size, 4], np.float32) for size in ((1, 2), (2, 1), (1, 0), (0, 2), (0, 0)))):
        leading, images = list(boxes.shape[:2]), np.array([picture] * len(boxes), object)
        ask("image", leading, image_bytes=images, boxes=boxes)
        ask("refine", leading, image_bytes=images, boxes=boxes, keypoints=np.zeros([*leading, 12, 3], np.float32))
"""


def test_a_fresh_process_finds_stock_ops_and_replays_the_warmup(exported):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _REPLAY, str(exported[1] / "1")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["names"] == ["crops", "image", "serving_default"]
    assert not [op for op in found["ops"] if op.startswith("Addons>") or op in ("PyFunc", "EagerPyFunc")]
    assert "FusedBatchNormV3" not in found["ops"] and "Assert" in found["ops"] and found["compiled"] == []
    expected = {(name, size) for name in found["names"] for size in serving_run.BATCH_SIZES}
    assert {(name, size) for name, size, finite in found["replayed"] if finite} == expected
    assert len(found["replayed"]) == len(expected)


def test_metadata_says_what_the_numbers_mean(exported):
    metadata = json.loads((exported[1] / "1" / exporting.METADATA_FILE).read_text())
    skeleton = skeletons.BODY12
    assert metadata["joints"] == list(skeleton.joints) and metadata["edges"] == skeleton.edges.tolist()
    assert metadata["input_size"] == {"height": 64, "width": 64} and metadata["stage"] == "opec"
    assert metadata["flip_test"] is False and metadata["version"] == 1
    assert metadata["visibility"] == ["visible", "occluded", "outside"]
    assert {"git_revision", "trained_at_git_revision", "metrics"} <= set(metadata)


@pytest.fixture(scope="module")
def signatures(exported):
    """The signatures of ``exported``, loaded here."""
    loaded = tf.saved_model.load(str(exported[1] / "1"))
    return {**loaded.signatures, "module": loaded}  # a signature alone does not keep its variables


def estimate(root, frame, boxes, **settings):
    """Keypoints by what ``predict`` runs."""
    return with_scores(serving_run.load(root).predict(frame, boxes=boxes, **settings))


def with_scores(poses):
    """The keypoints [N, K, 3] of ``Poses``."""
    return np.concatenate([poses.keypoints, poses.joint_scores[..., None]], axis=-1)


def assert_agrees(exported, signatures, pictures):
    """pictures: (file's content, boxes [N, 4]) each."""
    frames = [tf.io.decode_image(content, channels=3, expand_animations=False).numpy() for content, _ in pictures]
    # All at once, since each number of people is compiled anew.
    predicted = serving_run.load(exported[0]).predict(frames, boxes=[boxes for _, boxes in pictures])
    for (content, boxes), poses in zip(pictures, predicted):
        expected, boxes = with_scores(poses), np.asarray(boxes, np.float32)
        one = signatures["image"](image_bytes=tf.constant([content]), boxes=tf.constant(boxes[None]))["keypoints"][0]
        rows = signatures["serving_default"](image_bytes=tf.constant([content] * len(boxes)), boxes=tf.constant(boxes))[
            "keypoints"
        ]
        for found in (one, rows):
            np.testing.assert_allclose(found[..., :2], expected[..., :2], atol=0.05)
            np.testing.assert_allclose(found[..., 2], expected[..., 2], atol=1e-3)


def test_agrees_with_predict_on_real_pictures(exported, signatures, real_samples):
    people = loading.read("coco", real_samples / "coco" / "test_coco.json", real_samples / "coco")
    pictures = []
    for image, path in enumerate(people.image_paths):
        boxes = people.boxes[(people.image_index == image) & people.has_usable_box]
        if len(boxes):
            pictures.append((tf.io.read_file(str(path)).numpy(), boxes[:6]))
    assert pictures
    assert_agrees(exported, signatures, pictures)


def test_agrees_with_predict_on_generated_couples(exported, signatures, tmp_path):
    dataset.write_dataset(tmp_path, 10, 0)
    people = loading.read("crowdpose", tmp_path / "train" / "annotations.json", tmp_path / "train" / "images")
    pictures = [
        (tf.io.read_file(str(path)).numpy(), people.boxes[people.image_index == image])
        for image, path in enumerate(people.image_paths[:3])
    ]
    assert_agrees(exported, signatures, pictures)


@pytest.fixture(scope="module")
def couples(tmp_path_factory):
    """(workdir, model's folder) of a CoupleGraph that refines given poses; version 2 has the flip test."""
    config = dataclasses.replace(tiny_run.MODEL, initial_pose="given")
    root, model_dir = serving_run.make(tmp_path_factory.mktemp("couples"), ("couple",), config, batch_sizes=[1])
    flipped = InferenceConfig(flip_test=True)
    exporting.export(serving_run.load(root), model_dir, inference_config=flipped, batch_sizes=[1])
    return root, model_dir


@pytest.mark.slowest
def test_a_couple_is_paired_in_the_graph(couples):
    """Two who overlap and one alone: as predict has them, and the two not as they are when each is asked for alone."""
    root, model_dir = couples
    image = tf.saved_model.load(str(model_dir / "1")).signatures["image"]
    boxes = np.concatenate([serving_run.BOXES, [[130.0, 90.0, 25.0, 25.0]]]).astype(np.float32)
    content = tf.constant([serving_run.jpeg()])
    found = image(image_bytes=content, boxes=tf.constant(boxes[None]))["keypoints"][0].numpy()
    expected = estimate(root, tf.io.decode_jpeg(serving_run.jpeg()).numpy(), boxes)
    np.testing.assert_allclose(found[..., :2], expected[..., :2], atol=0.05)
    alone = image(image_bytes=content, boxes=tf.constant(boxes[None, :1]))["keypoints"][0, 0].numpy()
    assert np.abs(alone - found[0])[:, :2].max() > 0.2


@pytest.mark.slowest
def test_nobody_is_zeros_in_a_fresh_process(couples, tmp_path):
    """No pictures, no rows, or rows of padding alone or beside a person; with and without flip."""
    (tmp_path / "picture.jpg").write_bytes(serving_run.jpeg())
    folders = couples[1] / "1", couples[1] / "2"
    done = warm_process.run(warm_process.code, _NOBODY, tmp_path / "picture.jpg", *folders)
    assert done.returncode == 0, done.stderr
    shapes = {"keypoints": [12, 3], "initial_keypoints": [12, 3], "pose_score": [], "visibility": [12, 3]}
    asked = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(asked) == 2 * (2 + 2 * 6)
    for folder, signature, leading, outputs in asked:
        assert set(outputs) == set(shapes)
        for name, (shape, zeros, finite) in outputs.items():
            assert (shape, zeros, finite) == (leading + shapes[name], True, True), (folder, signature, leading, name)


@pytest.mark.slowest
def test_flip_test_is_baked_in(exported, tmp_path):
    root, _ = exported
    flipped = exporting.export(
        serving_run.load(root), tmp_path / "flip", inference_config=InferenceConfig(flip_test=True), batch_sizes=[1]
    )
    found = tf.saved_model.load(str(flipped)).signatures["image"](
        image_bytes=tf.constant([serving_run.jpeg()]), boxes=tf.constant(serving_run.BOXES[None])
    )["keypoints"][0]
    frame = tf.io.decode_jpeg(serving_run.jpeg()).numpy()
    expected = estimate(root, frame, serving_run.BOXES, flip_test=True)
    np.testing.assert_allclose(found[..., :2], expected[..., :2], atol=0.05)
    assert np.abs(expected - estimate(root, frame, serving_run.BOXES)).max() > 0.2
    metadata = json.loads((flipped / exporting.METADATA_FILE).read_text())
    assert metadata["flip_test"] is True


def test_saved_model_cli_shows_the_signatures_and_answers_from_a_jpeg(exported, tmp_path):
    folder = str(exported[1] / "1")
    cli = "tensorflow.python.tools.saved_model_cli"
    shown = warm_process.run(warm_process.module, cli, "show", "--all", "--dir", folder)
    assert shown.returncode == 0, shown.stderr
    listed = [line.split("'")[1] for line in shown.stdout.splitlines() if line.startswith("signature_def[")]
    assert sorted(listed) == ["__saved_model_init_op", "crops", "image", "serving_default"]
    outputs = {line.split("'")[1] for line in shown.stdout.splitlines() if line.strip().startswith("outputs[")}
    assert outputs == {"__saved_model_init_op", "initial_keypoints", "keypoints", "pose_score", "visibility"}
    np.save(tmp_path / "image.npy", np.array([serving_run.jpeg()]))
    np.save(tmp_path / "boxes.npy", serving_run.BOXES[:1])
    inputs = f"image_bytes={tmp_path}/image.npy;boxes={tmp_path}/boxes.npy"
    subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-m", cli),
            "run",
            "--dir",
            folder,
            "--tag_set=serve",
            "--signature_def=serving_default",
            f"--inputs={inputs}",
            f"--outdir={tmp_path}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert np.load(tmp_path / "keypoints.npy").shape == (1, 12, 3)


@pytest.mark.slowest
def test_versions_count_up_and_stay(exported, tmp_path):
    assert exporting.next_version(tmp_path) == 1
    for name in ("2", "10", "old", ".partial-x"):
        (tmp_path / name).mkdir()
    assert exporting.next_version(tmp_path) == 11
    root, model_dir = exported
    model, settings = serving_run.load(root), {"inference_config": InferenceConfig()}
    with pytest.raises(UserError, match=f"{model_dir}/1: exists already; choose another name or remove it"):
        exporting.export(model, model_dir, version=1, batch_sizes=[1], **settings)
    for sizes, said in (([], ""), ([0], "0"), ([1, -1], "1,-1")):
        message = f"^--warmup_batch_sizes={said} must be whole numbers above 0, separated by commas$"
        with pytest.raises(UserError, match=message):
            exporting.export(model, model_dir, batch_sizes=sizes, **settings)
    assert [path.name for path in model_dir.iterdir()] == ["1"]


def test_bad_flags(exported, tmp_path):
    root = exported[0]
    cases = {
        "none/config.json: does not exist": [f"--workdir={root}/none"],
        "couple/best.weights.h5: does not exist": [f"--workdir={root}", "--stage=couple"],
        "--warmup_batch_sizes: ": [f"--workdir={root}", "--warmup_batch_sizes=one"],
        "--warmup_batch_sizes= must be whole numbers": [f"--workdir={root}", "--warmup_batch_sizes="],
    }
    messages = tiny_run.messages("export", *([*flags, f"--export_dir={tmp_path}/new"] for flags in cases.values()))
    for expected, message in zip(cases, messages):
        assert message and expected in message, (expected, message)
    assert not (tmp_path / "new").exists()


def test_diverged_weights_are_not_exported(tmp_path):
    network = builders.build_opec_net(tiny_run.MODEL)
    network.get_layer("displacement_1").set_weights([np.full([4, 2], np.nan), np.zeros(2)])
    model = PoseModel(network, tiny_run.MODEL, "opec", box_margin=1.25)
    with pytest.raises(UserError, match="not finite"):
        exporting.export(model, tmp_path / "m", inference_config=InferenceConfig(), batch_sizes=[1])
    assert list(tmp_path.iterdir()) == []  # not even an empty folder


def test_a_folder_that_is_a_pattern_to_tensorflow_is_neither_written_nor_served(exported, tmp_path):
    model_dir = tmp_path / "lr=[1e-3],b=[8]"
    with pytest.raises(UserError, match="would be a pattern to TensorFlow, .*; choose a name without"):
        exporting.export(serving_run.load(exported[0]), model_dir, inference_config=InferenceConfig(), batch_sizes=[1])
    assert list(tmp_path.iterdir()) == []
    model_dir.mkdir()
    with pytest.raises(UserError, match="would be a pattern to TensorFlow"):
        ModelServer(model_dir)


def test_exif_orientation_is_respected(signatures):
    """The picture turned by 90 degrees and marked so answers as the upright one."""
    turned = cv2.rotate(serving_run.picture(), cv2.ROTATE_90_COUNTERCLOCKWISE)
    content = tf.io.encode_jpeg(turned).numpy()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    marked = content[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + content[2:]
    image, boxes = signatures["image"], tf.constant(serving_run.BOXES[None])
    found = image(image_bytes=tf.constant([marked]), boxes=boxes)["keypoints"]
    # The same pixels, JPEG's losses included.
    plain = tf.io.encode_png(cv2.rotate(tf.io.decode_jpeg(content).numpy(), cv2.ROTATE_90_CLOCKWISE)).numpy()
    np.testing.assert_allclose(found, image(image_bytes=tf.constant([plain]), boxes=boxes)["keypoints"], atol=1e-2)


def test_request_round_trip():
    request = api.predict_request("m", "crops", {"crops": np.arange(6.0).reshape(1, 2, 3)}, version=3)
    assert (request.model_spec.name, request.model_spec.version.value) == ("m", 3)
    np.testing.assert_array_equal(tf.make_ndarray(request.inputs["crops"]), [[[0, 1, 2], [3, 4, 5]]])
    np.testing.assert_array_equal(api.to_array(request.inputs["crops"]), [[[0, 1, 2], [3, 4, 5]]])

"""The Beam pipeline gives what predict gives. Needs Apache Beam, which the environment of `make install` lacks:

pip install -c constraints.txt -e .[beam] && python -m pytest tests/test_predict_beam.py
"""

import functools
import json
import os

import cv2
import numpy as np
import pytest
import tiny_run

from opec_tf.config import DetectorConfig, InferenceConfig
from opec_tf.inference.picture_groups import GroupPredictor

_BEAM = "needs Apache Beam: pip install -c constraints.txt -e .[beam]"
localfilesystem = pytest.importorskip("apache_beam.io.localfilesystem", reason=_BEAM)
beam_pipeline = pytest.importorskip("opec_tf.inference.beam_pipeline")
pytestmark = pytest.mark.slowest

COUNT = 130  # two groups and two pictures more


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of noise in a folder and its subfolder, among them a truncated one, and a file of another kind."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "more").mkdir()
    rng = np.random.default_rng(0)
    for i in range(COUNT):
        cv2.imwrite(str(folder / ("more" if i % 2 else "") / f"{i}.png"), rng.integers(0, 256, [40, 30, 3], np.uint8))
    whole = (folder / "8.png").read_bytes()
    (folder / "8.png").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.txt").write_text("none of them")
    return folder


class Store(localfilesystem.LocalFileSystem):
    """Pictures at URLs, as an object store has them, which knows no folders: store://NAME is the file FOLDER/NAME."""

    folder = None

    @classmethod
    def scheme(cls):
        return "store"

    def _file(self, url):
        return f"{self.folder}/{url[len('store://') :]}"

    def _list(self, dir_or_prefix):
        for found in super()._list(self._file(dir_or_prefix)):
            url = found.path.replace(f"{self.folder}/", "store://")
            yield type(found)(url, found.size_in_bytes)

    def exists(self, path):
        return os.path.isfile(self._file(path)) if path.startswith("store://") else os.path.exists(path)

    def open(self, path, *arguments, **options):
        return super().open(self._file(path), *arguments, **options)


def _sorted(people):
    return sorted(people, key=lambda person: (person["file_name"], person["bbox"], person["keypoints"]))


def _shards(output):
    return [json.loads(path.read_text()) for path in sorted(output.glob("predictions-*-of-*.json"))]


def test_two_worker_processes_give_what_predict_gives(run, folder, tmp_path):
    common = [f"--workdir={run}", f"--images={folder}", "--detector=none", "--inference_batch_size=16"]
    alone = tiny_run.call("predict", *common, f"--output_dir={tmp_path / 'alone'}", "--nodraw")
    assert alone.returncode == 0, alone.stderr
    output = tmp_path / "beam"
    done = tiny_run.call("predict_beam", *common, f"--output={output}", "--direct_num_workers=2", "--num_shards=3")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == f"{COUNT - 1} people written to {output}; 1 of {COUNT} images skipped"
    # As many models are loaded as there are processes, for three groups.
    assert f"{COUNT} images in " in second and " by 2 workers: " in second

    expected = json.loads((tmp_path / "alone" / "predictions.json").read_text())
    shards = _shards(output)
    assert len(shards) == 3 and len(expected) == COUNT - 1
    assert _sorted(sum(shards, [])) == _sorted(expected)
    assert json.loads((output / "unreadable.json").read_text()) == [
        {"file_name": "8.png", "path": str(folder / "8.png"), "reason": "is truncated or damaged"}
    ]


def test_the_packages_graphs_are_gone_before_tensorflow_ends(folder, tmp_path):
    """Beam keeps a worker's model to the very end of the process."""
    options = [f"--images={folder / '0.png'}", f"--output={tmp_path}"]
    done = tiny_run.call("predict_beam", *options)
    assert done.returncode == 0 and "Exception ignored" not in done.stderr, done.stderr


@pytest.mark.parametrize("images", ["store://{}", "store://{}/**.png"])
def test_pictures_of_another_file_system(run, folder, tmp_path, monkeypatch, images):
    monkeypatch.setattr(Store, "folder", folder.parent)
    load = functools.partial(GroupPredictor, str(run), None, "none", DetectorConfig(), InferenceConfig())
    where, options = images.format(folder.name), ["--runner=DirectRunner"]
    counts = beam_pipeline.run(where, str(tmp_path), load, num_shards=1, options=options)
    assert counts == {"people": COUNT - 1, "images": COUNT, "skipped": 1, "workers": 1}
    (people,) = _shards(tmp_path)
    ids = {person["file_name"]: person["image_id"] for person in people}
    assert ids == {f"{'more/' if i % 2 else ''}{i}.png": i for i in range(COUNT) if i != 8}
    (unreadable,) = json.loads((tmp_path / "unreadable.json").read_text())
    assert unreadable["path"] == f"store://{folder.name}/8.png"


def test_what_cannot_be_done_is_said_in_a_line(run, folder, tmp_path):
    used = tmp_path / "used"
    used.mkdir()
    (used / "unreadable.json").write_text("[]")
    good = {"workdir": run, "images": folder / "1*.png", "output": tmp_path / "out", "direct_running_mode": "in_memory"}
    cases = [
        ({"workdir": tmp_path / "none"}, "none/config.json: does not exist"),
        ({"stage": "couple"}, "couple"),
        ({"images": folder / "*.tif"}, "*.tif: no file matches; check --images"),
        ({"images": used}, "used: holds no image (.jpg"),
        ({"images": "nowhere://a/*.jpg"}, "nowhere://a/*.jpg: cannot be looked for (Unable to get filesystem"),
        ({"output": used}, "used: has results of another run; choose another --output"),
        ({"output": folder / "0.png"}, "0.png: cannot be written"),
        ({"runner": "NoRunner"}, "--runner or --beam_options: Unexpected pipeline runner: NoRunner"),
        ({"detector": tmp_path / "none.onnx"}, "none.onnx: cannot be read"),
        (
            {"images": folder / "8.png", "output": tmp_path / "bad"},
            "unreadable.json: not one of 1 images can be read; check --images",
        ),
        ({"images": folder / "0.png", "output": tmp_path / "good", "detector": "none"}, None),
    ]
    arguments = [[f"--{name}={value}" for name, value in {**good, **changes}.items()] for changes, _ in cases]
    for (changes, expected), message in zip(cases, tiny_run.messages("predict_beam", *arguments)):
        if expected is None:
            assert message is None
        else:
            assert message and expected in message and "\n" not in message, (changes, message)
    assert [len(shard) for shard in _shards(tmp_path / "good")] == [1]
    assert json.loads((tmp_path / "good" / "unreadable.json").read_text()) == []
    assert not list((tmp_path / "out").glob("predictions-*.json"))

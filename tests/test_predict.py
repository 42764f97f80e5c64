import json

import cv2
import numpy as np
import pytest
import tiny_run

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path):
    """Three pictures, a truncated one, and boxes for all."""
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.jpg"), np.full([60, 80, 3], 90 * i, np.uint8))
    (tmp_path / "3.jpg").write_bytes((tmp_path / "2.jpg").read_bytes()[:200])
    boxes = [{"file_name": f"{i}.jpg", "bbox": [9, 9, 40, 40], "score": 1} for i in range(4)]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    return tmp_path


def test_a_pattern_with_a_bad_image(run, folder):
    result = tiny_run.call(
        "predict",
        f"--workdir={run}",
        f"--images={folder}/?.jpg",
        f"--boxes={folder}/boxes.json",
        f"--output_dir={folder}/out",
        "--compare",
        "--flip_test",
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == f"3 people written to {folder}/out; 1 of 4 images skipped"
    assert [line for line in result.stderr.splitlines() if line.endswith("3.jpg: is truncated or damaged; skipped")]
    people = json.loads((folder / "out" / "predictions.json").read_text())
    assert len(people) == 3 and np.allclose(np.sum(people[0]["visibility"], axis=1), np.ones(12), atol=1e-3)
    assert len(list((folder / "out" / "drawings").iterdir())) == 3


def test_nanodet_finds_the_people_unless_the_images_are_the_boxes(run, folder):
    """There is nobody in grey pictures; as boxes they hold a person each."""
    arguments = [f"--workdir={run}", f"--images={folder}", "--nodraw"]
    whole, found = folder / "whole", folder / "found"
    messages = tiny_run.messages(
        "predict", [*arguments, f"--output_dir={whole}", "--detector=none"], [*arguments, f"--output_dir={found}"]
    )
    assert messages == [None, None]
    people = json.loads((whole / "predictions.json").read_text())
    assert [person["bbox"] for person in people] == [[0, 0, 80, 60]] * 3
    assert json.loads((found / "predictions.json").read_text()) == []


def test_bad_input(run, folder, tmp_path_factory):
    unfinished = tmp_path_factory.mktemp("unfinished")
    tiny_run.make(unfinished, stages=())
    base_only = tmp_path_factory.mktemp("base_only")
    tiny_run.make(base_only, stages=("base",))
    files = {
        "unknown.json": '[{"file_name": "other.jpg", "bbox": [1, 2, 3, 4]}]',
        "nan.json": '[{"file_name": "0.jpg", "bbox": [1, NaN, 3, 4]}]',
        "short.json": '[{"file_name": "0.jpg", "bbox": [1, 2, 3]}]',
        "empty.json": "",
    }
    for name, content in files.items():
        (folder / name).write_text(content)
    (folder / "begun").mkdir()
    (folder / "begun" / "predictions.partial.json").write_text(
        '{"frames": 1, "skipped": [], "predictions": [], "made_by": {"weights": "w"}}'
    )
    good = {"workdir": run, "images": folder, "output_dir": folder / "out"}
    cases = [
        ({"workdir": folder / "none"}, "none/config.json: does not exist"),
        ({"workdir": unfinished}, "no stage is finished"),
        ({"workdir": base_only, "compare": True}, "--compare needs a refined pose"),
        (
            {"workdir": "", "base_weights": base_only / "base" / "best.weights.h5", "compare": True},
            "--compare needs a refined pose",
        ),
        ({"stage": "couple"}, "couple"),
        ({"images": folder / "*.tif"}, "*.tif: no file matches"),
        ({"images": folder / "3.jpg"}, "3.jpg: cannot be read, nor can any other"),
        ({"strict": True}, "3.jpg: is truncated or damaged; replace the file"),
        (
            {"boxes": folder / "unknown.json"},
            "unknown.json: no box belongs to any of the images (first 'file_name': other.jpg)",
        ),
        ({"boxes": folder / "nan.json"}, "nan.json: box number 1: 'bbox' holds NaN or infinity"),
        ({"boxes": folder / "short.json"}, "short.json: box number 1: 'bbox' has 3 values"),
        ({"boxes": folder / "empty.json"}, "empty.json: is not valid JSON"),
        ({"boxes": folder / "missing.json"}, "missing.json: cannot be read"),
        (
            {"boxes": folder / "boxes.json", "detector": "nanodet"},
            "--boxes and --detector both say where the people are",
        ),
        ({"detector": folder / "none.onnx"}, "none.onnx: cannot be read"),
        ({"detector": "model.pt"}, "model.pt: is no detector"),
        ({"detector": "hog"}, "hog: OpenCV's HOG detector is gone"),
        ({"output_dir": folder / "0.jpg"}, "0.jpg: cannot be written"),
        ({"output_dir": folder / "begun", "detector": "none"}, "begun with weights=w (now "),
    ]
    arguments = [[f"--{name}={value}" for name, value in {**good, **changes}.items()] for changes, _ in cases]
    for (changes, expected), message in zip(cases, tiny_run.messages("predict", *arguments)):
        assert message and expected in message and "\n" not in message, (changes, message)
    assert not (folder / "out" / "predictions.json").exists()

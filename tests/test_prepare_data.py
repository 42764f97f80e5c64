"""The prepare_data command, in a process of its own: conversions that read back, and its one-line errors."""

import subprocess
import sys

import masked_people
import numpy as np
import pytest

from opec_tf.common import files
from opec_tf.data.annotations import loading
from opec_tf.poses.skeletons import COCO17


def _prepare(*arguments):
    command = [sys.executable, "-m", "opec_tf.prepare_data", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(("annotation_format", "name"), [("mpii", "test_mpii"), ("crowdpose", "crowdpose_val")])
def test_conversion_reads_back(real_samples, tmp_path, annotation_format, name):
    folder = real_samples / annotation_format
    source = folder / f"{name}.json"
    done = _prepare(
        annotation_format, f"--annotations={source}", f"--images={folder}", f"--output_dir={tmp_path / 'out'}"
    )
    assert done.returncode == 0, done.stderr
    converted = loading.read("coco", tmp_path / "out" / f"{name}_coco.json", folder)
    original = loading.read(annotation_format, source, folder)
    np.testing.assert_array_equal(converted.keypoints, original.keypoints)
    np.testing.assert_array_equal(converted.visibility, original.visibility)
    np.testing.assert_array_equal(converted.image_paths, original.image_paths)
    if annotation_format == "crowdpose":
        assert "8527 people in 2000 images; largest box IoU of an image: mean 0.288, above 0.3 in 42.9%" in done.stdout
        assert "2000 of 2000 images are missing" in done.stderr


def test_ochuman_is_written_in_its_two_splits(tmp_path):
    person = {"bbox": [0, 0, 20, 40], "keypoints": [5, 6, 1] * 17, "segms": {"outer": []}, "max_iou": 0.5}
    images = [
        {"image_id": str(i), "file_name": f"{i:06d}.jpg", "width": 90, "height": 80, "annotations": [person]}
        for i in range(2502)
    ]
    files.write_json(tmp_path / "ochuman.json", {"keypoint_names": list(COCO17.joints), "images": images})
    done = _prepare("ochuman", f"--annotations={tmp_path / 'ochuman.json'}", f"--output_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    test = loading.read("ochuman", tmp_path / "ochuman_test_coco.json", "images")
    assert test.image_paths.tolist() == ["images/002500.jpg", "images/002501.jpg"]
    assert test.image_ids.tolist() == [1, 2]
    assert loading.read("ochuman", tmp_path / "ochuman_val_coco.json", "images").num_images == 2500


def test_synthetic_prints_the_table_1_statistic(tmp_path):
    done = _prepare("synthetic", f"--output_dir={tmp_path}", "--couples=10", "--seed=3", "--image_size=64")
    assert done.returncode == 0, done.stderr
    lines = {line.split(":")[0]: line for line in done.stdout.splitlines()}
    assert {"train", "val", "test"} <= set(lines)
    assert "14 people in 7 images; largest box IoU of an image: mean 0." in lines["train"]


def test_pasted_prints_the_table_1_statistic(tmp_path):
    annotations, images = masked_people.write(tmp_path / "source", 6)
    source = (f"--annotations={annotations}", f"--images={images}", "--splits=val")
    done = _prepare("pasted", *source, f"--output_dir={tmp_path}", "--couples=4", "--seed=3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("val: 8 people in 4 images; largest box IoU of an image: mean 0.")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "--output_dir"),
        (["--output_dir=x"], 2, "name what to do: synthetic, pasted, checked, coco, crowdpose, ochuman, ocpose, mpii"),
        (["cityscapes", "--output_dir=x"], 2, "name what to do: synthetic"),
        (["pasted", "--output_dir=x"], 1, "--annotations is missing; name a COCO-format file with joints and masks"),
        (["pasted", "--output_dir=x", "--annotations=y", "--splits=a,b"], 1, "--splits: 'a' is no NAME:SHARE"),
        (["checked", "--output_dir=x", "--annotations=y"], 1, "--poses is missing"),
        (["mpii", "coco", "--output_dir=x"], 2, "unexpected argument 'coco'"),
        (["mpii", "--output_dir=x"], 1, "--annotations is missing; name the mpii annotation file"),
        (["mpii", "--output_dir=x", "--annotations=none.json"], 1, "none.json: cannot be read"),
    ],
)
def test_errors_are_one_line(arguments, status, message):
    done = _prepare(*arguments)
    assert done.returncode == status
    assert message in done.stderr
    assert done.stderr.count("\n") == 1

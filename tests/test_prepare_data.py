"""The prepare_data command, in a process of its own: conversions that read back, and its one-line errors."""

import subprocess
import sys

import masked_people
import numpy as np
import pytest
import stick_couples
import video_files

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


def test_statistics_are_printed_and_written(tmp_path):
    stick_couples.write(tmp_path / "a", 3)
    stick_couples.write(tmp_path / "b", 2, seed=1)
    data = "crowdpose:a/annotations.json:a/images,coco:b/annotations.json:b/images"
    done = _prepare("statistics", f"--data={data}", f"--data_root={tmp_path}", f"--output_dir={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    assert "| a/annotations.json | 3 | " in done.stdout and "| b/annotations.json | 4 | 56 | " in done.stdout
    assert (tmp_path / "out" / "statistics.md").read_text() == done.stdout
    assert files.read_json(tmp_path / "out" / "statistics.json")["a/annotations.json"]["crowd_index"] == 0.5
    assert (tmp_path / "out" / "statistics.png").stat().st_size > 1000
    assert _prepare("statistics", f"--data={data}", f"--data_root={tmp_path}").stdout == done.stdout


def test_crowd_index_says_what_it_added(tmp_path):
    folder = stick_couples.write(tmp_path / "a", 3)
    content = files.read_json(folder / "annotations.json")
    del content["images"][0]["crowdIndex"]
    files.write_json(tmp_path / "labels.json", content)
    done = _prepare("crowd_index", f"--annotations={tmp_path / 'labels.json'}", f"--output_dir={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    assert "labels.json: crowdIndex added to 1 images; 2 had one and keep it, within 0.01 of what" in done.stdout
    assert files.read_json(tmp_path / "out" / "labels.json")["images"][0]["crowdIndex"] > 0


def test_leaks_are_counted(tmp_path):
    train, test = (stick_couples.write(tmp_path / name, count) for name, count in (("train", 6), ("test", 2)))
    done = _prepare("leaks", f"--train={train}", f"--test={test}", f"--output_dir={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    said = (
        "2 of 2 test pictures are among the 6 of the training set (same bytes: 2, same picture: 0, mirrored: 0); 2 of"
    )
    assert done.stdout.startswith(said)
    assert (tmp_path / "out" / "leaks.html").exists()


def test_frames_are_counted(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, [30, 48, 64, 3], np.uint8)
    video_files.write_frames(tmp_path / "a.avi", list(noise), 10, "MJPG")
    done = _prepare("frames", f"--videos={tmp_path}/*.avi", "--every=1", f"--output_dir={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    count = len(list((tmp_path / "out").glob("a/*.jpg")))
    assert 2 <= count <= 3
    assert done.stdout == f"{count} frames of 1 videos in {tmp_path / 'out'}, listed in frames.json\n"
    # Nobody is in noise.
    done = _prepare("frames", f"--videos={tmp_path}", "--min_iou=0.3", f"--output_dir={tmp_path / 'people'}")
    assert (done.returncode, done.stdout.split(" in ")[0]) == (0, "0 frames of 1 videos"), done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "name what to do: synthetic, pasted, checked, frames, merge_annotations, statistics, crowd_index"),
        (["cityscapes", "--output_dir=x"], 2, "name what to do: synthetic"),
        (
            ["synthetic"],
            2,
            "--output_dir is missing; for example: python -m opec_tf.prepare_data synthetic --output_dir=",
        ),
        (
            ["pasted", "--output_dir=x"],
            2,
            "--annotations is missing; for example: python -m opec_tf.prepare_data pasted",
        ),
        (["pasted", "--output_dir=x", "--annotations=y", "--splits=a,b"], 1, "--splits: 'a' is no NAME:SHARE"),
        (["checked", "--output_dir=x", "--annotations=y"], 2, "--poses is missing"),
        (["mpii", "coco", "--output_dir=x"], 2, "unexpected argument 'coco'"),
        (["mpii", "--output_dir=x"], 2, "--annotations is missing (--help lists the flags)"),
        (["mpii", "--output_dir=x", "--annotations=none.json"], 1, "none.json: cannot be read"),
        (["frames", "--output_dir=x"], 2, "--videos is missing"),
        (["frames", "--output_dir=x", "--videos=none/*.mp4"], 1, "none/*.mp4: no video"),
        (["frames", "--output_dir=x", "--videos=y", "--every=0"], 2, "flag --every=0"),
        (["frames", "--output_dir=x", "--videos=y", "--min_iou=0.7"], 1, "raise --detector_nms_iou above --min_iou"),
        (["merge_annotations", "--output_dir=x", "--annotations=y"], 2, "--images is missing; for example: python"),
        (["merge_annotations", "--output_dir=x", "--annotations=y", "--images=z"], 1, "z: is no folder"),
        (["statistics"], 2, "--data is missing; for example: python -m opec_tf.prepare_data statistics --data="),
        (["statistics", "--data=val.json"], 1, "must be written FORMAT:ANNOTATIONS:IMAGES"),
        (["crowd_index", "--output_dir=x", "--annotations=none.json"], 1, "none.json: cannot be read"),
        (["leaks", "--train=x", "--test=y"], 2, "--output_dir is missing"),
        (["leaks", "--train=x", "--test=y", "--output_dir=z"], 1, "--train: ./x is no folder"),
    ],
)
def test_errors_are_one_line(arguments, status, message):
    done = _prepare(*arguments)
    assert done.returncode == status
    assert message in done.stderr
    assert done.stderr.count("\n") == 1

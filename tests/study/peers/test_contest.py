"""What is compared: the cases, our side of each at a tiny size, the data of both sides, the report."""

import json
import pathlib
import shutil

import cv2
import numpy as np
import pytest

from opec_tf.config import DataConfig, ModelConfig
from opec_tf.data.annotations import loading
from opec_tf.evaluation import protocols
from opec_tf.poses import predictions, skeletons
from opec_tf.study import timed_steps
from opec_tf.study.peers import contest, networks, opencv_crops, plain_scoring, report, tensorflow_side

TINY = networks.Compared(
    "tiny", "base", ModelConfig(crop_height=64, crop_width=64, trunk="resnet10", trunk_width=8, skeleton="coco17"), 2
)
STILL = DataConfig(flip_probability=0.0, box_jitter=0.0)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contest")
    return contest.cases([TINY], contest.SECTIONS, STILL, 2, folder), folder


def test_every_section_has_its_cases(cases):
    assert [(case.section, case.name) for case in cases[0]] == [
        ("inference", "tiny, batch 1"),
        ("inference", "tiny, batch 8"),
        ("inference", "tiny, batch 32"),
        ("training", "tiny, batch 2"),
        ("pipeline", "64 x 64, 1 core"),
        ("pipeline", "64 x 64, 2 cores"),
        ("scoring", "coco, from files"),
        ("scoring", "crowdpose, from files"),
    ]
    assert all(json.loads(json.dumps(case.job)) for case in cases[0])
    assert [len(case.cores) for case in cases[0]] == [0, 0, 0, 0, 1, min(2, len(contest.usable_cores())), 0, 0]
    assert contest.cases([TINY, TINY], ["training"], STILL, 1, cases[1])[1].size == 2


@pytest.mark.slowest
def test_our_side_does_each_of_them(cases):
    found = {case.section: tensorflow_side.KINDS[case.job["kind"]](case.job)() for case in cases[0]}
    assert found["inference"]["base_heatmaps"].shape == (32, 16, 16, 17)
    assert np.isfinite(found["training"])
    crops, heatmaps = found["pipeline"]
    assert crops.shape == (16, 64, 64, 3) and heatmaps.shape == (16, 16, 16, 12)
    assert 0 < found["scoring"]["AP"] < 1


def test_the_peer_scores_the_same_files_to_the_same_numbers(cases):
    for case in cases[0][-2:]:
        truth, found = case.job["truth"], case.job["found"]
        people = loading.read(case.job["protocol"], truth, image_folder="")
        poses = predictions.read(found, images=people, if_nobody=people.skeleton)
        ours = protocols.evaluate(people, poses, case.job["protocol"])
        theirs = plain_scoring.prepare(case.job)()
        assert 0.2 < ours["AP"] < 0.9
        assert ours["AP"] == theirs[0] and ours["AR"] == theirs[5]


def test_the_plain_data_set_makes_our_crops(cases, tmp_path):
    folder = tmp_path / "smooth"
    shutil.copytree(cases[1], folder)
    # Smooth pictures: of coloured noise the two decoders make different colours.
    for path in map(str, folder.glob("*.jpg")):
        cv2.imwrite(path, 3.0 * cv2.GaussianBlur(cv2.imread(path).astype(np.float32), (0, 0), 8) - 256.0)
    annotations = json.loads((folder / "people.json").read_text())
    crops = opencv_crops.OpenCvCrops(annotations, str(folder), skeletons.BODY12, (64, 64), STILL, sigma=1.0)
    assert len(crops) == 96
    people = loading.read("coco", folder / "people.json", folder)
    batches = timed_steps.training_input(people.select([5]), (64, 64), STILL, 1, 1)
    ours, joints = next(batches)
    crop, heatmaps = crops[5]
    # OpenCV places samples at multiples of 1/32 pixel.
    difference = np.abs(255.0 * crop.transpose(1, 2, 0) - ours[0].numpy())
    assert difference.mean() < 2.0 and np.std(ours) > 20.0
    for heatmap, (x, y, *_) in zip(heatmaps, joints[0].numpy()):
        column, row = np.rint(((np.array([x, y]) + 1.0) * 64 - 1.0) / 2.0 / 4.0 - 0.375).astype(int)
        if 0 <= column < 16 and 0 <= row < 16:
            assert heatmap[row, column] == 1.0 == heatmap.max()


def test_a_mirrored_crop_has_its_joints_mirrored(cases):
    folder = cases[1]
    annotations = json.loads((folder / "people.json").read_text())
    plain = opencv_crops.OpenCvCrops(annotations, str(folder), skeletons.BODY12, (64, 64), STILL, sigma=1.0)
    mirror = DataConfig(flip_probability=1.0, box_jitter=0.0)
    mirrored = opencv_crops.OpenCvCrops(annotations, str(folder), skeletons.BODY12, (64, 64), mirror, sigma=1.0)
    (crop, heatmaps), (crop_m, heatmaps_m) = plain[5], mirrored[5]
    assert np.abs(crop - crop_m[..., ::-1]).mean() < 0.01
    for joint, other in enumerate(skeletons.BODY12.flip_order):
        (row, column), (row_m, column_m) = (
            np.unravel_index(maps.argmax(), maps.shape) for maps in (heatmaps[joint], heatmaps_m[other])
        )
        # The nearest cell of a joint between two may be the other one.
        assert abs(row - row_m) <= 1 and abs(15 - column - column_m) <= 1


def test_the_report_has_a_line_a_case(tmp_path):
    result = {"ours_s": 0.01, "peer_s": 0.02, "ratio": 0.5, "ratio_low": 0.4, "ratio_high": 0.6}
    results = {"training": {"small": result}, "scoring": {"coco": {**result, "ratio_high": 0.7}}}
    assert report.table(results, "torch").splitlines() == [
        "| what | ms here | ms torch | time here / there (quartiles of pairs) |",
        "|---|---|---|---|",
        "| training: small | 10.0 | 20.0 | 0.50 (0.40 to 0.60) |",
        "| scoring: coco | 10.0 | 20.0 | 0.50 (0.40 to 0.70) |",
    ]
    report.plot(results, "torch", tmp_path / "a.png")
    picture = cv2.imread(str(tmp_path / "a.png"))
    # Two colours, one a section, beside ink and paper.
    blue, orange = np.array([180, 119, 31]), np.array([14, 127, 255])
    assert all((picture == color).all(axis=-1).sum() > 20 for color in (blue, orange))


def test_the_compared_networks_are_the_configs(tmp_path):
    flags = (pathlib.Path(__file__).parents[3] / "configs/synthetic.flags").read_text().splitlines()
    small = networks.NETWORKS["resnet18"].config
    for name in ("crop_height", "crop_width", "trunk", "trunk_width", "decoder", "deconv_channels"):
        assert f"--{name}={getattr(small, name)}" in flags
    assert "--nosqueeze_excite" in flags and not small.squeeze_excite
    assert networks.NETWORKS["resnet101"].config == ModelConfig()

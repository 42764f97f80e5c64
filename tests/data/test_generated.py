import pytest

from opec_tf.common import files
from opec_tf.data import generated
from opec_tf.data.annotations import coco


def _person(image_id, box, flags):
    return {"image_id": image_id, "bbox": box, "keypoints": [n for v in flags for n in (1, 1, v)]}


def test_names_and_ids_of_splits_do_not_meet():
    assert generated.file_name(0, 0) == "00000001.jpg"
    assert generated.image_id(2, 4) == 20_000_005
    assert generated.file_name(2, 4) == "20000005.jpg"


def test_figures_by_hand():
    people = [
        _person(1, [0, 0, 10, 10], [2, 1, 0]),
        _person(1, [5, 0, 10, 10], [1, 2, 2]),
        _person(2, [0, 0, 1, 1], [2]),
    ]
    images = [{"id": 1, "crowdIndex": 0.5}, {"id": 2, "crowdIndex": 0.0}]
    figures = generated.summarize({"images": images, "annotations": people})
    assert figures["images"] == 2 and figures["people"] == 3
    assert figures["mean_iou"] == pytest.approx((50 / 150) / 2)
    assert (figures["iou30"], figures["iou50"]) == (0.5, 0.0)
    assert figures["hidden_joints"] == pytest.approx(2 / 6)
    assert figures["crowd_index"] == 0.25


def test_pictures_are_dealt_out_in_the_order_of_their_ids(tmp_path):
    people = [{"id": i, **_person(i, [0, 0, 9, 9], [2] * 12), "category_id": 1} for i in (9, 3, 5, 7, 1)]
    images = [{"id": i, "file_name": f"{i}.jpg", "height": 20, "width": 20} for i in (9, 3, 5, 7, 1)]
    files.write_json(tmp_path / "people.json", {"images": images, "annotations": people})
    parts = generated.split_images(coco.read(tmp_path / "people.json", tmp_path), {"train": 2.0, "val": 1.0})
    ids = {name: sorted(part.image_ids.tolist()) for name, part in parts.items()}
    assert ids == {"train": [1, 5, 7], "val": [3, 9]}
    assert all(part.num_people == part.num_images for part in parts.values())


def test_finished_is_what_was_written_whole_under_the_same_settings(tmp_path):
    assert not generated.is_finished(tmp_path, {"seed": 1}, 1)
    content = {"info": {"seed": 1}, "images": [{"file_name": "a.jpg"}]}
    files.write_json(tmp_path / "annotations.json", content)
    assert not generated.is_finished(tmp_path, {"seed": 1}, 1)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").touch()
    assert generated.is_finished(tmp_path, {"seed": 1}, 1)
    assert not generated.is_finished(tmp_path, {"seed": 2}, 1)
    assert not generated.is_finished(tmp_path, {"seed": 1}, 2)
    (tmp_path / "annotations.json").write_text("{")
    assert not generated.is_finished(tmp_path, {"seed": 1}, 1)

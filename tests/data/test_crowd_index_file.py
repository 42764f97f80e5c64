"""crowdIndex written into a file that lacks it."""

import json

import pytest

from opec_tf.common.errors import UserError
from opec_tf.data import crowd_index
from opec_tf.data.annotations import coco


def _write(path, indices):
    """A picture for each index (None: left out) of two people, of whom each has one of the other's two joints."""
    joints = [[1, 1, 2, 9, 1, 2] + [0] * 30, [7, 1, 2, 14, 1, 1] + [0] * 30]
    boxes = [[0, 0, 8, 8], [6, 0, 10, 8]]
    images, people = [], []
    for number, index in enumerate(indices, 1):
        images.append({"id": number, "file_name": f"{number}.jpg", "licence": 3})
        if index is not None:
            images[-1]["crowdIndex"] = index
        people += [
            {"id": 2 * number + i, "image_id": number, "category_id": 1, "bbox": boxes[i], "keypoints": joints[i]}
            for i in (0, 1)
        ]
    content = {"info": {"by": "me"}, "images": images, "annotations": people, "categories": []}
    path.write_text(json.dumps(content))
    return content


def test_only_what_lacks_it_gets_it(tmp_path):
    content = _write(tmp_path / "a.json", [None, 0.505, 0.7])
    done = crowd_index.write(tmp_path / "out", tmp_path / "a.json")
    assert done == (tmp_path / "out" / "a.json", 1, 2, 1)
    written = json.loads(done.path.read_text())
    assert [image["crowdIndex"] for image in written["images"]] == [0.5, 0.505, 0.7]
    for image in content["images"]:
        image.pop("crowdIndex", None)
    for image in written["images"]:
        image.pop("crowdIndex")
    assert written == content


def test_a_file_is_not_written_over_itself(tmp_path):
    _write(tmp_path / "a.json", [None])
    before = (tmp_path / "a.json").read_bytes()
    with pytest.raises(UserError, match="would be written over itself"):
        crowd_index.write(tmp_path, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == before


def test_most_of_crowdposes_agree(real_samples, tmp_path):
    source = real_samples / "crowdpose" / "crowdpose_val.json"
    content = json.loads(source.read_text())
    for image in content["images"][:1000]:
        del image["crowdIndex"]
    (tmp_path / "val.json").write_text(json.dumps(content))
    done = crowd_index.write(tmp_path / "out", tmp_path / "val.json")
    assert (done.added, done.stated) == (1000, 1000)
    written, published = coco.read_crowdpose(done.path, ""), coco.read_crowdpose(source, "")
    agreeing = abs(written.crowd_index - published.crowd_index) <= 0.01
    assert 0.72 < agreeing[:1000].mean() < 0.8
    assert agreeing[1000:].all()

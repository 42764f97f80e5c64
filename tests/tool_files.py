"""Annotations as tools write them, as what json.dump takes. Shared by several tests."""

from opec_tf.poses.skeletons import COCO17


def person(number, joints=17, **fields):
    """Somebody whose joint k lies at (20 + 5 k, 30 + 3 k)."""
    keypoints = [value for k in range(joints) for value in (20 + 5 * k, 30 + 3 * k, 2)]
    annotation = {"id": number, "image_id": 1, "category_id": 1, "bbox": [10, 20, 100, 80], "area": 4000}
    return {**annotation, "keypoints": keypoints, **fields}


def category(number, name, joints=COCO17.joints):
    return {"id": number, "name": name, **({"keypoints": list(joints)} if joints else {})}


def content(people, categories=None):
    image = {"id": 1, "file_name": "1.jpg", "width": 200, "height": 150}
    listed = {} if categories is None else {"categories": categories}
    return {"images": [image], "annotations": people, **listed}

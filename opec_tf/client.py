"""Sends a picture and person boxes to a model server; prints the joints, writes JSON and a drawing.

python -m opec_tf.client --target=localhost:8500 --image=photo.jpg --boxes=boxes.json --output=drawing.jpg

With --rest the target is the server's REST port. Needs no model code and does not start TensorFlow; in Python use
opec_tf.serving.pose_client.PoseClient.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from typing import Any

import numpy as np
from absl import flags as absl_flags

from opec_tf.common import cli, files, flags, records
from opec_tf.common.errors import UserError
from opec_tf.poses import drawing, picture_poses, predictions, skeletons
from opec_tf.serving import endpoint, pictures, pose_client
from opec_tf.serving.pose_client import PoseClient, ServedPoses

absl_flags.DEFINE_string(
    "target", "localhost:8500", "HOST:PORT of the server; dns:///HOST:PORT of a service of several, without --rest"
)
absl_flags.DEFINE_string("model_name", "opec_net", "the model's name on the server")
absl_flags.DEFINE_integer("version", None, "the model's version; by default the newest", lower_bound=1)
absl_flags.DEFINE_bool("rest", False, "REST instead of gRPC")
absl_flags.DEFINE_string("image", None, "picture: JPEG, PNG, BMP or, without --output, GIF", required=True)
absl_flags.DEFINE_string(
    "boxes",
    None,
    "JSON file of person boxes: a list of [x, y, w, h], or of {bbox: [x, y, w, h], file_name, image_id, category_id}, "
    "of which the people (category_id 1 or none) are taken whose file_name is the image's or, without names, whose "
    "image_id is the number that it is named by; by default the whole image is one person",
)
absl_flags.DEFINE_string(
    "initial_poses",
    None,
    "COCO results JSON of any system's poses, to be refined by a model trained with --initial_pose=given: those whose "
    "file_name is the image's or, without names, whose image_id is the number that it is named by; in place of --boxes",
)
absl_flags.DEFINE_float("deadline", 30.0, "seconds for the answer", lower_bound=0.0)
absl_flags.DEFINE_integer(
    "retries",
    endpoint.MOST_RETRIES,
    "how often an unavailable server is asked again",
    lower_bound=0,
    upper_bound=endpoint.MOST_RETRIES,
)
absl_flags.DEFINE_bool("tls", False, "encrypt the connection")
absl_flags.DEFINE_string("tls_ca", None, "PEM file of the authority that the server's certificate is checked against")
absl_flags.DEFINE_string("json", None, "file for the poses, as COCO results with the file's name")
absl_flags.DEFINE_string("output", None, "image file for a drawing")
absl_flags.DEFINE_enum("skeleton", None, sorted(skeletons.SKELETONS), "the model's joints; by default by their number")
absl_flags.DEFINE_float(
    "hidden_score", 0.3, "joints of a lower score are drawn as occluded, unless the model says what they are"
)


def main() -> None:
    options = flags.FLAGS
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it warns of every retry
    image_bytes = pictures.read_picture(options.image)
    if options.output:  # refused before the server is asked
        drawing.check_suffix(options.output)
        pictures.decode_picture(image_bytes)
    image_name = os.path.basename(options.image)
    boxes, given = None, None
    if options.boxes and options.initial_poses:
        raise UserError("--boxes and --initial_poses both say where the people are; give one of them")
    if options.boxes:
        boxes = read_boxes(options.boxes, image_name)
    if options.initial_poses:
        given = read_poses(options.initial_poses, image_name, options.skeleton)
    with PoseClient(
        options.target,
        model=options.model_name,
        version=options.version,
        rest=options.rest,
        deadline=options.deadline,
        retries=options.retries,
        tls=options.tls,
        tls_ca=options.tls_ca,
    ) as client:
        if given is None:
            poses = client.estimate(image_bytes, boxes)
        else:  # people keep their scores, as in opec_tf.predict
            poses = client.estimate(image_bytes, given.boxes, given.keypoints)
            poses = dataclasses.replace(poses, scores=given.scores)
    skeleton = _skeleton(options.skeleton, poses.keypoints.shape[1])
    print(table(poses, skeleton))
    if options.json:
        files.write_json(options.json, coco_results(poses, image_name))
    if options.output:
        drawn = pose_client.draw(image_bytes, poses, skeleton, options.hidden_score)
        drawing.write_image(options.output, drawn)


def read_boxes(path: str, image_name: str) -> np.ndarray:
    """The boxes [N, 4] of an image in a JSON file; see --boxes.

    Raises:
      UserError: the file is malformed or has no box of the image.
    """
    content = files.read_json(path)
    if isinstance(content, list) and content and all(isinstance(box, list) for box in content):
        content = [{"bbox": box} for box in content]
    everything = records.Records(path, "box", content)
    people = everything.people()
    boxes, mine = people.numbers("bbox", (4,), "x, y, width, height"), _of_image(people, image_name)
    if not mine.any():
        if people.has("file_name").any() or np.ptp(everything.integers("image_id", default=-1)):
            raise UserError(
                f"{path}: no box has the 'file_name' {image_name}, or without names its number as 'image_id'; check "
                "that both belong together"
            )
        mine = np.ones(len(people), bool)  # without names and of one image: of this one
    _refuse_without_area(path, boxes[mine])
    return boxes[mine]


def read_poses(path: str, image_name: str, skeleton_name: str | None) -> predictions.PosePredictions:
    """The people of an image in a file of another system's poses; see --initial_poses.

    Args:
      path: the file.
      image_name: the image's file name.
      skeleton_name: the model's joint set, to which joints are mapped by name; None: the file's own.

    Raises:
      UserError: the file is malformed or has nobody of the image.
    """
    people = predictions.read_people(path)
    poses = predictions.from_people(people, people.integers("image_id"), to_refine=True)
    if skeleton_name:
        poses, _ = predictions.map_to_skeleton(poses, skeletons.SKELETONS[skeleton_name], path)
    mine = _of_image(people, image_name)
    if not mine.any():
        raise UserError(
            f"{path}: no pose has the 'file_name' {image_name}, or without names its number as 'image_id'; check that "
            "both belong together"
        )
    poses = poses.select(mine)
    _refuse_without_area(path, poses.boxes)
    return poses


def _of_image(people: records.Records, image_name: str) -> np.ndarray:
    """Which ``Records`` are of an image: by its name or, where none has a name, by its number; bool [N]."""
    if people.has("file_name").any():
        return np.array([os.path.basename(name) == image_name for name in people.texts("file_name")])
    ids, number = people.integers("image_id", default=-1), os.path.splitext(image_name)[0]
    return ids == int(number) if number.isdecimal() else np.zeros(len(ids), bool)


def _refuse_without_area(path: str, boxes: np.ndarray) -> None:
    without_area = np.any(boxes[:, 2:] <= 0, axis=1)
    if without_area.any():
        raise UserError(f"{path}: 'bbox' {boxes[without_area][0].tolist()} has no area; give w and h above 0")


def table(poses: ServedPoses, skeleton: skeletons.Skeleton) -> str:
    """The poses as text: a block a person, a line a joint."""
    lines = []
    for number, (keypoints, score) in enumerate(zip(poses.keypoints, poses.scores), start=1):
        lines.append(f"person {number}, score {score:.3f}")
        rows = [f"  {j:16}{x:9.1f}{y:9.1f}{s:8.3f}" for j, (x, y, s) in zip(skeleton.joints, keypoints.tolist())]
        if poses.visibility is not None:
            likeliest = poses.visibility[number - 1].argmax(axis=-1)
            rows = [f"{row}  {skeletons.VISIBILITY_CLASSES[i]}" for row, i in zip(rows, likeliest)]
        lines += rows
    return "\n".join(lines)


def coco_results(poses: ServedPoses, image_name: str) -> list[dict[str, Any]]:
    """The poses as COCO results, as ``opec_tf.predict`` writes them."""
    return picture_poses.coco_results(poses.keypoints, poses.scores, poses.boxes, poses.visibility, name=image_name)


def _skeleton(name: str | None, num_joints: int) -> skeletons.Skeleton:
    skeleton = skeletons.SKELETONS[name] if name else skeletons.with_num_joints(num_joints)
    if skeleton is None or skeleton.num_joints != num_joints:
        raise UserError(
            f"the model has {num_joints} joints; name them by --skeleton (metadata.json beside the model says which)"
        )
    return skeleton


if __name__ == "__main__":
    cli.run(main, __doc__)

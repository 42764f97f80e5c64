"""The serving half of the demo: a trained model exported, served on this machine, asked through the client."""

from __future__ import annotations

import os
import pathlib

from opec_tf.config import InferenceConfig
from opec_tf.inference.pose_model import PoseModel
from opec_tf.poses import drawing
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.serving import exporting, pictures, pose_client
from opec_tf.serving.model_server.server import ModelServer

BATCH_SIZES = (1, 2)


def export_and_ask(
    model: PoseModel,
    model_dir: os.PathLike[str] | str,
    people: PoseAnnotations,
    drawing_path: os.PathLike[str] | str,
    inference_config: InferenceConfig,
) -> int:
    """Exports a model, unless that was done before, serves it, and draws what a client is answered.

    Args:
      model: the model.
      model_dir: folder for the export.
      people: those of the first picture are asked about.
      drawing_path: image file to write.
      inference_config: how the export is run.

    Returns:
      Number of people answered.
    """
    if not pathlib.Path(model_dir).is_dir() or exporting.next_version(model_dir) == 1:
        exporting.export(model, model_dir, inference_config=inference_config, batch_sizes=BATCH_SIZES)
    boxes = people.boxes[people.image_index == people.image_index[0]]
    picture = pictures.read_picture(people.image_paths[people.image_index[0]])
    with ModelServer(model_dir) as server:
        name = server.versions.name
        with pose_client.PoseClient(f"127.0.0.1:{server.port}", model=name) as client:
            poses = client.estimate(picture, boxes)
    drawing.write_image(drawing_path, pose_client.draw(picture, poses, model.skeleton))
    return len(poses.scores)

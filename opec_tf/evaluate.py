"""Scores a trained model on a data set: a table with a row for each pose, from the base's peaks to the last refinement.

python -m opec_tf.evaluate --flagfile=configs/crowdpose.flags --workdir=runs/crowdpose --output_dir=runs/crowdpose/test

A data set that no flag names is the one that the run was trained with. OUTPUT_DIR gets metrics.json, the COCO results
of every pose, a contact sheet of drawings and, on annotated boxes, curves by occlusion and the reliability of predicted
visibility; of --boxes=nanodet or a detector's network also what it found, detections.json, which --boxes takes again.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib

from absl import flags as absl_flags

from opec_tf.common import cli, files, flags, lazy
from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, DetectorConfig, InferenceConfig, ModelConfig, TrainConfig, from_mapping
from opec_tf.inference.people_names import ANNOTATED

# What starts TensorFlow waits until main() uses it: --help and wrong usage are answered at once.
with lazy.imports():
    from opec_tf.inference import people, pose_model
    from opec_tf.inference.detectors import named
    from opec_tf.inference.lite import lite_model
    from opec_tf.models import builders, workdir
    from opec_tf.study import report, report_text, split

# A flagfile of training is taken as it is; what evaluation has no use for is read and left alone.
flags.define(ModelConfig, DataConfig, TrainConfig, InferenceConfig, DetectorConfig)
absl_flags.DEFINE_string(
    "workdir",
    None,
    "folder of the training run, or a file of export --format=tflite; or --base_weights alone: that base is scored; by "
    "default the package's own model",
)
absl_flags.DEFINE_string("stage", None, "stage whose model is scored; by default the last one that is finished")
absl_flags.DEFINE_enum(
    "split", "test", ("train", "val", "test"), "what is scored: --train_data, --val_data or --test_data"
)
absl_flags.DEFINE_string(
    "boxes",
    ANNOTATED,
    "gt: annotated boxes; a detector's results, JSON: [{image_id, bbox, score}]; nanodet: the package's "
    "detector; or a YOLO network, FILE.onnx (YOLOX, YOLOv5, YOLOv8) or Darknet's FILE.cfg with FILE.weights beside it",
)
absl_flags.DEFINE_string(
    "initial_poses",
    None,
    "COCO results JSON of any system's poses, to be refined: its people, its boxes, its scores, in place of --boxes",
)
absl_flags.DEFINE_string("output_dir", None, "folder for results and drawings; by default WORKDIR/evaluation_SPLIT")
absl_flags.DEFINE_float(
    "hidden_score",
    0.3,
    "predicted visibility is compared with: occluded is what has a heatmap peak below this",
)
absl_flags.DEFINE_string("metrics_out", None, "file for the last pose's metrics, as flat JSON")

# What --help shows first.
_FIRST = (
    "workdir",
    "flagfile",
    "test_data",
    "data_root",
    "split",
    "boxes",
    "stage",
    "protocol",
    "flip_test",
    "output_dir",
)


def main() -> None:
    options = flags.FLAGS
    if options.initial_poses and options.boxes != ANNOTATED:
        raise UserError("--boxes and --initial_poses both say where the people are; give one of them")
    root, stage = pose_model.locate(options.workdir, options.stage, options.base_weights)
    has_folder = options.base_weights or options.workdir and not os.path.isfile(options.workdir)
    if not (has_folder or options.output_dir):
        raise UserError("--output_dir is missing; name one where --workdir is no folder of a run")
    output_dir = pathlib.Path(options.output_dir or f"{root}/evaluation_{options.split}")
    model = lite_model.load_any(root, stage, flags.if_given("box_margin"))
    _check_model_flags(model)
    data_config, inference_config = _settings(root, model.stage)
    scored = split.Split.read(options.split, data_config, inference_config.protocol, model)
    metrics = report.evaluate(
        model,
        scored,
        _people(scored, output_dir),
        output_dir,
        inference_config=inference_config,
        hidden_score=options.hidden_score,
    )
    print(report_text.table(metrics))
    if line := report_text.visibility_line(metrics):
        print(line)
    if options.metrics_out:
        files.write_json(options.metrics_out, list(metrics.values())[-1], indent=2)


def _settings(root: str, stage: str) -> tuple[DataConfig, InferenceConfig]:
    """The data and how they are scored, by the flags; a split that these do not name is the run's, by its protocol."""
    data_config, inference_config = flags.read(DataConfig), flags.read(InferenceConfig)
    sources, path = f"{flags.FLAGS.split}_data", workdir.stage_folder(root, stage).config
    if getattr(data_config, sources) or not path.exists():
        return data_config, inference_config
    settings = files.read_json(path)
    of_run = from_mapping(DataConfig, settings)
    if not getattr(of_run, sources):
        return data_config, inference_config
    remembered = {sources: getattr(of_run, sources)}
    if "data_root" not in flags.given(DataConfig):
        remembered["data_root"] = of_run.data_root
    if "protocol" not in flags.given(InferenceConfig):
        protocol = from_mapping(InferenceConfig, settings).protocol
        inference_config = dataclasses.replace(inference_config, protocol=protocol)
    data_config = dataclasses.replace(data_config, **remembered)
    named = ",".join(getattr(data_config, sources))
    print(
        f"as {root} was trained: --data_root={data_config.data_root} --{sources}={named} "
        f"--protocol={inference_config.protocol}",
        flush=True,
    )
    return data_config, inference_config


def _people(scored: split.Split, output_dir: pathlib.Path) -> people.ListedPeople:
    """Whose poses are estimated, by --boxes and --initial_poses."""
    options = flags.FLAGS
    if options.initial_poses:
        return scored.in_poses_file(options.initial_poses, flags.if_given("person_class"))
    if options.boxes == ANNOTATED:
        return scored.annotated()
    if named.is_detector(options.boxes):
        return scored.detected(options.boxes, flags.read(DetectorConfig), output_dir / "detections.json")
    return scored.in_boxes_file(options.boxes, flags.if_given("person_class"))


def _check_model_flags(model: pose_model.PoseModel) -> None:
    """The model is the workdir's; a flag that says otherwise is an error rather than ignored."""
    trained, asked = model.model_config, flags.read(ModelConfig)
    # Weights of either kind serve both, see --initial_poses.
    compared = set(flags.given(ModelConfig)) - {"initial_pose"}
    if model.stage == "base":
        compared &= builders.BASE_SETTINGS
    for name in compared:
        wanted, has = getattr(asked, name), getattr(trained, name)
        if wanted != has:
            raise UserError(
                f"--{name}={wanted} contradicts the model in {model.name}, which has {has}; "
                "leave the flag out or choose another --workdir"
            )


if __name__ == "__main__":
    cli.run(main, __doc__, first=_FIRST)

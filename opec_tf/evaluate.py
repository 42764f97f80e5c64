"""Scores a trained model on a data set: a table with a row for each pose, from the base's peaks to the last refinement.

python -m opec_tf.evaluate --flagfile=configs/crowdpose.flags --workdir=runs/crowdpose --output_dir=runs/crowdpose/test

OUTPUT_DIR gets metrics.json, the COCO results of every pose, a contact sheet of drawings and, on annotated boxes,
curves by occlusion and the reliability of predicted visibility; of --boxes=nanodet or a detector's network also what it
found, detections.json, which --boxes takes again.
"""

from absl import flags as absl_flags

from opec_tf.common import cli, files, flags
from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, DetectorConfig, InferenceConfig, ModelConfig, TrainConfig
from opec_tf.inference import results
from opec_tf.models import builders, workdir
from opec_tf.study import report

# A flagfile of training is taken as it is; what evaluation has no use for is read and left alone.
flags.define(ModelConfig, DataConfig, TrainConfig, InferenceConfig, DetectorConfig)
absl_flags.DEFINE_string("workdir", None, "folder of the training run; or --base_weights alone: that base is scored")
absl_flags.DEFINE_string("stage", None, "stage whose model is scored; by default the last one that is finished")
absl_flags.DEFINE_enum(
    "split", "test", ("train", "val", "test"), "what is scored: --train_data, --val_data or --test_data"
)
absl_flags.DEFINE_string(
    "boxes",
    "gt",
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
    results.DrawingStyle.hidden_score,
    "predicted visibility is compared with: occluded is what has a heatmap peak below this",
)
absl_flags.DEFINE_string("metrics_out", None, "file for the last pose's metrics, as flat JSON")


def main():
    options = flags.FLAGS
    if options.initial_poses and options.boxes != "gt":
        raise UserError("--boxes and --initial_poses both say where the people are; give one of them")
    root, stage = workdir.locate(options.workdir, options.stage, options.base_weights)
    _check_model_flags(root, stage)
    metrics = report.evaluate(
        root,
        options.output_dir or f"{root}/evaluation_{options.split}",
        split=options.split,
        data_config=flags.read(DataConfig),
        inference_config=flags.read(InferenceConfig),
        stage=stage,
        boxes=options.boxes,
        initial_poses=options.initial_poses,
        box_margin=options.box_margin if "box_margin" in flags.given(DataConfig) else None,
        detector_config=flags.read(DetectorConfig),
        hidden_score=options.hidden_score,
    )
    print(report.table(metrics))
    if line := report.visibility_line(metrics):
        print(line)
    if options.metrics_out:
        files.write_json(options.metrics_out, list(metrics.values())[-1], indent=2)


def _check_model_flags(root, stage):
    """The model is the workdir's; a flag that says otherwise is an error rather than ignored."""
    trained, asked = workdir.read_model_config(root), flags.read(ModelConfig)
    # Weights of either kind serve both, see --initial_poses.
    compared = set(flags.given(ModelConfig)) - {"initial_pose"}
    if (stage or workdir.last_stage(root)) == "base":
        compared &= builders.BASE_SETTINGS
    for name in compared:
        if getattr(asked, name) != getattr(trained, name):
            raise UserError(
                f"--{name}={getattr(asked, name)} contradicts the model in {root}, which has {getattr(trained, name)}; "
                "leave the flag out or choose another --workdir"
            )


if __name__ == "__main__":
    cli.run(main, __doc__)

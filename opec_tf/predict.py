"""Predicts poses on images or a video with a trained model: COCO results JSON and drawings.

python -m opec_tf.predict --workdir=runs/crowdpose --images=photos --boxes=boxes.json --output_dir=poses --compare

OUTPUT_DIR/predictions.json holds COCO results with file names; image_id is the number that a file is named by, where
all are, else its place from 1 on; of a video's frames it counts from 0. People have "visibility" where the model tells:
for each joint the probabilities [visible, occluded, outside the picture]. OUTPUT_DIR/drawings/ holds the drawings.
"""

from absl import flags as absl_flags

from opec_tf import cli, detection, files, flags, frames, prediction, skeletons
from opec_tf.config import InferenceConfig
from opec_tf.training import workdir

flags.define(InferenceConfig)
absl_flags.DEFINE_string("workdir", None, "folder of the training run", required=True)
absl_flags.DEFINE_string("stage", None, "stage whose model is used; by default the last one that is finished")
absl_flags.DEFINE_string("images", None, "an image, a folder, a pattern such as 'a/*.jpg', or a video", required=True)
absl_flags.DEFINE_string("output_dir", None, "folder for the results", required=True)
absl_flags.DEFINE_string(
    "boxes", None,
    "person boxes: a list of {file_name or image_id (of a video: the frame's number, from 0), bbox: [x, y, w, h], "
    "score}, or a COCO or CrowdPose annotation file; by default each whole image is a box",
)  # fmt: skip
absl_flags.DEFINE_bool("draw", True, "draw the poses")
absl_flags.DEFINE_bool("compare", False, "draw the base's heatmap peaks beside the refined poses")
absl_flags.DEFINE_float(
    "hidden_score", prediction.DrawingStyle.hidden_score,
    "joints whose heatmap peak is below this are drawn as occluded, unless the model or an annotation file says what "
    "they are",
)  # fmt: skip
absl_flags.DEFINE_bool("strict", False, "stop at the first unreadable image instead of skipping it with a warning")


def main():
    options = flags.FLAGS
    files.make_folder(options.output_dir)
    source = frames.open_source(options.images, options.strict)
    skeleton = skeletons.SKELETONS[workdir.read_model_config(options.workdir).skeleton]
    boxes = detection.read(options.boxes, source.ids, source.names, skeleton) if options.boxes else None
    model, model_config, stage = workdir.load_model(options.workdir, options.stage)
    count = prediction.predict(
        model, source, boxes, options.output_dir,
        model_config=model_config,
        box_margin=prediction.trained_box_margin(options.workdir, stage),
        inference_config=flags.read(InferenceConfig),
        style=prediction.DrawingStyle(options.hidden_score, options.compare) if options.draw else None,
    )  # fmt: skip
    skipped = f"; {len(source.skipped)} of {len(source)} images skipped" if source.skipped else ""
    print(f"{count} people written to {options.output_dir}{skipped}")


if __name__ == "__main__":
    cli.run(main, __doc__)

"""Predicts poses on images or a video: COCO results JSON and drawings.

python -m opec_tf.predict --images=photo.jpg
python -m opec_tf.predict --images=photos --workdir=runs/crowdpose --output_dir=poses --compare

People are found by NanoDet, which comes with the package; or name a YOLO network (--detector=yolox_s.onnx, yolov8n.onnx
or yolov3.cfg), or give --boxes. --detector=none: each image is one person's box.

OUTPUT_DIR/predictions.json holds COCO results with file names; image_id is the number that a file is named by, where
all are, else its place from 1 on; of a video's frames it counts from 0. People have "visibility" where the model tells:
for each joint the probabilities [visible, occluded, outside the picture], and in a video or under --track=on a
"track_id", the same number for the same person in all frames. OUTPUT_DIR/drawings/ holds the drawings.
Of several videos each gets its own folder in OUTPUT_DIR.
Broken off, OUTPUT_DIR/predictions.partial.json has what was found so far, from which the same command goes on; only
--smooth and a video that is drawn start anew, whose drawings until then are in NAME.partial.mp4.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import os
from collections.abc import Sequence

from absl import flags as absl_flags

from opec_tf.common import cli, files, flags, lazy, settings
from opec_tf.common.errors import UserError
from opec_tf.common.limits import PictureLimits
from opec_tf.config import DetectorConfig, InferenceConfig, TrackingConfig
from opec_tf.inference.people_names import NANODET
from opec_tf.poses.skeletons import SKELETONS, Skeleton

# What starts TensorFlow waits until main() uses it: --help and wrong usage are answered at once.
with lazy.imports():
    from opec_tf.inference import frames, people, pose_model, results, videos
    from opec_tf.models import workdir

flags.define(InferenceConfig, DetectorConfig, PictureLimits, TrackingConfig)
absl_flags.DEFINE_string(
    "workdir", None, "folder of a training run; or a base by --base_weights; by default the package's own model"
)
absl_flags.DEFINE_string("base_weights", "", "WORKDIR/base/best.weights.h5, such as convert_weights writes")
absl_flags.DEFINE_string("stage", None, "stage whose model is used; by default the last one that is finished")
absl_flags.DEFINE_string(
    "images",
    None,
    "an image, a folder, a pattern such as 'a/*.jpg', a video, or a folder or pattern of some",
    required=True,
)
absl_flags.DEFINE_string("output_dir", "poses", "folder for the results")
absl_flags.DEFINE_string(
    "boxes",
    None,
    "person boxes: a list of {file_name or image_id (of a video: the frame's number, from 0), bbox: [x, y, w, h], "
    "score}, or a COCO or CrowdPose annotation file; by default --detector finds them",
)
absl_flags.DEFINE_string(
    "detector",
    NANODET,
    "what finds people where no --boxes are given: nanodet, the package's own; a YOLO network, FILE.onnx (YOLOX, "
    "YOLOv5, YOLOv8) or Darknet's FILE.cfg with FILE.weights beside it; none: each whole image is one person's box",
)
absl_flags.DEFINE_string(
    "initial_poses",
    None,
    "COCO results JSON of any system's poses, to be refined: its people, its boxes, its scores, in place of --boxes",
)
absl_flags.DEFINE_bool("draw", True, "draw the poses")
absl_flags.DEFINE_bool("compare", False, "draw the base's heatmap peaks beside the refined poses")
absl_flags.DEFINE_float(
    "hidden_score",
    0.3,
    "joints whose heatmap peak is below this are drawn as occluded, unless the model or an annotation file says what "
    "they are",
)
absl_flags.DEFINE_bool("strict", False, "stop at the first unreadable image instead of skipping it with a warning")

# What --help shows first.
_FIRST = (
    "workdir",
    "base_weights",
    "images",
    "output_dir",
    "boxes",
    "detector",
    "initial_poses",
    "compare",
    "draw",
    "track",
)


def main() -> None:
    options = flags.FLAGS
    files.make_folder(options.output_dir)
    drawings = f"{options.output_dir}/drawings"
    patterns = frames.videos_of(options.images, options.strict, drawings) or [options.images]
    max_pixels = flags.read(PictureLimits).max_pixels
    sources = [frames.open_source(pattern, options.strict, drawings, max_pixels) for pattern in patterns]
    root, stage = pose_model.locate(options.workdir, options.stage, options.base_weights)
    # Before the network is built, which takes seconds.
    skeleton = SKELETONS[workdir.read_model_config(root).skeleton]
    people_of_sources = [_people(source, skeleton) for source in sources]
    model = pose_model.load(root, stage)
    for source, people_of_source, folder in zip(sources, people_of_sources, _folders(sources)):
        count = results.write_predictions(
            model,
            source,
            people_of_source,
            folder,
            inference_config=flags.read(InferenceConfig),
            tracking_config=flags.read(TrackingConfig),
            style=results.DrawingStyle(options.hidden_score, options.compare) if options.draw else None,
            made_by=_made_by(source, workdir.stage_folder(model.name, model.stage).best_weights),
        )
        skipped = f"; {len(source.skipped)} of {len(source)} images skipped" if source.skipped else ""
        print(f"{count} people written to {folder}{skipped}")


def _folders(sources: Sequence[frames.ImageFiles | videos.Video]) -> list[str]:
    """Where the results of each source go: --output_dir, or of several videos a folder of each one's name in it."""
    if len(sources) == 1:
        return [flags.FLAGS.output_dir]
    names = [os.path.basename(source.path) for source in sources if isinstance(source, videos.Video)]
    stems = [os.path.splitext(name)[0] for name in names]
    names = stems if len(set(stems)) == len(stems) else names
    # Videos of one name in several folders.
    return [
        os.path.join(flags.FLAGS.output_dir, name if names.count(name) == 1 else f"{name}_{number}")
        for number, name in enumerate(names, 1)
    ]


def _people(source: frames.ImageFiles | videos.Video, skeleton: Skeleton) -> people.People:
    """Who is in the frames, by --boxes, --detector and --initial_poses."""
    options = flags.FLAGS
    present = [f"--{name}" for name in ("boxes", "detector", "initial_poses") if options[name].present]
    if len(present) > 1:
        both = "both" if len(present) == 2 else "all"
        raise UserError(f"{' and '.join(present)} {both} say where the people are; give one of them")
    if not options.boxes and not options.initial_poses:
        return people.by_detector(options.detector, flags.read(DetectorConfig))
    if isinstance(source, videos.Video):
        source.count()  # which frames there are decides which boxes have one
    read, path = people.in_boxes_file, options.boxes
    if options.initial_poses:
        read, path = people.in_poses_file, options.initial_poses
    person_class = flags.if_given("person_class")
    return read(path, source.ids, source.names, skeleton, image_sizes=source.sizes(), person_class=person_class)


def _made_by(source: frames.Source, weights: os.PathLike[str]) -> dict[str, str]:
    """All that the results depend on, but for the content of the pictures."""
    options = flags.FLAGS
    choices = {
        name: value
        for config in (InferenceConfig, DetectorConfig, TrackingConfig)
        for name, value in dataclasses.asdict(flags.read(config)).items()
    }
    del choices["inference_batch_size"]
    choices.update({name: options[name].value for name in ("draw", "compare", "hidden_score")})
    made_by = {name: settings.as_flag(value) for name, value in choices.items()}
    for name in ("boxes", "detector", "initial_poses"):
        made_by[name] = ",".join(map(_dated, (options[name].value or "").split(",")))
    names = hashlib.sha256(os.fsencode("\n".join(source.names))).hexdigest()
    return {"weights": _dated(weights), "images": f"{len(source)} of names {names[:12]}", **made_by}


def _dated(path: os.PathLike[str] | str) -> str:
    """A path with the time of its file, where there is such a file."""
    if not os.path.isfile(path):
        return str(path)
    return f"{path} of {datetime.datetime.fromtimestamp(os.path.getmtime(path)).isoformat(timespec='seconds')}"


if __name__ == "__main__":
    cli.run(main, __doc__, first=_FIRST)

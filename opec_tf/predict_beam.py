"""Predicts poses on any number of pictures by Apache Beam, on this machine or many: COCO results JSON, in shards.

python -m opec_tf.predict_beam --images='photos/*.jpg' --output=poses --direct_num_workers=2

OUTPUT gets predictions-00000-of-00002.json and so on, each a list of COCO results as predict writes them, in no order,
and unreadable.json, a list of the pictures that could not be read: {"file_name", "path", "reason"}. On the same
pictures and the same kind of processor the results are those of predict, to the last digit.

IMAGES and OUTPUT may be on any file system of the installed Beam, such as gs://BUCKET/photos/*.jpg. WORKDIR and a
detector's file have to be where the workers run, too. --runner and --beam_options send the work to a cluster. Broken
off, it leaves no results and starts anew; runners such as Flink or Dataflow repeat what a lost worker was at.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import time

from absl import flags as absl_flags

from opec_tf.common import cli, flags, lazy
from opec_tf.common.errors import UserError
from opec_tf.common.limits import PictureLimits
from opec_tf.config import DetectorConfig, InferenceConfig
from opec_tf.inference.people_names import NANODET

# What starts TensorFlow, or is of an extra, waits until main() uses it: --help and wrong usage are answered at once.
with lazy.imports():
    from opec_tf.inference import beam_pipeline, people, picture_groups, pose_model
    from opec_tf.models import workdir

_DIRECT = "DirectRunner"

flags.define(InferenceConfig, DetectorConfig, PictureLimits)
absl_flags.DEFINE_string("images", None, "an image, a folder or a pattern such as 'gs://b/a/*.jpg'", required=True)
absl_flags.DEFINE_string("output", None, "folder for the results, without results of another run", required=True)
absl_flags.DEFINE_string(
    "workdir", None, "folder of a training run; or a base by --base_weights; by default the package's own model"
)
absl_flags.DEFINE_string("base_weights", "", "WORKDIR/base/best.weights.h5, such as convert_weights writes")
absl_flags.DEFINE_string("stage", None, "stage whose model is used; by default the last one that is finished")
absl_flags.DEFINE_string(
    "detector", NANODET, "what finds people: nanodet; FILE.onnx or FILE.cfg as of predict; none: each image is a box"
)
absl_flags.DEFINE_integer("num_shards", 0, "files of predictions; 0: as many as suit the runner", lower_bound=0)
absl_flags.DEFINE_string("runner", _DIRECT, "where it runs: DirectRunner (here), FlinkRunner, SparkRunner, ...")
absl_flags.DEFINE_integer("direct_num_workers", 1, "workers of the DirectRunner; 0: one a core", lower_bound=0)
absl_flags.DEFINE_enum(
    "direct_running_mode",
    "multi_processing",
    ("in_memory", "multi_threading", "multi_processing"),
    "how the DirectRunner's workers run; threads share one model and take turns",
)
flags.define_texts("beam_options", "further options of Beam or the runner: NAME=VALUE, or NAME of a switch, ...")

# What --help shows first.
_FIRST = (
    "images",
    "output",
    "workdir",
    "detector",
    "runner",
    "direct_num_workers",
    "beam_options",
)


def main() -> None:
    options = flags.FLAGS
    if importlib.util.find_spec("apache_beam") is None:
        raise UserError("apache_beam not installed: pip install opec_tf[beam]")
    if not options["verbosity"].present:
        logging.getLogger("apache_beam").setLevel(logging.CRITICAL)  # what goes wrong comes as an exception, too
    root, stage = pose_model.locate(options.workdir, options.stage, options.base_weights)
    detector_config, inference_config = flags.read(DetectorConfig), flags.read(InferenceConfig)
    # A mistake is said before workers are started, whose errors come with a traceback.
    workdir.read_model_config(root)
    stage = stage or workdir.last_stage(root)
    people.by_detector(options.detector, detector_config)
    max_pixels = flags.read(PictureLimits).max_pixels
    load = functools.partial(
        picture_groups.GroupPredictor, root, stage, options.detector, detector_config, inference_config, max_pixels
    )
    started = time.monotonic()
    counts = beam_pipeline.run(
        options.images, options.output, load, num_shards=options.num_shards, options=_beam_options()
    )
    seconds = time.monotonic() - started
    _report(counts, seconds)


def _beam_options() -> list[str]:
    options = flags.FLAGS
    given = [f"--runner={options.runner}", *(f"--{option}" for option in options.beam_options)]
    if options.runner == _DIRECT:
        given += [f"--{name}={options[name].value}" for name in ("direct_num_workers", "direct_running_mode")]
    return given


def _report(counts: dict[str, int], seconds: float) -> None:
    output, images, skipped = flags.FLAGS.output, counts["images"], counts["skipped"]
    if images and images == skipped:
        raise UserError(f"{output}/unreadable.json: not one of {images} images can be read; check --images")
    if not images:  # the runner does not tell
        print(f"written to {output}")
        return
    print(f"{counts['people']} people written to {output}; {skipped} of {images} images skipped")
    print(f"{images} images in {seconds:.0f} s by {counts['workers']} workers: {images / seconds:.2f} images a second")


if __name__ == "__main__":
    cli.run(main, __doc__, first=_FIRST)

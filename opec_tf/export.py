"""Exports a trained model for TensorFlow Serving: encoded pictures and person boxes in, keypoints out.

python -m opec_tf.export --export_dir=models/opec_net
python -m opec_tf.export --workdir=runs/crowdpose --export_dir=models/opec_net

Writes EXPORT_DIR/VERSION/ whole or not at all, so that a running server takes it up by itself. What the signatures take
and answer is said in opec_tf/serving/signatures.py; how a server is started, in serving/README.md.
"""

from __future__ import annotations

from absl import flags as absl_flags

from opec_tf.common import cli, files, flags, lazy
from opec_tf.common.errors import UserError
from opec_tf.common.limits import PictureLimits
from opec_tf.config import InferenceConfig
from opec_tf.serving import limits

# What starts TensorFlow waits until main() uses it: --help and wrong usage are answered at once.
with lazy.imports():
    from opec_tf.inference import pose_model
    from opec_tf.serving import exporting

flags.define(InferenceConfig, PictureLimits)
absl_flags.DEFINE_string("workdir", None, "folder of a training run; by default the package's own model")
absl_flags.DEFINE_string("stage", None, "stage whose model is exported; by default the last one that is finished")
absl_flags.DEFINE_string("export_dir", None, "the model's folder; its last part is the model's name", required=True)
absl_flags.DEFINE_integer("version", None, "number of the version; by default the next", lower_bound=1)
absl_flags.DEFINE_list(
    "warmup_batch_sizes",
    list(map(str, limits.WARMUP_BATCH_SIZES)),
    "sizes with warmup records; the largest is max_batch_size in serving/batching_parameters.txt",
)

# What --help shows first.
_FIRST = ("workdir", "export_dir", "version", "stage", "flip_test", "warmup_batch_sizes")


def main() -> None:
    options = flags.FLAGS
    files.refuse_pattern(options.export_dir)  # before the model is loaded
    try:
        batch_sizes = [int(size) for size in options.warmup_batch_sizes]
    except ValueError as error:
        raise UserError(f"--warmup_batch_sizes: {error}; give whole numbers separated by commas") from error
    folder = exporting.export(
        pose_model.load(options.workdir, options.stage),
        options.export_dir,
        version=options.version,
        inference_config=flags.read(InferenceConfig),
        max_pixels=flags.read(PictureLimits).max_pixels,
        batch_sizes=batch_sizes,
    )
    print(f"exported: {folder}")


if __name__ == "__main__":
    cli.run(main, __doc__, first=_FIRST)

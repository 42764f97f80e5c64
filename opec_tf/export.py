"""Exports a trained model for TensorFlow Serving: encoded pictures and person boxes in, keypoints out. Or for TFLite.

python -m opec_tf.export --export_dir=models/opec_net
python -m opec_tf.export --workdir=runs/crowdpose --export_dir=models/opec_net
python -m opec_tf.export --export_dir=models/opec_net --format=tflite --tflite_precision=float16

Writes EXPORT_DIR/VERSION/ whole or not at all, so that a running server takes it up by itself. What the signatures take
and answer is said in opec_tf/serving/signatures.py; how a server is started, in serving/README.md. For TFLite it writes
EXPORT_DIR/NAME_PRECISION.tflite, with signature "crops" of one person a call.
"""

from __future__ import annotations

import pathlib

from absl import flags as absl_flags

from opec_tf.common import cli, files, flags, lazy
from opec_tf.common.errors import UserError
from opec_tf.common.limits import PictureLimits
from opec_tf.config import InferenceConfig
from opec_tf.inference.lite import names
from opec_tf.serving import limits

# What starts TensorFlow waits until main() uses it: --help and wrong usage are answered at once.
with lazy.imports():
    from opec_tf.inference import pose_model
    from opec_tf.inference.lite import calibration, conversion
    from opec_tf.serving import exporting

_SAVED_MODEL, _TFLITE = "saved_model", "tflite"

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
absl_flags.DEFINE_enum("format", _SAVED_MODEL, (_SAVED_MODEL, _TFLITE), "for TensorFlow Serving, or for TFLite")
absl_flags.DEFINE_enum(
    "tflite_precision",
    names.FLOAT32,
    names.PRECISIONS,
    "float16: of the weights; int8: of the convolutions' weights and values, which needs --calibration_images",
)
absl_flags.DEFINE_string(
    "calibration_images",
    None,
    "for int8: folder of pictures, or a pattern, with people like those that the model will see; 200 are enough",
)

# What --help shows first.
_FIRST = (
    "workdir",
    "export_dir",
    "version",
    "stage",
    "flip_test",
    "warmup_batch_sizes",
    "format",
    "tflite_precision",
    "calibration_images",
)
# Flags that only one of the formats has.
_OF_FORMAT = {
    _SAVED_MODEL: ("version", "warmup_batch_sizes", "max_pixels"),
    _TFLITE: ("tflite_precision", "calibration_images"),
}


def main() -> None:
    _check_usage()
    if flags.FLAGS.format == _TFLITE:
        _export_lite()
    else:
        _export_saved_model()


def _check_usage() -> None:
    """What can be told to be wrong before the model is loaded."""
    options = flags.FLAGS
    files.refuse_pattern(options.export_dir)
    for of_format, own in _OF_FORMAT.items():
        for name in own if of_format != options.format else ():
            if flags.if_given(name) is not None:
                raise UserError(f"--{name}: is for --format={of_format}; leave it out or give that")
    if options.format == _TFLITE and (options.tflite_precision == names.INT8) != bool(options.calibration_images):
        raise UserError("--tflite_precision=int8 and --calibration_images=FOLDER go together; give both or neither")


def _export_lite() -> None:
    options = flags.FLAGS
    model, folder = pose_model.load(options.workdir, options.stage), pathlib.Path(options.export_dir)
    pictures = options.calibration_images
    with files.new_folder(folder):
        file = conversion.convert(
            model,
            options.tflite_precision,
            inference_config=flags.read(InferenceConfig),
            calibration=calibration.crops_of_people(pictures, model) if pictures else (),
        )
        path = folder / f"{folder.resolve().name}_{options.tflite_precision}.tflite"
        file.write(path)
    print(f"exported: {path}")


def _export_saved_model() -> None:
    options = flags.FLAGS
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

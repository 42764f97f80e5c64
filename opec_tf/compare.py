"""Compares trained models on annotated people: a table with paired bootstrap intervals.

python -m opec_tf.compare --output_dir=runs/table --set=pairs=crowdpose:test.json:images \
  --row="MoveNet=runs/movenet:peak" --row="CoupleGraph=runs/real:couple_3,runs/real_1:couple_3"

A row is one of the poses that a model makes, see evaluate: peak, initial, pose_3, couple_3 and so on; with several
runs, such as of other seeds, mean and deviation. A file of export --format=tflite may stand in a run's place. Below
each number: 95 % of the paired draws of images lie between these differences to the first row (of the runs' means).
OUTPUT_DIR gets table.md and, as soon as a set is measured, SET.json; broken off, the same command goes on there.
"""

from __future__ import annotations

from absl import flags as absl_flags

from opec_tf.common import cli, files, flags, lazy
from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, InferenceConfig

# What starts TensorFlow waits until main() uses it: --help and wrong usage are answered at once.
with lazy.imports():
    from opec_tf.inference.lite import lite_model
    from opec_tf.study import paired, split

flags.define(InferenceConfig)
absl_flags.DEFINE_multi_string("row", None, "TITLE=WORKDIR:POSE,...; the others are compared with the first")
absl_flags.DEFINE_multi_string("set", None, "NAME=FORMAT:ANNOTATIONS:IMAGES, a data set; a table each")
absl_flags.DEFINE_string("data_root", DataConfig.data_root, "folder that relative paths of data sets start from")
absl_flags.DEFINE_string("output_dir", None, "folder for the tables", required=True)
absl_flags.DEFINE_float("box_margin", None, "of all models' crops; by default each model's own", lower_bound=0)
absl_flags.DEFINE_integer("draws", 1000, "how often images are drawn for the intervals", lower_bound=1)
absl_flags.DEFINE_integer("seed", 0, "seed of the draws")


def main() -> None:
    options = flags.FLAGS
    if not (options.row and options.set):
        raise UserError("--row and --set are missing; name what is compared, and on what")
    rows, sets = [paired.Row.parse(text) for text in options.row], dict(map(_named, options.set))
    folder, config = files.make_folder(options.output_dir), flags.read(InferenceConfig)
    roots = dict.fromkeys(root for row in rows for root, _ in row.runs)
    models = {root: lite_model.load_any(root, box_margin=options.box_margin) for root in roots}
    results = {}
    for name, source in sets.items():
        data_config = DataConfig(data_root=options.data_root, test_data=(source,))
        # Models of the same joints share what is read.
        splits = {
            joints: split.Split.read("test", data_config, config.protocol, model)
            for joints, model in {model.skeleton.name: model for model in models.values()}.items()
        }
        results[name] = paired.compare(
            rows,
            models,
            {root: splits[model.skeleton.name] for root, model in models.items()},
            folder / f"{name}.json",
            inference_config=config,
            draws=options.draws,
            seed=options.seed,
        )
        print(paired.table({name: results[name]}), flush=True)
    files.write_text(folder / "table.md", paired.table(results))


def _named(text: str) -> tuple[str, str]:
    name, separator, source = text.partition("=")
    if not (name and separator) or "/" in name:
        raise UserError(f"--set={text}: must be NAME=FORMAT:ANNOTATIONS:IMAGES; NAME becomes a file's name")
    return name, source


if __name__ == "__main__":
    cli.run(main, __doc__, resumes=True)

"""Trains variants of OPEC-Net over several seeds and puts them in one table (the paper's Table 6).

python -m opec_tf.ablate --flagfile=configs/synthetic.flags --output_dir=runs/ablation

All rows of a seed start from one base, which is trained first, or all rows from --base_weights. All settings apply to
every row, which changes some of them; --report_only shows the table of what is there. OUTPUT_DIR gets ablation.csv,
ablation.md, ablation.png, a training run for each row and seed, and differences.md and .png: the rows of the command
beside the base, or the row --against, with paired bootstrap intervals over the images. Broken off, the same command
goes on where it stopped; other rows and seeds may be added at any time, by other processes too.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from absl import flags as absl_flags

from opec_tf.common import cli, files, flags, lazy
from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, InferenceConfig, ModelConfig, TrainConfig
from opec_tf.study import rows

# What starts TensorFlow waits until main() uses it: --help and wrong usage are answered at once.
with lazy.imports():
    from opec_tf.study import differences, runs, tables

flags.define(ModelConfig, DataConfig, TrainConfig, InferenceConfig)
absl_flags.DEFINE_string("output_dir", None, "folder of the study: runs, tables, plot", required=True)
absl_flags.DEFINE_list("rows", ["all"], f"rows of the table: all, or some of {', '.join([*rows.GROUPS, *rows.ROWS])}")
absl_flags.DEFINE_list("seeds", ["0", "1", "2"], "seeds of every row and of the base before it")
flags.define_texts(
    "heldout_data", "data sets in a table of their own, which tells what generalises: FORMAT:ANNOTATIONS:IMAGES,..."
)
absl_flags.DEFINE_string(
    "initial_poses",
    None,
    "with --initial_pose=given: COCO results JSON of the poses that are refined in --test_data, and their boxes",
)
absl_flags.DEFINE_enum(
    "against", "base", ["base", *rows.ROWS], "row of --rows with which differences.md compares the others"
)
absl_flags.DEFINE_bool("report_only", False, "train and score nothing, write tables and plot of what is finished")

# What --help shows first.
_FIRST = (
    "flagfile",
    "output_dir",
    "rows",
    "seeds",
    "train_data",
    "val_data",
    "test_data",
    "data_root",
    "base_weights",
    "report_only",
)


def main() -> None:
    options = flags.FLAGS
    root = pathlib.Path(options.output_dir)
    model_config, train_config = flags.read(ModelConfig), flags.read(TrainConfig)
    names = rows.named(options.rows, model_config, train_config)
    if options.against not in ("base", *names):
        raise UserError(f"--against={options.against} is none of --rows={','.join(names)}")
    if not options.report_only:
        files.refuse_pattern(root)  # of the runs
        study = runs.Study(
            files.make_folder(root),
            model_config,
            flags.read(DataConfig),
            train_config,
            flags.read(InferenceConfig),
            heldout_data=tuple(options.heldout_data),
            initial_poses=options.initial_poses,
        )
        runs.run(study, names, _seeds(options.seeds), announce=lambda line: print(line, flush=True))
        print(differences.write(study, names, options.against), flush=True)
    print(tables.write(root, None if "all" in options.rows else names))


def _seeds(texts: Sequence[str]) -> list[int]:
    if not texts or not all(text.isdecimal() for text in texts):
        raise UserError(f"--seeds={','.join(texts)} must be whole numbers separated by commas")
    return list(dict.fromkeys(map(int, texts)))


if __name__ == "__main__":
    cli.run(main, __doc__, resumes=True, first=_FIRST)

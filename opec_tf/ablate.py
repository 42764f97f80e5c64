"""Trains the rows of an ablation table (the paper's Table 6 and more) over several seeds from one shared base.

python -m opec_tf.ablate --flagfile=configs/synthetic.flags --output_dir=runs/ablation --rows=control,full --seeds=0,1,2

OUTPUT_DIR gets ablation.md (mean and spread over the seeds), ablation.csv (every number) and ablation.png. Broken off,
the same command goes on where it stopped. --base_weights names the shared base; without it one is trained first.
"""

from absl import flags as absl_flags

from opec_tf import ablation, cli, files, flags
from opec_tf.config import DataConfig, InferenceConfig, ModelConfig, TrainConfig

flags.define(ModelConfig, DataConfig, TrainConfig, InferenceConfig)
absl_flags.DEFINE_string("output_dir", None, "folder of all runs, tables and the plot", required=True)
absl_flags.DEFINE_list("rows", "all", f"rows of the table: all, or some of {', '.join(ablation.ROWS)}")
flags.define_integers("seeds", [0, 1, 2], "seeds of every row")
absl_flags.DEFINE_list("heldout_data", [], "further data sets that every run is scored on: FORMAT:ANNOTATIONS:IMAGES")
absl_flags.DEFINE_bool("report_only", False, "train nothing; tables and plot of the runs that are finished")


def main():
    options = flags.FLAGS
    settings = ablation.Ablation(
        files.make_folder(options.output_dir),
        flags.read(ModelConfig),
        flags.read(DataConfig),
        flags.read(TrainConfig),
        flags.read(InferenceConfig),
        heldout_data=tuple(options.heldout_data),
        rows=tuple(ablation.ROWS if options.rows == ["all"] else options.rows),
        seeds=tuple(options.seeds),
    )
    print(ablation.report(settings) if options.report_only else ablation.run(settings))


if __name__ == "__main__":
    cli.run(main, __doc__)

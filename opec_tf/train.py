"""Trains OPEC-Net: the base module, then the whole network; run again, it goes on where it stopped.

python -m opec_tf.train --flagfile=configs/crowdpose.flags --workdir=runs/crowdpose
"""

from __future__ import annotations

from absl import flags as absl_flags

from opec_tf.common import cli, flags, lazy
from opec_tf.config import DataConfig, InferenceConfig, ModelConfig, TrainConfig

# What starts TensorFlow waits until main() uses it: --help and wrong usage are answered at once.
with lazy.imports():
    from opec_tf.training import loop

flags.define(ModelConfig, DataConfig, TrainConfig, InferenceConfig)
absl_flags.DEFINE_string("workdir", None, "folder of the run: settings, weights, logs", required=True)

# What --help shows first.
_FIRST = (
    "flagfile",
    "workdir",
    "train_data",
    "val_data",
    "data_root",
    "stages",
    "base_weights",
    "start_from",
    "batch_size",
    "precision",
)


def main() -> None:
    loop.train(
        flags.FLAGS.workdir,
        flags.read(ModelConfig),
        flags.read(DataConfig),
        flags.read(TrainConfig),
        flags.read(InferenceConfig),
    )


if __name__ == "__main__":
    cli.run(main, __doc__, resumes=True, first=_FIRST)

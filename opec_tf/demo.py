"""The whole job on generated data, on a CPU: render couples, train the base and OPEC-Net, score, draw, serve.

python -m opec_tf.demo --output_dir=demo

OUTPUT_DIR gets the data, the training run, metrics.json, contact_sheet.jpg (ground truth, base, OPEC-Net side by side),
curves.png and served.jpg, which a client of the exported model drew. Broken off, the same command goes on where it
stopped. --quick shows in a few minutes that every part runs; its numbers mean nothing.
"""

from __future__ import annotations

import dataclasses
import pathlib
import time

from absl import flags as absl_flags

from opec_tf.common import cli, files, flags, lazy
from opec_tf.config import DataConfig, InferenceConfig, ModelConfig, TrainConfig

# What starts TensorFlow waits until main() uses it: --help and wrong usage are answered at once.
with lazy.imports():
    from opec_tf.data.annotations import loading
    from opec_tf.data.synthetic import dataset
    from opec_tf.evaluation import plots
    from opec_tf.inference import pose_model
    from opec_tf.models import workdir
    from opec_tf.serving import example
    from opec_tf.study import report, report_text, split
    from opec_tf.training import loop

absl_flags.DEFINE_string("output_dir", "demo", "folder for everything the demo makes")
absl_flags.DEFINE_bool("quick", False, "few couples, few steps")
absl_flags.DEFINE_integer("seed", 0, "seed of the data and of the training")


@dataclasses.dataclass(frozen=True)
class Size:
    """How much of everything the demo does.

    Attributes:
      couples: rendered pictures of train, val and test together; see ``dataset.split_sizes``.
      trunk, trunk_width: the ResNet, and the channels of its stem.
      base_epochs, opec_epochs: epochs of the two stages.
      validation_people: people scored after each epoch.
    """

    couples: int
    trunk: str
    trunk_width: int
    base_epochs: int
    opec_epochs: int
    validation_people: int


FULL = Size(couples=3000, trunk="resnet18", trunk_width=32, base_epochs=8, opec_epochs=10, validation_people=300)
QUICK = Size(couples=100, trunk="resnet10", trunk_width=8, base_epochs=1, opec_epochs=1, validation_people=20)


def main() -> None:
    options = flags.FLAGS
    started = time.monotonic()
    files.refuse_pattern(options.output_dir)  # of the run and the export
    output_dir = pathlib.Path(options.output_dir)
    size = QUICK if options.quick else FULL
    model_config, data_config, train_config, inference_config = configs(size, output_dir, options.seed)

    # The data of another seed or size replaces this one's; a run is only ever resumed on its own.
    kind = f"{'quick_' if options.quick else ''}seed{options.seed}"
    run = output_dir / f"run_{kind}"
    pictures = dataset.split_sizes(size.couples)
    named = ", ".join(f"{name} {count}" for name, count in pictures.items())
    _announce(1, f"rendering {sum(pictures.values())} couples ({named})")
    for name, statistics in dataset.write_dataset(output_dir / "data", size.couples, options.seed).items():
        print(f"  {name}: {statistics['people']} people, {statistics['hidden_joints']:.0%} of their joints hidden")
    _announce(2, "training the base, then OPEC-Net")
    loop.train(run, model_config, data_config, train_config, inference_config)
    _announce(3, "scoring the test split")
    model = pose_model.load(run)
    metrics = _score(model, data_config, inference_config, output_dir)
    logs = {stage: workdir.stage_folder(run, stage).log for stage in train_config.stages}
    plots.plot_training_curves(logs, output_dir / "curves.png")
    print(f"\nTest split, couples never trained on (percent):\n{report_text.table(metrics)}\n")
    _announce(4, "exporting, serving, asking as a client does")
    model_dir = output_dir / f"models_{kind}" / "opec_net"
    test = loading.read("crowdpose", output_dir / "data/test/annotations.json", output_dir / "data/test/images")
    served = example.export_and_ask(model, model_dir, test, output_dir / "served.jpg", inference_config)
    print(f"  {served} people of a test picture answered; the export is in {model_dir}")
    minutes = (time.monotonic() - started) / 60
    print(f"{output_dir}/: metrics.json, contact_sheet.jpg, curves.png, served.jpg ({minutes:.1f} minutes)")


def _score(
    model: pose_model.PoseModel, data_config: DataConfig, inference_config: InferenceConfig, output_dir: pathlib.Path
) -> report.Metrics:
    test = split.Split.read("test", data_config, inference_config.protocol, model)
    return report.evaluate(model, test, test.annotated(), output_dir, inference_config=inference_config)


def configs(
    size: Size, output_dir: pathlib.Path, seed: int
) -> tuple[ModelConfig, DataConfig, TrainConfig, InferenceConfig]:
    """The settings of the demo."""
    train, val, test = ((f"crowdpose:{name}/annotations.json:{name}/images",) for name in ("train", "val", "test"))
    return (
        ModelConfig(
            trunk=size.trunk,
            trunk_width=size.trunk_width,
            squeeze_excite=False,
            decoder="deconv",
            deconv_channels=3 * size.trunk_width,
            crop_height=128,
            crop_width=96,
            adaption_channels=(128, 96, 64),
            trunk_maps=True,
            block_channels=128,
        ),
        DataConfig(data_root=str(output_dir / "data"), train_data=train, val_data=val, test_data=test),
        TrainConfig(
            batch_size=32,
            base_epochs=size.base_epochs,
            opec_epochs=size.opec_epochs,
            validation_people=size.validation_people,
            heatmap_sigma=1.5,
            oks_loss_share=0.4,
            seed=seed,
        ),
        InferenceConfig(protocol="crowdpose12"),
    )


def _announce(step: int, what: str) -> None:
    print(f"\n[{step}/4] {what}", flush=True)


if __name__ == "__main__":
    cli.run(main, __doc__, resumes=True)

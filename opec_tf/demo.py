"""What the package's model does and what minutes of fine-tuning add: on generated couples, and on your photos.

python -m opec_tf.demo --output_dir=demo --photos=us.jpg,album/*.jpg

The couples' interactions and clothes are such as the package's model was never trained on. OUTPUT_DIR gets before/
and after/ (scores, poses and a contact sheet of the model as it comes and fine-tuned), before_after.jpg (the same
people by both, beside the truth), photos/drawings/ (yours: base and refined side by side), the fine-tuned model,
served.jpg, which a client of its export drew, and the data. Broken off, the same command goes on where it stopped.
--workdir=RUN demonstrates a run of yours in place of the package's model. --quick shows that every part runs; its
numbers mean nothing.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import time

from absl import flags as absl_flags

from opec_tf.common import cli, files, flags, lazy
from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, DetectorConfig, InferenceConfig, TrackingConfig, TrainConfig
from opec_tf.inference.people_names import NANODET

# What starts TensorFlow waits until main() uses it: --help and wrong usage are answered at once.
with lazy.imports():
    from opec_tf.data.synthetic import dataset
    from opec_tf.evaluation import plots
    from opec_tf.inference import frames, people, pose_model, results
    from opec_tf.models import workdir
    from opec_tf.poses import drawing
    from opec_tf.serving import example
    from opec_tf.study import comparison, report, split
    from opec_tf.training import loop

absl_flags.DEFINE_string("output_dir", "demo", "folder for everything the demo makes")
absl_flags.DEFINE_list("photos", [], "your pictures: files, folders and patterns such as 'album/*.jpg'")
absl_flags.DEFINE_string("workdir", None, "folder of a training run; by default the package's own model")
absl_flags.DEFINE_bool("quick", False, "few couples, few steps")
absl_flags.DEFINE_integer("seed", 0, "seed of the couples and of the fine-tuning")

_COUPLES, _QUICK_COUPLES = 240, 10
_COMPARED_PICTURES = 8
_PACKAGE = "the package's model"
# The base, which has learnt more than a few couples can teach, follows the graphs slowly.
_TUNING = TrainConfig(
    batch_size=16,
    base_epochs=2,
    opec_epochs=2,
    couple_epochs=2,
    steps_per_epoch=40,
    learning_rate=1e-4,
    base_rate_factor=0.1,
    warmup_steps=10,
    gradient_clip_norm=1.0,
    freeze_opec=False,
    heatmap_sigma=1.5,
    oks_loss_share=0.4,
)
_QUICK_TUNING = dataclasses.replace(
    _TUNING, batch_size=4, base_epochs=1, opec_epochs=1, couple_epochs=1, steps_per_epoch=2, warmup_steps=0
)
_KEPT_PASSES = 2


@dataclasses.dataclass(frozen=True)
class Demo:
    """What the steps share.

    Attributes:
      folder: for everything.
      data_config, inference_config: the couples; how the model is run, which is how it was trained.
    """

    folder: pathlib.Path
    data_config: DataConfig
    inference_config: InferenceConfig

    @classmethod
    def of(cls, model: pose_model.PoseModel, folder: pathlib.Path) -> Demo:
        """With the crops and the peaks of a model."""
        splits = (f"crowdpose:{name}/annotations.json:{name}/images" for name in ("train", "val", "test"))
        train, val, test = ((source,) for source in splits)
        return cls(
            folder,
            DataConfig(
                data_root=str(folder / "data"),
                train_data=train,
                val_data=val,
                test_data=test,
                box_margin=model.box_margin,
                rotation_degrees=15.0,
                scale_jitter=0.1,
            ),
            InferenceConfig(protocol="crowdpose12", peak_smoothing=model.model_config.couple_smoothing),
        )

    def test_split(self, model: pose_model.PoseModel) -> split.Split:
        """The couples that nothing is trained on, for a model."""
        return split.Split.read("test", self.data_config, self.inference_config.protocol, model)


def main() -> None:
    options, started = flags.FLAGS, time.monotonic()
    files.refuse_pattern(options.output_dir)  # of the run and the export
    photos = _photos(options.photos)
    model = pose_model.load(options.workdir)
    demo = Demo.of(model, pathlib.Path(options.output_dir))
    couples = _QUICK_COUPLES if options.quick else _COUPLES
    pictures = dataset.split_sizes(couples, held_out=True)
    named_sizes = ", ".join(f"{name} {count}" for name, count in pictures.items())
    _announce(1, f"rendering {sum(pictures.values())} couples ({named_sizes})")
    _render(demo, couples)
    _announce(2, f"scoring {options.workdir or _PACKAGE} on the test couples")
    before = _score(model, demo, "before")
    _show(comparison.table({"": before}), demo.folder / "before" / "contact_sheet.jpg")
    _announce(3, "your photos")
    _draw_photos(model, photos, demo)
    _announce(4, "fine-tuning it on the train couples")
    tuned = pose_model.load(_fine_tune(model, demo))
    _announce(5, "scoring it again")
    after = _score(tuned, demo, "after")
    _draw_both(tuned, demo, name=list(after)[-1])
    _show(comparison.table({"before": before, "after": after}), demo.folder / "before_after.jpg")
    _announce(6, "exporting, serving, asking as a client does")
    _serve(tuned, demo)
    print(f"\n{(time.monotonic() - started) / 60:.1f} minutes; the fine-tuned model: opec_tf.load({tuned.name!r})")


def _render(demo: Demo, couples: int) -> None:
    """Renders the couples, unless that was done before."""
    seed = flags.FLAGS.seed
    for name, statistics in dataset.write_dataset(demo.folder / "data", couples, seed, held_out=True).items():
        print(f"  {name}: {statistics['people']} people, {statistics['hidden_joints']:.0%} of their joints hidden")


def _score(model: pose_model.PoseModel, demo: Demo, name: str) -> report.Metrics:
    """Scores a model on the test couples, into a folder of that name."""
    test, config = demo.test_split(model), demo.inference_config
    return report.evaluate(model, test, test.annotated(), demo.folder / name, inference_config=config)


def _photos(names: list[str]) -> frames.ImageFiles | None:
    """The user's pictures; None where none are named.

    Raises:
      UserError: a name stands for nothing, or for a video.
    """
    paths = []
    for name in names:
        source = frames.open_source(name, strict=False)
        if not isinstance(source, frames.ImageFiles):
            raise UserError(f"--photos={name}: is no picture; python -m opec_tf.predict --images={name} takes videos")
        paths += source.paths
    folders = [os.path.dirname(os.path.abspath(path)) for path in paths]
    return frames.ImageFiles(paths, os.path.commonpath(folders), strict=False) if paths else None


def _draw_photos(model: pose_model.PoseModel, photos: frames.ImageFiles | None, demo: Demo) -> None:
    """Draws the base's peaks and the refined poses on photos, side by side."""
    if photos is None:
        print("  none are named: make demo PHOTOS='us.jpg,album/*.jpg', or --photos=us.jpg,album/*.jpg")
        return
    found = results.write_predictions(
        model,
        photos,
        people.by_detector(NANODET, DetectorConfig()),
        demo.folder / "photos",
        inference_config=demo.inference_config,
        tracking_config=TrackingConfig(),
        style=results.DrawingStyle(compare=True),
        made_by={"weights": model.digest, "photos": ",".join(photos.paths)},
    )
    print(f"  {found} people in {len(photos)} photos: {demo.folder}/photos/drawings/", flush=True)


def _fine_tune(model: pose_model.PoseModel, demo: Demo) -> pathlib.Path:
    """Trains a model on as a whole; returns the workdir, which belongs to that model, to the seed and to --quick."""
    options = flags.FLAGS
    run = demo.folder / f"tuned_{'quick_' if options.quick else ''}seed{options.seed}_{model.digest}"
    train_config = dataclasses.replace(
        _QUICK_TUNING if options.quick else _TUNING,
        stages=(model.stage,),
        start_from=options.workdir or "package",
        kept_passes=_KEPT_PASSES if model.model_config.regresses_pose else 0,
        seed=options.seed,
    )
    loop.train(run, model.model_config, demo.data_config, train_config, demo.inference_config)
    plots.plot_training_curves({model.stage: workdir.stage_folder(run, model.stage).log}, run / "curves.png")
    return run


def _draw_both(model: pose_model.PoseModel, demo: Demo, name: str) -> None:
    """Draws the same people before and after the fine-tuning; ``name``: which pose."""
    poses = {folder: demo.folder / folder / f"predictions_{name}.json" for folder in ("before", "after")}
    sheet = comparison.sheet(demo.test_split(model), poses, _COMPARED_PICTURES)
    drawing.write_image(demo.folder / "before_after.jpg", sheet)


def _serve(model: pose_model.PoseModel, demo: Demo) -> None:
    """Exports the model beside its weights, serves it, and draws what a client is answered."""
    model_dir, path = pathlib.Path(model.name) / "export" / "opec_net", demo.folder / "served.jpg"
    test = demo.test_split(model).annotations
    served = example.export_and_ask(model, model_dir, test, path, demo.inference_config)
    print(f"  {served} people of a test picture answered: {path}; the export is in {model_dir}")


def _show(table: str, picture: pathlib.Path) -> None:
    print(f"\n{table}\n\n  {picture}", flush=True)


def _announce(step: int, what: str) -> None:
    print(f"\n[{step}/6] {what}", flush=True)


if __name__ == "__main__":
    cli.run(main, __doc__, resumes=True)

"""Public checkpoints to a workdir whose stage base they are."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Collection

import h5py
import numpy as np

from opec_tf.common import files
from opec_tf.config import MOVENETS, BaseConfig, DataConfig, InferenceConfig, ModelConfig, TrainConfig
from opec_tf.models import builders, workdir
from opec_tf.poses import skeletons
from opec_tf.weights import base_loading, movenet, reading, recognition

FLAGS_FILE = "model.flags"
# What a run says of its network beside the model's configuration.
_RUN_SETTINGS = ("box_margin", "git_revision")


def convert(
    checkpoint: os.PathLike[str] | str,
    output: os.PathLike[str] | str,
    model_config: ModelConfig,
    given: Collection[str],
    *,
    trunk_only: bool = False,
    new_joints: bool = False,
) -> tuple[base_loading.Report, recognition.Source, ModelConfig]:
    """Writes a checkpoint as a workdir: its config.json, stage base, and the settings as a flagfile.

    Stage base counts as finished where the checkpoint has a head; else its weights are only to start training from.

    Args:
      output: the workdir; it appears whole or not at all.
      model_config: what the user asks for.
      given: names of its fields that the user set.
      trunk_only: take the ResNet and leave decoder and head.
      new_joints: see ``base_loading.load``.

    Returns:
      What became of the checkpoint's tensors, what it is, and the settings of the network that has them.

    Raises:
      UserError: the checkpoint cannot be used, or ``output`` exists or cannot be written.
    """
    tensors = reading.read(checkpoint)
    source = movenet.recognize(tensors, checkpoint, trunk_only) or recognition.recognize(
        tensors, checkpoint, trunk_only
    )
    model_config = base_loading.settle(source, model_config, given)
    model = builders.build_base(model_config)
    if model_config.trunk in MOVENETS:
        joints = skeletons.SKELETONS[model_config.skeleton].joints
        report = movenet.load(model.get_layer("base"), source, joints, new_joints)
    else:
        report = base_loading.load(model, source, model_config, new_joints)
    with files.atomic_folder(output) as folder:
        workdir.start(folder, model_config)
        base = workdir.stage_folder(folder, "base")
        workdir.write_stage_config(base, model_config, DataConfig(), TrainConfig(), InferenceConfig())
        attributes = {"checkpoint": pathlib.Path(checkpoint).name, "family": source.family}
        workdir.save_weights(model, base.best_weights, attributes)
        if source.joints:
            workdir.save_weights(model, base.final_weights, attributes)
        files.write_text(folder / FLAGS_FILE, _flagfile(model_config))
    return report, source, model_config


def shrink(root: os.PathLike[str] | str, output: os.PathLike[str] | str) -> None:
    """Writes the last stage of a workdir as a workdir of its own, in half precision, without what only training needs.

    Raises:
      UserError: no stage is finished, or ``output`` exists or cannot be written.
    """
    stage = workdir.last_stage(root)
    before = workdir.stage_folder(root, stage)
    settings = files.read_json(before.config)
    with files.atomic_folder(output) as folder:
        workdir.start(folder, workdir.read_model_config(root))
        after = workdir.stage_folder(folder, stage)
        files.write_json(after.config, {name: settings.get(name) for name in _RUN_SETTINGS}, indent=2)
        files.write_json(after.metrics, files.read_json(before.metrics) if before.metrics.exists() else {}, indent=2)
        with h5py.File(before.best_weights) as source, h5py.File(after.best_weights, "w") as target:
            _copy_halved(source, target)


def _copy_halved(source: h5py.Group, target: h5py.Group) -> None:
    """Copies an HDF5 group, arrays of numbers as float16."""
    target.attrs.update(source.attrs)
    for name, item in source.items():
        if isinstance(item, h5py.Group):
            _copy_halved(item, target.create_group(name))
        else:
            target.create_dataset(name, data=item[()].astype(np.float16))


def _flagfile(model_config: ModelConfig) -> str:
    """The settings that the weights of a base belong to."""
    names = [field.name for field in dataclasses.fields(BaseConfig)]
    return "".join(f"--{name}={getattr(model_config, name)}\n" for name in names)


def table(report: base_loading.Report, source: recognition.Source) -> str:
    """What was used, what was left and why, and what is random, as lines of text."""
    lines = [f"{source.path}: {source.family}, {source.seen['trunk']}", f"{'part':<16} {'tensors':>7} {'numbers':>12}"]
    lines += [f"{part:<16} {tensors:>7} {numbers:>12,}" for part, (tensors, numbers) in report.used.items()]
    tensors, numbers = map(sum, zip(*report.used.values()))
    lines.append(f"{'used':<16} {tensors:>7} {numbers:>12,}")
    reasons: dict[str, list[str]] = {}
    for name, shape, reason in report.left:
        reasons.setdefault(reason, []).append(f"{name} {list(shape)}")
    for reason, names in reasons.items():
        more = f" and {len(names) - 3} more" if len(names) > 4 else ""
        lines.append(f"left, {reason}: {', '.join(names[: 3 if more else 4])}{more}")
    if report.random:
        lines.append(f"random: {', '.join(report.random)}")
    return "\n".join(lines)

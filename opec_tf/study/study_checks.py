"""What a study finds out before hours of training: settings, data or weights that do not go together."""

from __future__ import annotations

import dataclasses
import json

from opec_tf import config
from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.config import InferenceConfig, ModelConfig, TrainConfig
from opec_tf.data.annotations import loading
from opec_tf.evaluation import protocols
from opec_tf.inference import given_poses
from opec_tf.models import builders, workdir
from opec_tf.poses import skeletons
from opec_tf.study import rows, tables
from opec_tf.study.study import Study

# What may differ between the runs of a table: where and how they are run and scored, not what they are. The protocol
# is compared, since it says which epoch is the best.
_NOT_COMPARED = (
    "stages",
    "base_weights",
    "jit_compile",
    "strategy",
    "test_data",
    "strict",
    "couple_smoothing",
    *({field.name for field in dataclasses.fields(InferenceConfig)} - {"protocol"}),
)


def check(study: Study) -> None:
    """Raises a ``UserError`` where data, poses or the folder's runs do not go with a study."""
    _check_data(study)
    _check_runs(study)


def _check_runs(study: Study) -> None:
    """Raises a ``UserError`` where the folder has runs, of whichever row, that were begun with other settings."""
    for seed in tables.seeds(study.root, tables.BASE):
        folder = workdir.stage_folder(tables.run_folder(study.root, tables.BASE, seed), "base")
        _check_settings(study, folder, study.model_config, dataclasses.replace(study.train_config, seed=seed))
    for name in rows.ROWS:
        for seed in tables.seeds(study.root, name):
            shared = dataclasses.replace(study.train_config, seed=seed)
            model_config, train_config = rows.resolve(name, study.model_config, shared)
            for stage in train_config.stages:
                folder = workdir.stage_folder(tables.run_folder(study.root, name, seed), stage)
                _check_settings(study, folder, model_config, train_config)


def _check_settings(
    study: Study, folder: workdir.StageFolder, model_config: ModelConfig, train_config: TrainConfig | None = None
) -> None:
    """A stage that was begun with other settings belongs into another table."""
    if not folder.config.exists():
        return
    train_config = train_config or study.train_config
    now = json.loads(config.to_json(model_config, study.data_config, train_config, study.inference_config))
    begun_with, stage = files.read_json(folder.config), folder.path.name
    ignored = {*_NOT_COMPARED, *(f"{other}_epochs" for other in config.STAGES if other != stage)}
    if stage != "couple":
        ignored.update(rows.COUPLE_FIELDS)
    if stage == "base":
        ignored.update({field.name for field in dataclasses.fields(ModelConfig)} - builders.BASE_SETTINGS)
    differing = [
        f"{name}={begun_with[name]} (now {value})"
        for name, value in now.items()
        if name not in ignored and name in begun_with and begun_with[name] != value
    ]
    if differing:
        raise UserError(
            f"{folder.path}: trained with other settings: {', '.join(differing)}; choose another --output_dir, or "
            "delete it to train it anew"
        )


def _check_data(study: Study) -> None:
    """Finds data or poses that are not there, or not for every split, before hours of training."""
    poses_file, given = study.initial_poses, study.model_config.initial_pose == "given"
    if given != bool(poses_file) or (given and study.heldout_data):
        raise UserError("--initial_pose=given and --initial_poses=POSES.json go together, without --heldout_data")
    skeleton = protocols.PROTOCOLS[study.inference_config.protocol].skeleton
    if poses_file:
        loading.require_one(study.data_config.test_data, "test", f"--initial_poses={poses_file}")
    for data_config in study.splits.values():
        people = loading.load_all(data_config.test_data, data_config.data_root, skeleton)
    if poses_file:
        joints = skeletons.SKELETONS[study.model_config.skeleton]
        given_poses.read(poses_file, people.image_ids, people.image_paths.tolist(), joints)

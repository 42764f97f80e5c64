"""What the stages of a run share: its settings, and the people that they learn from and are scored on."""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib

import tensorflow as tf

from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, InferenceConfig, ModelConfig, TrainConfig
from opec_tf.data import pipeline, proposals
from opec_tf.data.annotations import loading
from opec_tf.evaluation import protocols
from opec_tf.poses import predictions, skeletons
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.training import stages, strategy as strategies

# Folder of a workdir, see ``kept``.
KEPT = "kept"


@dataclasses.dataclass(frozen=True)
class Run:
    """What all stages of a run share.

    Attributes:
      root: the workdir.
      model_config, data_config, train_config, inference_config: the settings.
      train_data: who is trained on, with the boxes to crop.
      everybody: all people in their images.
      val_data: None where no validation split is named.
    """

    root: pathlib.Path
    model_config: ModelConfig
    data_config: DataConfig
    train_config: TrainConfig
    inference_config: InferenceConfig
    strategy: tf.distribute.Strategy
    train_data: PoseAnnotations
    everybody: PoseAnnotations
    val_data: PoseAnnotations | None

    @property
    def is_chief(self) -> bool:
        return strategies.is_chief(self.strategy)

    @property
    def kept_folder(self) -> pathlib.Path:
        """Of what the base's body makes of the crops, see ``kept``."""
        return self.root / KEPT

    def people(self, stage: str) -> int:
        """Number of people in a pass through the data of a stage."""
        if stage != "couple":
            return self.train_data.num_people
        return 2 * len(pipeline.trainable_pairs(self.train_data, self.data_config))


def load(
    model_config: ModelConfig, data_config: DataConfig, protocol: str
) -> tuple[PoseAnnotations, PoseAnnotations, PoseAnnotations | None]:
    """The people to train on, with the boxes to crop; all people of their images; and the validation split, in the
    joints that its protocol scores.

    Raises:
      UserError: no training data, or an unusable file.
    """
    skeleton = skeletons.SKELETONS[model_config.skeleton]
    everybody = loading.load_all(data_config.train_data, data_config.data_root, skeleton)
    train_data = everybody if data_config.train_boxes == "gt" else _proposals(everybody, data_config)
    train_data = train_data.select(pipeline.trainable_people(train_data, data_config))
    if not train_data.num_people:
        raise UserError("--train_data: nobody in it can be trained on; check its labels and --min_labelled_joints")
    val_data = None
    if data_config.val_data:
        scored = protocols.PROTOCOLS[protocol].skeleton
        val_data = loading.load_all(data_config.val_data, data_config.data_root, scored)
    return train_data, everybody, val_data


def crops(run: Run, people: PoseAnnotations, stage: str, with_others: bool) -> stages.MakeBatches:
    """Function that gives endless batches of crops of some of the people trained on, of couples for stage couple.

    Args:
      with_others: the joints of others in the crop come too, if the joint-candidate loss looks at them.
    """
    return functools.partial(
        pipeline.couple_dataset if stage == "couple" else pipeline.training_dataset,
        people,
        crop_size=run.model_config.crop_size,
        data_config=run.data_config,
        crop_offset=run.model_config.crop_offset,
        everybody=run.everybody if with_others and run.train_config.interference_weight else None,
        with_poses=stage != "base" and run.model_config.initial_pose == "given",
    )


def _proposals(train_data: PoseAnnotations, data_config: DataConfig) -> PoseAnnotations:
    """The training data with the detected boxes of ``train_boxes`` in place of its own."""
    path = boxes(data_config, "train")
    return proposals.select(
        train_data,
        predictions.read(path, to_refine=True, images=train_data),
        min_visible_joints=data_config.min_visible_joints,
        min_oks=data_config.min_proposal_oks,
        name=path,
    )


def boxes(data_config: DataConfig, split: str) -> str:
    """What ``train_boxes`` or ``val_boxes`` says: "gt", or the path of the file."""
    named, sources = getattr(data_config, f"{split}_boxes"), getattr(data_config, f"{split}_data")
    if named == "gt":
        return named
    loading.require_one(sources, split, f"--{split}_boxes={named}")
    return os.path.join(data_config.data_root, named)

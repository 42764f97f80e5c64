"""What all runs of a study share."""

from __future__ import annotations

import dataclasses
import pathlib

from opec_tf.config import DataConfig, InferenceConfig, ModelConfig, TrainConfig


@dataclasses.dataclass(frozen=True)
class Study:
    """What all runs share.

    Attributes:
      root: folder of the study.
      model_config, data_config, train_config, inference_config: the settings that rows change.
      heldout_data: data sets that are scored besides ``data_config.test_data``, as these are written; may be empty.
      initial_poses: COCO results JSON of the poses which are refined on the test split, with their boxes, where
        ``model_config.initial_pose`` is "given"; else None.
    """

    root: pathlib.Path
    model_config: ModelConfig
    data_config: DataConfig
    train_config: TrainConfig
    inference_config: InferenceConfig
    heldout_data: tuple[str, ...] = ()
    initial_poses: str | None = None

    @property
    def splits(self) -> dict[str, DataConfig]:
        """Split name -> ``DataConfig`` whose test_data it is."""
        splits = {"test": self.data_config}
        if self.heldout_data:
            splits["heldout"] = dataclasses.replace(self.data_config, test_data=self.heldout_data)
        return splits

"""What a model is scored on: the annotations of a split, and the people in it whose poses are estimated."""

from __future__ import annotations

import dataclasses
import os
import pathlib

from opec_tf.common import files
from opec_tf.config import DataConfig, DetectorConfig
from opec_tf.data.annotations import loading
from opec_tf.evaluation import protocols
from opec_tf.inference import people, person_boxes
from opec_tf.inference.detectors import detections_file, named
from opec_tf.inference.people import AnnotatedPeople, ListedPeople
from opec_tf.inference.pose_model import PoseModel
from opec_tf.poses import predictions
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.skeletons import Skeleton


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """A split of the data, for a model that knows its joints.

    Attributes:
      name: "train", "val" or "test".
      data_config: names its data sets.
      protocol: how poses are scored, a key of ``protocols.PROTOCOLS``.
      annotations: in the protocol's joints.
      skeleton: the model's joints.
    """

    name: str
    data_config: DataConfig
    protocol: str
    annotations: PoseAnnotations
    skeleton: Skeleton

    @classmethod
    def read(cls, name: str, data_config: DataConfig, protocol: str, model: PoseModel) -> Split:
        """Reads the annotations.

        Raises:
          UserError: they are missing or malformed, or the protocol does not fit the model or the data.
        """
        skeleton = protocols.PROTOCOLS[protocol].skeleton
        sources = getattr(data_config, f"{name}_data")
        split = cls(
            name, data_config, protocol, loading.load_all(sources, data_config.data_root, skeleton), model.skeleton
        )
        nobody = predictions.empty(model.skeleton.num_joints)
        protocols.evaluate(split.annotations, nobody, protocol, f"{model.name} (skeleton {model.skeleton.name})")
        return split

    @property
    def sources(self) -> tuple[str, ...]:
        """The data sets, FORMAT:ANNOTATIONS:IMAGES."""
        return getattr(self.data_config, f"{self.name}_data")

    def annotated(self) -> AnnotatedPeople:
        """The annotated people that can be scored."""
        return people.annotated(self.annotations, self.skeleton)

    def in_boxes_file(self, path: os.PathLike[str] | str, person_class: int | None = None) -> ListedPeople:
        """The people of a file of boxes; ``person_class`` as ``person_boxes.read`` has it.

        Raises:
          UserError: it is unusable, or the split has several data sets, whose ids it does not know.
        """
        loading.require_one(self.sources, self.name, f"--boxes={path}")
        sizes = self.annotations.image_sizes
        return people.in_boxes_file(path, *self._images(), self.skeleton, image_sizes=sizes, person_class=person_class)

    def in_poses_file(self, path: os.PathLike[str] | str, person_class: int | None = None) -> ListedPeople:
        """The people of another system's results, with their poses; arguments and errors as of ``in_boxes_file``."""
        loading.require_one(self.sources, self.name, f"--initial_poses={path}")
        sizes = self.annotations.image_sizes
        return people.in_poses_file(path, *self._images(), self.skeleton, image_sizes=sizes, person_class=person_class)

    def detected(self, detector: str, detector_config: DetectorConfig, kept_as: pathlib.Path) -> ListedPeople:
        """The people that a detector finds, see ``named.make``; what it found is kept in a file.

        Raises:
          UserError: the detector's files are unusable, it finds nobody, or the file cannot be written.
        """
        files.make_folder(kept_as.parent)
        find = named.make(detector, detector_config)
        image_ids, image_names = self._images()
        detections_file.write(kept_as, find, image_names, image_ids, self.data_config.strict)
        return ListedPeople(person_boxes.read(kept_as, image_ids, image_names, self.skeleton), detector)

    def _images(self) -> tuple[list[int], list[str]]:
        return self.annotations.image_ids.tolist(), self.annotations.image_paths.tolist()

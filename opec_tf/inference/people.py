"""Who is in the pictures: ``People``, one type for whatever knows it.

=================  ===============================================================================================
``WholeImage``     each picture is one person's box
``DetectedPeople`` a detector looks at each picture
``ListedPeople``   known beforehand: ``annotated``, ``in_boxes_file``, ``in_poses_file``, or any ``PersonBoxes``
=================  ===============================================================================================
"""

from __future__ import annotations

import abc
import dataclasses
import os
from collections.abc import Sequence

import numpy as np

from opec_tf.config import DetectorConfig
from opec_tf.inference import given_poses, person_boxes
from opec_tf.inference.detectors import named
from opec_tf.inference.people_names import ANNOTATED, NO_DETECTOR
from opec_tf.inference.person_boxes import PersonBoxes
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.skeletons import Skeleton

# People a frame that a batch is made for while nobody knows how many a detector will find.
_EXPECTED_PEOPLE = 4


class People(abc.ABC):
    """Who is in the frames of a source, see ``frames.Source``."""

    @property
    def have_poses(self) -> bool:
        """Whether they come with another system's poses, which a network is to refine."""
        return False

    @abc.abstractmethod
    def in_frame(self, row: int, image: np.ndarray) -> PersonBoxes:
        """The people of one frame.

        Args:
          row: which frame of the source.
          image: RGB uint8 [h, w, 3], the frame.
        """

    @abc.abstractmethod
    def expected(self, num_frames: int) -> int:
        """About how many people there are in ``num_frames`` frames."""

    def warn_about_nobody(self, names: Sequence[str], num_frames: int) -> None:  # noqa: B027
        """Says in which frames (of ``num_frames``) nobody was found, where that is news; by default it is not."""


class WholeImage(People):
    """Each frame as a whole is one person's box."""

    def in_frame(self, row: int, image: np.ndarray) -> PersonBoxes:
        height, width = image.shape[:2]
        return PersonBoxes(np.array([row]), np.array([[0.0, 0.0, width, height]]))

    def expected(self, num_frames: int) -> int:
        return num_frames


@dataclasses.dataclass(frozen=True)
class DetectedPeople(People):
    """Whom a detector finds, with its scores."""

    detector: named.Detector

    def in_frame(self, row: int, image: np.ndarray) -> PersonBoxes:
        boxes, scores = self.detector(image)
        return PersonBoxes(np.full(len(boxes), row), boxes, scores)

    def expected(self, num_frames: int) -> int:
        return _EXPECTED_PEOPLE * num_frames

    def warn_about_nobody(self, names: Sequence[str], num_frames: int) -> None:
        named.warn_about_nobody(names, num_frames)


@dataclasses.dataclass(frozen=True, eq=False)
class ListedPeople(People):
    """People who are known before the frames are looked at.

    Attributes:
      boxes: the people of all frames, ordered by frame.
      name: where they come from, for records: a file, a detector's name.
    """

    boxes: PersonBoxes
    name: str

    @property
    def have_poses(self) -> bool:
        return self.boxes.poses is not None

    def in_frame(self, row: int, image: np.ndarray) -> PersonBoxes:
        first, last = np.searchsorted(self.boxes.image_index, [row, row + 1])
        return self.boxes.select(slice(first, last))

    def expected(self, num_frames: int) -> int:
        return len(self.boxes)


@dataclasses.dataclass(frozen=True, eq=False)
class AnnotatedPeople(ListedPeople):
    """People of whom it is known which annotated person each is.

    Attributes:
      annotation_rows: int [N], the row of that person among the annotations.
    """

    annotation_rows: np.ndarray


def by_detector(name: str, detector_config: DetectorConfig) -> People:
    """Whom the detector of a name finds, see ``named.make``; "none": each image is one person's box.

    Raises:
      UserError: no detector has that name, or its files cannot be read.
    """
    return WholeImage() if name == NO_DETECTOR else DetectedPeople(named.make(name, detector_config))


def in_boxes_file(
    path: os.PathLike[str] | str,
    image_ids: Sequence[int] | np.ndarray,
    image_names: Sequence[str],
    skeleton: Skeleton,
    *,
    image_sizes: np.ndarray | None = None,
    person_class: int | None = None,
) -> ListedPeople:
    """The people of a file of boxes or annotations, see ``person_boxes.read``."""
    found = person_boxes.read(
        path, image_ids, image_names, skeleton, image_sizes=image_sizes, person_class=person_class
    )
    return ListedPeople(found, os.fspath(path))


def in_poses_file(
    path: os.PathLike[str] | str,
    image_ids: Sequence[int] | np.ndarray,
    image_names: Sequence[str],
    skeleton: Skeleton,
    *,
    image_sizes: np.ndarray | None = None,
    person_class: int | None = None,
) -> ListedPeople:
    """The people of another system's results, with their poses, see ``given_poses.read``."""
    found = given_poses.read(path, image_ids, image_names, skeleton, image_sizes=image_sizes, person_class=person_class)
    return ListedPeople(found, os.fspath(path))


def annotated(annotations: PoseAnnotations, skeleton: Skeleton) -> AnnotatedPeople:
    """The annotated people that can be scored, with their labels in the joints of ``skeleton``."""
    rows = np.flatnonzero(annotations.is_scoreable)
    rows = rows[np.argsort(annotations.image_index[rows], kind="stable")]
    people = annotations.select(rows).with_skeleton(skeleton)
    return AnnotatedPeople(PersonBoxes(people.image_index, people.boxes, labels=people.keypoints), ANNOTATED, rows)

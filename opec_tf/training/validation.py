"""Scores of a model on the validation split, as training logs them."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from opec_tf.config import DataConfig, InferenceConfig, ModelConfig
from opec_tf.data import pose_errors
from opec_tf.evaluation import protocols
from opec_tf.inference import people, person_boxes
from opec_tf.inference.people import AnnotatedPeople, ListedPeople
from opec_tf.inference.people_names import ANNOTATED
from opec_tf.inference.pose_estimator import Estimates, PoseEstimator
from opec_tf.poses import drawing, images, predictions, skeletons
from opec_tf.poses.pose_annotations import PoseAnnotations

# Per pose: overall accuracy, then visible and invisible joints (the paper's Table 5).
SCORES = ("AP", "AP75", "vis75", "inv75")
_DRAWN_IMAGES = 4


def score_name(pose: str, score: str) -> str:
    """Name of a pose's score in the logs, e.g. "val_pose_3_AP"."""
    return f"val_{pose}_{score}"


def people_of_split(val_boxes: str, annotations: PoseAnnotations, model_config: ModelConfig) -> ListedPeople:
    """Whose poses are estimated in a split, by what --val_boxes says: "gt", or a file's path.

    Raises:
      UserError: the file is unusable.
    """
    skeleton = skeletons.SKELETONS[model_config.skeleton]
    if val_boxes == ANNOTATED:
        return people.annotated(annotations, skeleton)
    read = people.in_poses_file if model_config.initial_pose == "given" else people.in_boxes_file
    names, sizes = annotations.image_paths.tolist(), annotations.image_sizes
    return read(val_boxes, annotations.image_ids, names, skeleton, image_sizes=sizes)


class Validator:
    """A validation split and the compiled function that estimates its poses.

    Args:
      model: the model being trained (or its copy); its weights are read at each call.
      annotations: of the split, in the protocol's joints.
      split_people: whose poses are estimated: annotated, for a network that refines given poses with the errors of
        training; or those of a file, who are scored as ``report.evaluate`` does.
      max_people: score this many people, taken evenly from the split; 0: all. For a CoupleGraph, or by a file, they
        come with who is beside them: all people of as many images as have about so many.

    Raises:
      UserError: the protocol does not fit the model or the data.
    """

    def __init__(
        self,
        model: tf.keras.Model,
        annotations: PoseAnnotations,
        split_people: ListedPeople,
        *,
        model_config: ModelConfig,
        data_config: DataConfig,
        inference_config: InferenceConfig,
        max_people: int = 0,
    ) -> None:
        self.annotations = annotations
        self._skeleton = skeletons.SKELETONS[model_config.skeleton]
        self._data_config, self._protocol = data_config, inference_config.protocol
        # What does not fit is an error now, not after the first epoch.
        nobody = predictions.empty(self._skeleton.num_joints)
        protocols.evaluate(annotations, nobody, self._protocol, f"--val_data with --skeleton={model_config.skeleton}")
        self._estimator = PoseEstimator(
            model, model_config=model_config, box_margin=data_config.box_margin, inference_config=inference_config
        )
        given, are_annotated = model_config.initial_pose == "given", isinstance(split_people, AnnotatedPeople)
        if 0 < max_people < annotations.is_scoreable.sum():
            self.annotations = self._part(max_people, whole_images=not are_annotated)
        self._people_rows = np.flatnonzero(self.annotations.is_scoreable) if are_annotated else None
        if are_annotated:
            self._people = self._annotated_people(given)
            return
        boxes = split_people.boxes
        if self.annotations is not annotations:
            boxes = boxes.select(np.isin(boxes.image_index, self.annotations.image_index))
        self._people = boxes

    def _part(self, max_people: int, whole_images: bool) -> PoseAnnotations:
        """The annotations of about so many people; those who are not estimated must not count as missed."""
        image_index = self.annotations.image_index
        people = np.flatnonzero(self.annotations.is_scoreable)
        groups = image_index[people] if whole_images or self._estimator.in_pairs else people
        people = people[_evenly(groups, max_people)]
        # A file may know people of an image who are annotated and not scoreable: crowds, or without labels.
        return self.annotations.select(np.isin(image_index, image_index[people]) if whole_images else people)

    def _annotated_people(self, given: bool) -> person_boxes.PersonBoxes:
        """``PersonBoxes`` of the scoreable people; given poses have the errors of training, the same every epoch."""
        split = self.annotations
        rows = self._people_rows
        people = person_boxes.PersonBoxes(split.image_index[rows], split.boxes[rows])
        if not given:
            return people
        poses = pose_errors.of_annotations(split.with_skeleton(self._skeleton))
        return dataclasses.replace(people, poses=poses[rows])

    def scores(self) -> tuple[dict[str, float], Estimates]:
        """Estimates every pose.

        Returns:
          (log name -> score, without those that the protocol leaves undefined; the poses)
        """
        split = self.annotations
        estimates = self._estimator.estimate_files(
            split.image_paths,
            split.image_ids,
            self._people,
            strict=self._data_config.strict,
            progress=False,
        )
        whose = None
        if self._people_rows is not None:
            whose = {pose: self._people_rows[boxes] for pose, boxes in estimates.rows.items()}
        scores = {}
        for pose, result in protocols.evaluate_each(split, estimates.predictions, self._protocol, whose).items():
            scores.update({score_name(pose, name): result[name] for name in SCORES if name in result})
        return scores, estimates

    def drawings(self, estimates: Estimates) -> np.ndarray | None:
        """The final poses drawn over the first images that show people, in a row; RGB uint8 [h, w, 3], or None."""
        people = estimates.predictions[estimates.final]
        drawn = []
        for image_id in list(dict.fromkeys(people.image_ids.tolist()))[:_DRAWN_IMAGES]:
            path = self.annotations.image_paths[self.annotations.image_ids == image_id][0]
            image = images.decode(tf.io.read_file(str(path))).numpy()
            drawn.append(drawing.draw_people(image, people.keypoints[people.image_ids == image_id], self._skeleton))
        return drawing.contact_sheet(drawn, columns=_DRAWN_IMAGES) if drawn else None


def _evenly(groups: np.ndarray, max_people: int) -> np.ndarray:
    """Which of P people, taken group by group (int [P], who belongs together) evenly, are about so many; bool [P]."""
    _, groups = np.unique(groups, return_inverse=True)
    num_groups = groups.max() + 1
    count = max(1, round(max_people * num_groups / len(groups)))
    return np.isin(groups, np.linspace(0, num_groups - 1, count).round())

"""Scores of a model on the validation split, as training logs them."""

import numpy as np
import tensorflow as tf

from opec_tf import drawing, images, reports, skeletons
from opec_tf.data import pose_errors
from opec_tf.evaluation import coco_eval, predictions
from opec_tf.inference import PoseEstimator

# Per pose: overall accuracy, then visible and invisible joints (the paper's Table 5).
SCORES = ("AP", "AP75", "vis75", "inv75")
_DRAWN_IMAGES = 4


def score_name(pose, score):
    """Name of a pose's score in the logs, e.g. "val_pose_3_AP"."""
    return f"val_{pose}_{score}"


class Validator:
    """A validation split and the compiled function that estimates its poses.

    Args:
      model: the model being trained (or its copy); its weights are read at each call.
      annotations: ``PoseAnnotations`` of the split, in the protocol's joints.
      model_config: ``ModelConfig``.
      data_config: ``DataConfig``.
      inference_config: ``InferenceConfig``.
      max_people: score this many people, taken evenly from the split; 0: all. For a CoupleGraph they come with their
        partners: all people of as many images as have about so many.

    Raises:
      UserError: the protocol does not fit the model or the data.
    """

    def __init__(self, model, annotations, *, model_config, data_config, inference_config, max_people=0):
        self.annotations = annotations
        self._skeleton = skeletons.SKELETONS[model_config.skeleton]
        self._data_config, self._protocol = data_config, inference_config.protocol
        # What does not fit is an error now, not after the first epoch.
        nobody = predictions.empty(self._skeleton.num_joints)
        coco_eval.evaluate(annotations, nobody, self._protocol, f"--val_data with --skeleton={model_config.skeleton}")
        self._people = np.flatnonzero(reports.scoreable_people(annotations))
        self._estimator = PoseEstimator(
            model, model_config=model_config, box_margin=data_config.box_margin, inference_config=inference_config
        )
        if 0 < max_people < len(self._people):
            people = self._people[self._evenly(max_people)]
            # People that are not estimated must not count as missed.
            self.annotations, self._people = annotations.select(people), np.arange(len(people))
        self._poses = self._given_poses(data_config) if model_config.initial_pose == "given" else None

    def _evenly(self, max_people):
        """Which of the people to be scored are, bool; people are taken one by one or, for pairs, with their image."""
        groups = np.arange(len(self._people))
        if self._estimator.in_pairs:
            _, groups = np.unique(self.annotations.image_index[self._people], return_inverse=True)
        num_groups = groups.max() + 1
        count = max(1, round(max_people * num_groups / len(groups)))
        return np.isin(groups, np.linspace(0, num_groups - 1, count).round())

    def _given_poses(self, data_config):
        """The annotated poses of the people scored, with the errors of training, the same after every epoch."""
        people = self.annotations.with_skeleton(self._skeleton)
        return pose_errors.of_annotations(people, data_config)[self._people]

    def scores(self):
        """Estimates every pose.

        Returns:
          (log name -> score, without those that the protocol leaves undefined; ``Estimates``)
        """
        split = self.annotations
        estimates = self._estimator.estimate_files(
            split.image_paths, split.image_ids, split.image_index[self._people], split.boxes[self._people],
            strict=self._data_config.strict, poses=self._poses, progress=False,
        )  # fmt: skip
        scores = {}
        for pose, result in reports.score(estimates, split, self._protocol).items():
            scores.update({score_name(pose, name): result[name] for name in SCORES if name in result})
        return scores, estimates

    def drawings(self, estimates):
        """The final poses drawn over the first images that show people, in a row; RGB uint8 [h, w, 3], or None."""
        people = estimates.predictions[estimates.final]
        drawn = []
        for image_id in list(dict.fromkeys(people.image_ids.tolist()))[:_DRAWN_IMAGES]:
            path = self.annotations.image_paths[self.annotations.image_ids == image_id][0]
            image = images.decode(tf.io.read_file(str(path))).numpy()
            drawn.append(drawing.draw_people(image, people.keypoints[people.image_ids == image_id], self._skeleton))
        return drawing.contact_sheet(drawn, columns=_DRAWN_IMAGES) if drawn else None

"""A trained model as one object: ``load`` a workdir, ``PoseModel.predict`` pictures.

::

  model = opec_tf.load()  # the model that comes with the package; a workdir: opec_tf.load("runs/crowdpose")
  poses = model.predict("photo.jpg")
  poses.draw("out.jpg")
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import logging
import os
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple, overload

import tensorflow as tf

import opec_tf.weights
from opec_tf import config
from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.config import DataConfig, DetectorConfig, InferenceConfig, ModelConfig
from opec_tf.inference import chunks, people as who, pictures, traced
from opec_tf.inference.people import People
from opec_tf.inference.people_names import NANODET
from opec_tf.inference.pictures import Numbers, Picture, Pictures
from opec_tf.inference.pose_estimator import Estimator, PoseEstimator
from opec_tf.inference.traced import TracedEstimator
from opec_tf.models import workdir
from opec_tf.models.traced_graph import TracedGraph
from opec_tf.poses.picture_poses import Poses
from opec_tf.poses.skeletons import SKELETONS, Skeleton


class Later(NamedTuple):
    """A network that is built when somebody asks for it."""

    build: Callable[[], tf.keras.Model]


@dataclasses.dataclass(frozen=True, eq=False)
class PoseModel:
    """A trained network with all that is needed to run it.

    Attributes:
      network: from ``models.builders``; its outputs are named.
      model_config: the settings it was built from.
      stage: "base", "opec" or "couple".
      box_margin: side of a crop over side of its person's box, as in training.
      name: where it comes from, for messages: the workdir.
      git_revision: the source tree that trained it; None where nobody knows.
      metrics: what training measured last, see ``workdir``; empty where nothing.
      graph: what prediction runs in the network's place, with the settings that it was traced with.
    """

    network: tf.keras.Model = dataclasses.field(repr=False)
    model_config: ModelConfig
    stage: str
    box_margin: float
    name: str = "the model"
    git_revision: str | None = None
    metrics: dict[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    graph: TracedGraph | None = dataclasses.field(default=None, repr=False)
    # What was built once and serves again: variants of the network and compiled estimators.
    _kept: dict[Any, Any] = dataclasses.field(default_factory=dict, init=False, repr=False)

    @property
    def skeleton(self) -> Skeleton:
        """The joints of its poses."""
        return SKELETONS[self.model_config.skeleton]

    @overload
    def predict(
        self,
        images: Picture,
        *,
        boxes: Numbers | None = ...,
        detector: str = ...,
        initial_poses: Numbers | None = ...,
        flip_test: bool = ...,
        batch_size: int = ...,
        detector_score: float = ...,
    ) -> Poses: ...

    @overload
    def predict(
        self,
        images: list[Picture],
        *,
        boxes: Numbers | None = ...,
        detector: str = ...,
        initial_poses: Numbers | None = ...,
        flip_test: bool = ...,
        batch_size: int = ...,
        detector_score: float = ...,
    ) -> list[Poses]: ...

    def predict(
        self,
        images: Picture | list[Picture],
        *,
        boxes: Numbers | None = None,
        detector: str = NANODET,
        initial_poses: Numbers | None = None,
        flip_test: bool = False,
        batch_size: int = InferenceConfig.inference_batch_size,
        detector_score: float = DetectorConfig.detector_score,
    ) -> Poses | list[Poses]:
        """Finds the poses in a picture, or in each of a list.

        Args:
          images: a file (JPEG, PNG, BMP, GIF), an RGB uint8 array [h, w, 3], or a list of such.
          boxes: where the people are, [N, 4], (x, y, w, h), pixels of the upright picture; of a list a list of arrays.
          detector: finds the people where there are neither boxes nor poses: "nanodet", the package's own; a YOLO
            network, FILE.onnx or FILE.cfg; "none": the whole picture is one person's box.
          initial_poses: another system's, to be refined, [N, K, 3], (x, y, score), pixels; a joint of a score of 0
            starts from the network's own. Of a list a list of arrays. Their boxes are around the joints or ``boxes``.
          flip_test: average with the mirrored picture: better, and half as fast.
          batch_size: crops in a batch at most.
          detector_score: a detector's boxes of a lower score are left out.

        Returns:
          ``Poses``, a row for each box in this order; of a list a list of them.

        Raises:
          UserError: a picture cannot be read, or an argument is not of the form above.
        """
        if not isinstance(images, list):
            boxes, initial_poses = (None if given is None else [given] for given in (boxes, initial_poses))
        source = Pictures(images if isinstance(images, list) else [images])
        if initial_poses is None and boxes is None:
            people = who.by_detector(detector, DetectorConfig(detector_score=detector_score))
        else:
            people = pictures.people(source, boxes, initial_poses, self.skeleton)
        found = self._poses(source, people, InferenceConfig(flip_test=flip_test, inference_batch_size=batch_size))
        return found if isinstance(images, list) else found[0]

    @property
    def digest(self) -> str:
        """A short name of its weights."""
        path = workdir.stage_folder(self.name, self.stage).best_weights
        return hashlib.sha1(path.read_bytes()).hexdigest()[:8]

    def estimator(self, inference_config: InferenceConfig, num_people: int) -> Estimator:
        """What runs the network on crops, in batches no larger than about ``num_people`` people need."""
        batch_size = max(1, min(inference_config.inference_batch_size, num_people))
        settings: dict[str, Any] = {
            "model_config": self.model_config,
            "box_margin": self.box_margin,
            "inference_config": dataclasses.replace(inference_config, inference_batch_size=batch_size),
        }
        if self.graph and traced.serves(self.graph, inference_config):
            # One for batches of all sizes.
            if "traced" not in self._kept:
                weights = workdir.read_weights(workdir.stage_folder(self.name, self.stage).best_weights)
                self._kept["traced"] = self.graph.function(weights)
            return TracedEstimator(self._kept["traced"], self.graph.about, **settings)
        return PoseEstimator(self.network, **settings)

    def with_network(self, network: tf.keras.Model, model_config: ModelConfig | None = None) -> PoseModel:
        """This model with another network in its place."""
        config = model_config or self.model_config
        return dataclasses.replace(self, network=network, model_config=config, graph=None)

    def starting_from_poses_of(self, people: People) -> PoseModel:
        """The same weights in a network that refines the poses that people have, or else makes its own to start from.

        Weights serve both kinds, whichever was trained.

        Raises:
          UserError: there are poses, and the model is a base, which refines none.
        """
        initial_pose = "given" if people.have_poses else "integral"
        if self.stage == "base":
            if people.have_poses:
                raise UserError(f"{self.name}: stage base refines no given poses; train stage opec")
            return self
        if initial_pose == self.model_config.initial_pose:
            return self
        if initial_pose not in self._kept:
            if not people.have_poses:
                logging.getLogger(__name__).warning(
                    "%s: trained to refine given poses; without --initial_poses it starts from poses of its own",
                    self.name,
                )
            from opec_tf.models import loading  # as in _build

            model_config = dataclasses.replace(self.model_config, initial_pose=initial_pose)
            network = loading.rebuild(self.network, self.stage, model_config)
            self._kept[initial_pose] = self.with_network(network, model_config)
        return self._kept[initial_pose]

    def _poses(self, source: Pictures, people: People, inference_config: InferenceConfig) -> list[Poses]:
        model = self.starting_from_poses_of(people)
        estimator = model._kept_estimator(inference_config, people.expected(len(source)))
        found = []
        for chunk, estimates in chunks.estimated(estimator, source, people):
            for position, row in enumerate(chunk.rows):
                picture, name = source[row], source.names[row]
                found.append(chunks.poses_of_frame(chunk, estimates, position, self.skeleton, picture, name))
        return found

    def _kept_estimator(self, inference_config: InferenceConfig, num_people: int) -> Estimator:
        """``estimator``, of a batch size that is a power of two, so that it is seldom compiled anew."""
        num_people = 1 << max(0, num_people - 1).bit_length()
        key = inference_config, min(num_people, inference_config.inference_batch_size)
        if key not in self._kept:
            self._kept[key] = self.estimator(inference_config, num_people)
        return self._kept[key]


class _Network:
    """The attribute ``PoseModel.network``: of one that was given as ``Later`` what that builds, once."""

    def __get__(self, model: PoseModel, _: type) -> Any:
        network = model.__dict__["network"]
        if isinstance(network, Later):
            network = model.__dict__["network"] = network.build()
        return network

    def __set__(self, model: PoseModel, network: Any) -> None:
        model.__dict__["network"] = network


PoseModel.network = _Network()

# The model that comes with the package, a workdir of one stage without what only training needs; its README.md is the
# model card.
SHIPPED = pathlib.Path(opec_tf.weights.__path__[0]) / "shipped" / "people"


def locate(root: str | None, stage: str | None, base_weights: str) -> tuple[str, str | None]:
    """The workdir and stage that a command line names: a run and perhaps a stage; or a base, by its weights; or, where
    it names neither, the model that comes with the package.

    Raises:
      UserError: the weights are not a workdir's finished base, or no model comes with the package.
    """
    if root:
        return root, stage
    return (workdir.workdir_of_base(base_weights), "base") if base_weights else _shipped(stage)


def load(
    path: os.PathLike[str] | str | None = None, stage: str | None = None, box_margin: float | None = None
) -> PoseModel:
    """Loads a trained model.

    Args:
      path: the workdir, folder of a training run; by default the model that comes with the package.
      stage: "base", "opec" or "couple"; by default the last one that is finished.
      box_margin: side of a crop over side of its person's box; by default as in training.

    Raises:
      UserError: not a workdir, no such stage, or unusable files.
    """
    if path is None:
        path, stage = _shipped(stage)
    model_config = workdir.read_model_config(path)
    if stage is None:
        stage = workdir.last_stage(path)
    elif stage not in config.STAGES:
        raise UserError(f"{stage}: is no stage; choose from {', '.join(config.STAGES)}")
    folder = workdir.stage_folder(path, stage)
    graph = traced.find(folder)
    build = functools.partial(_build, path, stage, model_config)
    network = Later(build) if graph else build()
    settings = files.read_json(folder.config)
    return PoseModel(
        network,
        model_config,
        stage,
        box_margin=box_margin or config.from_mapping(DataConfig, settings).box_margin,
        name=os.fspath(path),
        git_revision=settings.get("git_revision"),
        metrics=files.read_json(folder.metrics) if folder.metrics.exists() else {},
        graph=graph,
    )


def _build(path: os.PathLike[str] | str, stage: str, model_config: ModelConfig) -> tf.keras.Model:
    """The network of a stage. Only here the builders and their layers are imported: a second that a graph saves."""
    from opec_tf.models import loading

    return loading.load_network(path, stage, model_config)


def _shipped(stage: str | None) -> tuple[str, str | None]:
    """Workdir and stage of the model that comes with the package."""
    if not SHIPPED.is_dir():
        raise UserError("no model comes with this version; name a training run, the --workdir of a command")
    return str(SHIPPED), stage

"""What is compared with the peer, and the run through it."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from opec_tf.common import files
from opec_tf.config import DataConfig, TrainConfig
from opec_tf.evaluation import protocols
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.predictions import PosePredictions
from opec_tf.study import speed
from opec_tf.study.peers import turns
from opec_tf.study.peers.networks import Compared

SECTIONS = ("pipeline", "training", "inference", "scoring")
INFERENCE_BATCHES = (1, 8, 32)
PROTOCOLS = ("coco", "crowdpose")

_ROOM = "opec_tf.study.peers"
_OURS = f"{_ROOM}.tensorflow_side"
_INPUT_BATCH = 16
_SCORED_IMAGES = 400


class Case(NamedTuple):
    """One comparison.

    Attributes:
      section: one of ``SECTIONS``.
      name: of the case, unique within its section.
      job: what the sides are told, JSON object.
      size: crops or images that a step goes through.
      modules: of the two sides, see ``side.py``.
      cores: processors that both sides may run on; none: all.
    """

    section: str
    name: str
    job: dict
    size: int
    modules: tuple[str, str] = (_OURS, f"{_ROOM}.torch_side")
    cores: tuple[int, ...] = ()


def cases(
    compared: Sequence[Compared],
    sections: Collection[str],
    data_config: DataConfig,
    threads: int,
    folder: pathlib.Path,
) -> list[Case]:
    """The comparisons of some networks and sections.

    Args:
      compared: networks.
      sections: of ``SECTIONS``.
      data_config: of which mirroring, turns, changes of size and box jitter of training crops count.
      threads: of each side.
      folder: an empty folder for made-up pictures and files.
    """
    found: list[Case] = []
    if "inference" in sections:
        found += [_inference(network, batch, threads) for network in compared for batch in INFERENCE_BATCHES]
    if "training" in sections:
        found += [_training(network, threads) for network in compared]
    if "pipeline" in sections:
        found += _inputs(compared, data_config, threads, folder)
    if "scoring" in sections:
        found += [_scoring(protocol, threads, folder) for protocol in PROTOCOLS]
    return found


def run(case: Case, pairs: int, seconds: float) -> dict[str, object]:
    """Measures one case, see ``turns.measure``; with step_size, what a step goes through."""
    with turns.two_sides(case.modules, case.job, case.cores) as (ours, peer):
        return {"step_size": case.size, **turns.measure(ours, peer, pairs, seconds)}


def usable_cores() -> list[int]:
    """The processors that this process may run on."""
    return sorted(os.sched_getaffinity(0))


def _inference(network: Compared, batch: int, threads: int) -> Case:
    job = {"kind": "inference", "threads": threads, "stage": network.stage, "batch_size": batch}
    job["model"] = dataclasses.asdict(network.config)
    return Case("inference", f"{network.title}, batch {batch}", job, batch)


def _training(network: Compared, threads: int) -> Case:
    train = TrainConfig(batch_size=network.batch_size)
    job = {"kind": "training", "threads": threads, "stage": network.stage}
    job.update(model=dataclasses.asdict(network.config), train=dataclasses.asdict(train))
    return Case("training", f"{network.title}, batch {network.batch_size}", job, network.batch_size)


def _inputs(compared: Sequence[Compared], data_config: DataConfig, threads: int, folder: pathlib.Path) -> list[Case]:
    """The training input at each size of crops, on one processor and on as many as there are threads."""
    people = speed.write_pictures(str(folder))
    annotations = folder / "people.json"
    files.write_json(annotations, people.to_coco(folder))
    # What the plain data set has not.
    data_config = dataclasses.replace(data_config, color_jitter=0.0, cut_boxes=0.0)
    found, cores = [], usable_cores()
    for height, width in dict.fromkeys(network.config.crop_size for network in compared):
        for count in dict.fromkeys((1, threads)):
            job = {"kind": "input", "threads": count, "annotations": str(annotations), "images": str(folder)}
            job.update(crop_size=[height, width], batch_size=_INPUT_BATCH, sigma=TrainConfig.heatmap_sigma)
            job["data"] = dataclasses.asdict(data_config)
            name = f"{height} x {width}, {count} {'core' if count == 1 else 'cores'}"
            found.append(Case("pipeline", name, job, _INPUT_BATCH, cores=tuple(cores[:count])))
    return found


def _scoring(protocol: str, threads: int, folder: pathlib.Path) -> Case:
    truth, found = folder / f"{protocol}_truth.json", folder / f"{protocol}_found.json"
    people, poses = made_up_scores(protocol, _SCORED_IMAGES)
    files.write_json(truth, people.to_coco(folder))
    poses.write(found)
    job = {"kind": "scoring", "threads": threads, "protocol": protocol, "truth": str(truth), "found": str(found)}
    return Case("scoring", f"{protocol}, from files", job, _SCORED_IMAGES, (_OURS, f"{_ROOM}.plain_scoring"))


def made_up_scores(protocol: str, images: int) -> tuple[PoseAnnotations, PosePredictions]:
    """Four people in each image, and two poses of each, one near and one far; of a protocol's joints."""
    rules, random, each = protocols.PROTOCOLS[protocol], np.random.default_rng(0), 4
    count, joints = images * each, rules.skeleton.num_joints
    # To the digits that published files have.
    boxes = np.round(speed.made_up_boxes(count, seed=0), 2)
    points = np.round(boxes[:, None, :2] + random.uniform(size=[count, joints, 2]) * boxes[:, None, 2:])
    seen = random.choice([0.0, 1.0, 2.0], size=[count, joints, 1], p=[0.2, 0.2, 0.6])
    people = PoseAnnotations(
        skeleton=rules.skeleton,
        image_ids=np.arange(1, images + 1),
        image_paths=np.array([f"{image}.jpg" for image in range(images)]),
        image_sizes=np.tile(speed.IMAGE_SIZE, [images, 1]),
        crowd_index=random.uniform(size=images),
        annotation_ids=np.arange(1, count + 1),
        image_index=np.repeat(np.arange(images), each),
        boxes=boxes,
        areas=np.round((rules.box_area_factor or 0.6) * boxes[:, 2] * boxes[:, 3], 4),
        keypoints=np.concatenate([points * (seen > 0), seen], axis=-1),
        is_crowd=np.zeros(count, bool),
    )
    far = np.repeat([0.03, 0.15], count)[:, None, None] * np.tile(boxes[:, 3], 2)[:, None, None]
    keypoints = np.round(np.tile(points, [2, 1, 1]) + far * random.normal(size=[2 * count, joints, 2]), 2)
    return people, PosePredictions(
        image_ids=np.tile(people.image_ids[people.image_index], 2),
        keypoints=np.concatenate([keypoints, np.ones([2 * count, joints, 1])], axis=-1),
        scores=np.round(random.uniform(size=2 * count), 4),
        boxes=np.tile(boxes, [2, 1]),
    )

"""Our side; every ``prepare`` gives a step for ``side.py``, and the jobs are those of ``contest.py``."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from opec_tf.config import DataConfig, ModelConfig, TrainConfig, from_mapping
from opec_tf.data.annotations import loading
from opec_tf.evaluation import protocols
from opec_tf.poses import gaussians, predictions
from opec_tf.study import timed_steps
from opec_tf.study.peers.side import Step


def prepare(job: dict) -> Step:
    """The step of a job of any kind."""
    tf.config.threading.set_intra_op_parallelism_threads(job["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(job["threads"])
    return KINDS[job["kind"]](job)


def _inference(job: dict) -> Step:
    return timed_steps.network_step(job["stage"], from_mapping(ModelConfig, job["model"]), job["batch_size"])


def _training(job: dict) -> Step:
    configs = from_mapping(ModelConfig, job["model"]), from_mapping(TrainConfig, job["train"])
    return timed_steps.training_step(job["stage"], *configs, jit_compile=False)


def _input(job: dict) -> Step:
    """The training input, with the targets that training makes of its joints."""
    height, width = job["crop_size"]
    batches = timed_steps.training_input(
        loading.read("coco", job["annotations"], job["images"]),
        (height, width),
        from_mapping(DataConfig, job["data"]),
        job["batch_size"],
        job["threads"],
        also=lambda crops, joints: (
            crops,
            gaussians.heatmaps(joints[..., :2], (height // 4, width // 4), job["sigma"]),
        ),
    )
    return lambda: next(batches)


def _scoring(job: dict) -> Step:
    """What the command score does."""
    protocol = job["protocol"]

    def step() -> dict[str, float]:
        people = loading.read(protocol, job["truth"], image_folder="")
        rules = protocols.PROTOCOLS[protocol]
        poses = predictions.read(job["found"], images=people, if_nobody=rules.skeleton)
        return protocols.evaluate(people, poses, protocol)

    return step


KINDS: dict[str, Callable[[dict], Step]] = {
    "inference": _inference,
    "training": _training,
    "input": _input,
    "scoring": _scoring,
}

"""The peer's side: PyTorch, channels last, in its usual eager mode, with its fused Adam.

Every ``prepare`` gives a step for ``side.py``; the jobs are those of ``contest.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import cv2
import numpy as np
import torch

from opec_tf.config import DataConfig, ModelConfig, TrainConfig, from_mapping
from opec_tf.poses import skeletons
from opec_tf.study.peers import torch_training
from opec_tf.study.peers.opencv_crops import OpenCvCrops
from opec_tf.study.peers.side import Step


def prepare(job: dict) -> Step:
    """The step of a job of kind inference, training or input."""
    torch.manual_seed(0)
    torch.set_num_threads(job["threads"])
    torch.set_flush_denormal(True)  # as TensorFlow does
    return {"inference": _inference, "training": _training, "input": _input}[job["kind"]](job)


def _inference(job: dict) -> Step:
    config = from_mapping(ModelConfig, job["model"])
    network = _network(job["stage"], config).eval()
    crops = _crops(job["batch_size"], config)

    def step() -> dict[str, np.ndarray]:
        with torch.inference_mode():
            return {name: value.numpy() for name, value in network(crops).items()}

    return step


def _training(job: dict) -> Step:
    config, train_config = from_mapping(ModelConfig, job["model"]), from_mapping(TrainConfig, job["train"])
    network = _network(job["stage"], config).train()
    loss_of = torch_training.losses(job["stage"], config, train_config)
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    adam = torch.optim.Adam(parameters, lr=train_config.learning_rate, eps=1e-7, fused=True)
    crops = _crops(train_config.batch_size, config)
    joints = torch.rand([train_config.batch_size, skeletons.SKELETONS[config.skeleton].num_joints, 4]) * 2.0 - 1.0
    joints[..., 2:] = torch.tensor([1.0, 0.0])

    def step() -> float:
        adam.zero_grad(set_to_none=True)
        loss = loss_of(network(crops), joints)
        loss.backward()
        adam.step()
        return loss.item()

    return step


def _input(job: dict) -> Step:
    """Batches of a DataLoader whose workers, one a thread, make ``OpenCvCrops``."""
    with open(job["annotations"], encoding="utf-8") as file:
        annotations = json.load(file)
    crops = OpenCvCrops(
        annotations,
        job["images"],
        skeletons.BODY12,
        tuple(job["crop_size"]),
        from_mapping(DataConfig, job["data"]),
        job["sigma"],
    )

    def start(worker: int) -> None:
        cv2.setNumThreads(0)
        crops.random = np.random.default_rng(worker)

    loader = torch.utils.data.DataLoader(
        crops,
        batch_size=job["batch_size"],
        sampler=torch.utils.data.RandomSampler(crops, replacement=True, num_samples=2**40),
        num_workers=job["threads"],
        worker_init_fn=start,
    )
    batches: Iterator = iter(loader)
    for _ in range(2 * loader.prefetch_factor):  # what was made while the workers started
        next(batches)
    return lambda: next(batches)


def _network(stage: str, config: ModelConfig) -> torch.nn.Module:
    return torch_training.Network(stage, config).to(memory_format=torch.channels_last)


def _crops(count: int, config: ModelConfig) -> torch.Tensor:
    return (255.0 * torch.rand([count, 3, *config.crop_size])).contiguous(memory_format=torch.channels_last)

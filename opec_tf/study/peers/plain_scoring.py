"""Scoring as pycocotools' own documentation does it, from files to numbers.

The published CrowdPose tools are a copy of it whose OKS takes 0.53 times the box as a person's area; here the file has
that area. They go through the results three times more for easy, medium and hard images, which this leaves out.
"""

from __future__ import annotations

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from opec_tf.evaluation import protocols
from opec_tf.study.peers.side import Step


def prepare(job: dict) -> Step:
    """The step of a job of kind scoring."""
    rules = protocols.PROTOCOLS[job["protocol"]]

    def step() -> np.ndarray:
        truth = COCO(job["truth"])
        evaluator = COCOeval(truth, truth.loadRes(job["found"]), "keypoints")
        evaluator.params.kpt_oks_sigmas = rules.sigmas
        if not rules.by_area:
            del evaluator.params.areaRng[1:], evaluator.params.areaRngLbl[1:]
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
        return evaluator.stats

    return step

"""What data sets hold, side by side: the paper's Table 1, people, joints and CrowdPose's crowdIndex."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from opec_tf.common import files
from opec_tf.evaluation import occlusion, plots
from opec_tf.poses import skeletons
from opec_tf.poses.pose_annotations import PoseAnnotations

# Bins of the histograms, edges; what is beyond the last is in the last bin.
_IOU_EDGES = np.linspace(0.0, 1.0, 21)
_CROWD_EDGES = np.linspace(0.0, 2.0, 21)
_VISIBLE, _OCCLUDED = (skeletons.VISIBILITY_CLASSES.index(name) for name in ("visible", "occluded"))


def describe(annotations: PoseAnnotations) -> dict[str, Any]:
    """The figures of one data set.

    Returns:
      ``images``, ``mean_iou`` and ``iou30`` .. ``iou75`` of ``occlusion.table1_statistics``; ``people`` and
      ``crowd_regions``; ``labelled_joints``; ``visible_joints`` and ``hidden_joints``, of those whose labels say so;
      ``crowd_index_stated``, the images whose file says it, elsewhere it is computed; ``crowd_index``, its mean;
      ``crowd_easy``, ``crowd_medium`` and ``crowd_hard``, shares of the images; ``iou_histogram`` and
      ``crowd_histogram``, images in each bin.
    """
    people = annotations.select(~annotations.is_crowd)
    ious = occlusion.image_ious(annotations)
    stated = ~np.isnan(annotations.crowd_index)
    crowd = np.where(stated, annotations.crowd_index, occlusion.crowd_indices(annotations))
    labelled = people.keypoints[..., 2] != skeletons.UNLABELLED
    return {
        **occlusion.table1_statistics(ious),
        "people": people.num_people,
        "crowd_regions": int(annotations.is_crowd.sum()),
        "labelled_joints": int(labelled.sum()),
        "visible_joints": int(np.sum(labelled & (people.visibility == _VISIBLE))),
        "hidden_joints": int(np.sum(labelled & (people.visibility == _OCCLUDED))),
        "crowd_index_stated": int(stated.sum()),
        "crowd_index": float(np.mean(crowd)),
        **{
            f"crowd_{level}": float(np.mean((crowd >= low) & (crowd < high)))
            for level, low, high in occlusion.CROWD_LEVELS
        },
        "iou_histogram": _histogram(ious, _IOU_EDGES),
        "crowd_histogram": _histogram(crowd, _CROWD_EDGES),
    }


def as_markdown(data_sets: Mapping[str, Mapping[str, Any]]) -> str:
    """Table 1 of several data sets, name -> what ``describe`` says, and a table of their people and joints."""
    lines = ["| data set | images | IoU > 0.3 | IoU > 0.5 | IoU > 0.75 | mean IoU |", "|---|---|---|---|---|---|"]
    for name, figures in data_sets.items():
        shares = [
            _counted(figures[f"iou{round(100 * level)}"], figures["images"]) for level in occlusion.IOU_THRESHOLDS
        ]
        lines.append(f"| {name} | {figures['images']} | {' | '.join(shares)} | {figures['mean_iou']:.3f} |")
    lines += ["", "| data set | people | labelled joints | hidden | crowdIndex | easy | medium | hard |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for name, figures in data_sets.items():
        levels = [f"{figures[f'crowd_{level}']:.1%}" for level, _, _ in occlusion.CROWD_LEVELS]
        lines.append(
            f"| {name} | {figures['people']} | {figures['labelled_joints']} | {_hidden(figures)} | "
            f"{figures['crowd_index']:.3f} | {' | '.join(levels)} |"
        )
    return "\n".join(lines)


def write(output_dir: os.PathLike[str] | str, data_sets: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes statistics.md, statistics.json and, with the histograms, statistics.png into a folder.

    Args:
      output_dir: the folder.
      data_sets: name -> what ``describe`` says.
    """
    folder = files.make_folder(output_dir)
    files.write_text(folder / "statistics.md", as_markdown(data_sets) + "\n")
    files.write_json(folder / "statistics.json", data_sets, indent=2)
    panels = {"largest box IoU of an image": (_IOU_EDGES, "iou"), "crowdIndex": (_CROWD_EDGES, "crowd")}
    histograms = {
        title: (edges, {name: figures[f"{column}_histogram"] for name, figures in data_sets.items()})
        for title, (edges, column) in panels.items()
    }
    plots.plot_data_sets(histograms, folder / "statistics.png")


def _counted(share: float, images: int) -> str:
    """As the paper's table has it: a count and a percentage."""
    return f"{round(share * images)} ({share:.1%})"


def _hidden(figures: Mapping[str, Any]) -> str:
    """The share of the joints of which it is said that are hidden."""
    told = figures["visible_joints"] + figures["hidden_joints"]
    return f"{figures['hidden_joints'] / told:.1%}" if told else "not said"


def _histogram(values: np.ndarray, edges: np.ndarray) -> list[int]:
    return np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0].tolist()

"""One data set of what several annotators say, by the rule of ``consensus``, and the queue of where they differ."""

from __future__ import annotations

import collections
import dataclasses
import logging
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from opec_tf.annotation import agreement, consensus, records, splits
from opec_tf.annotation.consensus import Consensus
from opec_tf.annotation.records import Annotation
from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.common.progress import Progress
from opec_tf.evaluation import occlusion, plots
from opec_tf.poses import predictions
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.poses.skeletons import UNLABELLED, Skeleton

_NAMED = 3  # problems that the reason of a queued picture names
# A person's box is that around the joints and, where there is no joint for it, the top of the head, as far above the
# shoulders as half the trunk is long; with so much room of the longer side around it. In CrowdPose's boxes of people
# whose 12 joints are all labelled there are 0.08 of it at the sides and 0.27 above these joints in the median.
_HEAD, _ROOM = 0.5, 0.08


@dataclasses.dataclass(frozen=True)
class Merged:
    """What ``merge`` found, in numbers.

    Attributes:
      pictures: how many there are of each kind: ``merged``, ``queued``, ``waiting`` (for a second annotator who is
        done), ``without people``.
      splits: split -> number of pictures.
      text: the report.
    """

    pictures: dict[str, int]
    splits: dict[str, int]
    text: str


def merge(
    annotations: os.PathLike[str] | str,
    images: os.PathLike[str] | str,
    output_dir: os.PathLike[str] | str,
    max_deviation: float,
    shares: Mapping[str, float] = splits.SHARES,
    progress: bool = True,
) -> Merged:
    """Merges the annotators' files of pictures that at least two are done with.

    Writes ANNOTATIONS/queue.json, the pictures on which they differ, the worst first, and into ``output_dir``
    SPLIT.json for each split, in CrowdPose's form, splits.json, report.json, report.txt, agreement.png and, with how
    far each joint of each picture differs, deviations.json.

    Args:
      annotations: the folder of annotators, see ``records``.
      images: the folder of pictures.
      output_dir: the folder for the data set; made again, videos keep the split that they have.
      max_deviation: of two positions of a joint that agree, as a share of the person's size. COCO's annotators were
        further apart than 0.15 one time in 1,600 in the hips, the least sure of joints, and one time in 27 than 0.1:
        exp(-(d / (sigma s))^2) with sigma 0.107, and s^2 = 0.53 w h of a box half as wide as it is high.
      shares: split -> share of the pictures.
      progress: report to stderr.

    Raises:
      UserError: a file is malformed, of another skeleton or size than others, or no picture has two annotations.
    """
    if not os.path.isdir(images):
        raise UserError(f"{images}: is no folder; give the folder of pictures as --images")
    pictures, waiting = _read(annotations, images, progress)
    folder = files.make_folder(output_dir)
    dealt = splits.read(folder, shares)
    skeleton = next(iter(next(iter(pictures.values())).values())).skeleton
    agreed = {}
    with Progress("comparing", "pictures", len(pictures), progress) as report:
        for picture, by_name in pictures.items():
            people = {name: of.people for name, of in by_name.items()}
            agreed[picture] = consensus.agree(people, skeleton, max_deviation)
            report.update()
    queued = [
        records.Queued(picture, _reason(agreed[picture].problems), tuple(pictures[picture]))
        for picture in sorted(agreed, key=lambda name: -len(agreed[name].problems))
        if agreed[picture].problems
    ]
    good = {name: of for name, of in agreed.items() if not of.problems and len(of.people)}
    videos = splits.videos_of(list(good), images)
    split_of = splits.deal(videos, shares, dealt)
    counts = {
        "merged": len(good),
        "queued": len(queued),
        "waiting": waiting,
        "without people": len(agreed) - len(good) - len(queued),
    }
    parts = {split: [name for name in good if split_of[videos[name]] == split] for split in shares}
    for split, names in parts.items():
        _write_split(folder / f"{split}.json", names, good, pictures, images)
    splits.write(folder, shares, split_of)
    sizes = {split: len(names) for split, names in parts.items()}
    text = _write_report(folder, agreed, skeleton, max_deviation, {**counts, "splits": sizes})
    records.write_queue(annotations, queued)
    return Merged(counts, sizes, text)


def _read(
    folder: os.PathLike[str] | str, images: os.PathLike[str] | str, progress: bool
) -> tuple[dict[str, dict[str, Annotation]], int]:
    """The finished annotations, picture -> annotator -> annotation, of pictures that have two; and how many have less.

    Raises:
      UserError: see ``merge``.
    """
    found: dict[str, dict[str, Annotation]] = collections.defaultdict(dict)
    gone, started = set(), 0
    listed = records.list_files(folder)
    with Progress("reading", "annotations", sum(map(len, listed.values())), progress) as report:
        for annotator, paths in listed.items():
            for picture, path in paths.items():
                report.update()
                if not os.path.isfile(os.path.join(images, picture)):
                    gone.add(path)
                    continue
                annotation = records.read(folder, annotator, picture)
                started += not annotation.done
                if annotation.done:
                    found[picture][annotator] = annotation
    _warn(folder, "are of pictures that are not in --images, and left out", sorted(map(str, gone)))
    if started:
        logging.getLogger(__name__).warning("%s: %d annotations are not done, and left out", folder, started)
    pictures = {picture: by_name for picture, by_name in sorted(found.items()) if len(by_name) > 1}
    if not pictures:
        raise UserError(
            f"{folder}: no picture has two annotations that are done; have each annotated by two (opec_tf.annotate "
            "with another --annotator), and marked as done"
        )
    _check_alike(folder, pictures)
    return pictures, len(found) - len(pictures)


def _check_alike(folder: os.PathLike[str] | str, pictures: Mapping[str, Mapping[str, Annotation]]) -> None:
    """Raises a ``UserError`` where files are of several skeletons, or those of one picture of several sizes."""
    first = next(iter(next(iter(pictures.values())).values()))
    for picture, by_name in pictures.items():
        one = next(iter(by_name.values()))
        for annotator, other in by_name.items():
            path = records.path_of(folder, annotator, picture)
            if other.skeleton != first.skeleton:
                raise UserError(
                    f"{path}: 'skeleton' is {other.skeleton.name}, but in that of {first.picture} by {first.annotator} "
                    f"{first.skeleton.name}; merge the files of each skeleton by themselves"
                )
            if (other.width, other.height) != (one.width, one.height):
                raise UserError(
                    f"{path}: says that the picture is {other.width}x{other.height}, but that of {one.annotator} "
                    f"{one.width}x{one.height}; has the picture changed? annotate it anew"
                )


def _reason(problems: list[str]) -> str:
    more = f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
    return "; ".join(problems[:_NAMED]) + more


def _write_split(
    path: pathlib.Path,
    names: list[str],
    agreed: Mapping[str, Consensus],
    pictures: Mapping[str, Mapping[str, Annotation]],
    images: os.PathLike[str] | str,
) -> None:
    """Writes the pictures of one split; where there are none there is no file, and a warning says so."""
    if not names:
        path.unlink(missing_ok=True)
        logging.getLogger(__name__).warning("%s: gets no picture, for no video is left for it; not written", path)
        return
    image_index = np.repeat(np.arange(len(names)), [len(agreed[name].people) for name in names])
    keypoints = np.concatenate([agreed[name].people for name in names])
    first = [next(iter(pictures[name].values())) for name in names]
    sizes = np.array([[of.height, of.width] for of in first])
    boxes = person_boxes(keypoints, first[0].skeleton, sizes[image_index])
    people = PoseAnnotations(
        skeleton=first[0].skeleton,
        image_ids=_ids(names, pictures),
        image_paths=np.array([os.path.join(images, name) for name in names]),
        image_sizes=sizes,
        crowd_index=np.full(len(names), np.nan),
        annotation_ids=np.zeros(len(keypoints)),
        image_index=image_index,
        boxes=boxes,
        areas=np.prod(boxes[:, 2:], axis=1),
        keypoints=keypoints,
        is_crowd=np.zeros(len(keypoints), bool),
    )
    place = np.arange(len(keypoints)) - np.searchsorted(image_index, image_index)
    ids, crowd = people.image_ids[image_index] * 1000 + place, occlusion.crowd_indices(people)
    people = dataclasses.replace(people, annotation_ids=ids, crowd_index=crowd)
    files.write_json(path, people.to_coco(image_root=images))


def _ids(names: list[str], pictures: Mapping[str, object]) -> np.ndarray:
    """Ids of pictures, unique over all splits: their places among all that two have annotated, from 1 on."""
    place = {name: number for number, name in enumerate(pictures, 1)}
    return np.array([place[name] for name in names])


def person_boxes(keypoints: np.ndarray, skeleton: Skeleton, sizes: np.ndarray) -> np.ndarray:
    """The boxes (x, y, w, h) of whole people within their pictures, by their joints.

    Args:
      keypoints: [N, K, 3], (x, y, v).
      skeleton: their joint set.
      sizes: [N, 2], (height, width) of each one's picture.
    """
    index = {joint: place for place, joint in enumerate(skeleton.joints)}
    if "head" not in index:
        shoulders, hips = ([index[f"{side}_{part}"] for side in ("left", "right")] for part in ("shoulder", "hip"))
        middle = keypoints[:, shoulders, :2].mean(axis=1)
        top = middle + _HEAD * (middle - keypoints[:, hips, :2].mean(axis=1))
        known = (keypoints[:, shoulders + hips, 2] != UNLABELLED).all(axis=1)
        keypoints = np.concatenate([keypoints, np.append(top, known[:, None], axis=1)[:, None]], axis=1)
    boxes = predictions.joint_boxes(keypoints, scored_only=True)
    room = _ROOM * boxes[:, 2:].max(axis=1, keepdims=True) + 0.5
    # Pixel centres are at integers, a box is its outer edges (geometry.py).
    low = np.clip(boxes[:, :2] - room, -0.5, sizes[:, ::-1] - 0.5)
    high = np.clip(boxes[:, :2] + boxes[:, 2:] + room, -0.5, sizes[:, ::-1] - 0.5)
    return np.concatenate([low + 0.5, high - low], axis=1)


def _write_report(
    folder: pathlib.Path,
    agreed: Mapping[str, Consensus],
    skeleton: Skeleton,
    max_deviation: float,
    pictures: dict[str, Any],
) -> str:
    """Writes report.json, report.txt, agreement.png and deviations.json; returns the text."""
    figures = agreement.describe(list(agreed.values()), skeleton, max_deviation)
    good = [of for of in agreed.values() if not of.problems]
    hidden = sum(of.hidden_by_some for of in good)
    joints = sum(int(np.sum(of.people[..., 2] != UNLABELLED)) for of in good)
    totals = {
        "pictures": pictures,
        "people": sum(len(of.people) for of in good),
        "labelled_joints": joints,
        "hidden_by_some": hidden,
        "max_deviation": max_deviation,
    }
    text = (
        f"{pictures['merged']} pictures merged, {pictures['queued']} queued, {pictures['waiting']} wait for a second "
        f"annotator, {pictures['without people']} without people\n"
        f"splits: {', '.join(f'{split} {count}' for split, count in pictures['splits'].items())}\n"
        f"{totals['people']} people, {joints} labelled joints, of which {hidden} are hidden because some of those who "
        f"agree on the place say so\n\n{agreement.as_text(figures)}\n"
    )
    files.write_json(folder / "report.json", {**totals, **figures}, indent=1)
    files.write_text(folder / "report.txt", text)
    files.write_json(folder / "deviations.json", agreement.by_picture(agreed))
    plots.plot_agreement(figures["matrix"], skeleton.joints, folder / "agreement.png")
    return text


def _warn(folder: os.PathLike[str] | str, what: str, paths: list[str]) -> None:
    if paths:
        logging.getLogger(__name__).warning("%s: %d annotations %s (first: %s)", folder, len(paths), what, paths[0])

"""The poses on pictures and videos, written: COCO results with file names, and drawings."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.common.progress import Progress
from opec_tf.config import InferenceConfig, TrackingConfig
from opec_tf.inference import chunks, following
from opec_tf.inference.chunks import Chunk
from opec_tf.inference.estimates import ASSOCIATION, Estimates
from opec_tf.inference.following import Follower
from opec_tf.inference.forward import PEAK
from opec_tf.inference.frames import ImageFiles, Source, VideoWriter
from opec_tf.inference.partial_results import PartialResults
from opec_tf.inference.people import People
from opec_tf.inference.person_boxes import PersonBoxes
from opec_tf.inference.pose_estimator import Estimator
from opec_tf.inference.pose_model import PoseModel
from opec_tf.inference.videos import Video
from opec_tf.poses import drawing
from opec_tf.poses.skeletons import Skeleton


@dataclasses.dataclass(frozen=True)
class DrawingStyle:
    """What is drawn.

    Attributes:
      hidden_score: a joint whose score is below this is drawn as occluded where neither the network nor the boxes'
        labels say what it is; see ``drawing.mark_joints``.
      compare: the base's pose on the left, the refined one on the right.
    """

    hidden_score: float = 0.3
    compare: bool = False


def write_predictions(
    model: PoseModel,
    source: ImageFiles | Video,
    people: People,
    output_dir: os.PathLike[str] | str,
    *,
    inference_config: InferenceConfig,
    tracking_config: TrackingConfig,
    style: DrawingStyle | None,
    made_by: dict[str, str],
) -> int:
    """Writes the poses on all frames of a source: predictions.json and, under drawings/, images or a video.

    Broken off, predictions.partial.json has the poses so far, from which a call with the same ``made_by`` goes on.
    Returns the number of people.

    Args:
      model, inference_config: refines the poses that people have, if they have any; how it is run.
      source, people: the frames, and who is in them.
      output_dir: made where it is missing.
      tracking_config: whether people are followed from frame to frame, and how.
      style: what is drawn; None: nothing.
      made_by: all that the results depend on.

    Raises:
      UserError: a result cannot be written, no frame can be read, predictions.partial.json is otherwise made, or
        settings contradict each other.
    """
    folder = files.make_folder(output_dir)
    follower = following.follower(source, model.skeleton, tracking_config)
    model = model.starting_from_poses_of(people)
    estimator = model.estimator(inference_config, people.expected(len(source)))
    _check_style(style, estimator)
    # A video's drawings are one file, which cannot be added to, and smoothed poses are not those that they were.
    goes_on = not (style and isinstance(source, Video)) and tracking_config.smooth == "none"
    with PartialResults(folder / "predictions.partial.json", made_by, goes_on) as kept:
        source.skipped += kept.done.skipped
        if isinstance(source, Video) and kept.done.frames > len(source):
            source.count()  # it has more frames than it announces
        if follower:
            follower.go_on_behind(kept.done.results, source.ids)
        _add_all(kept, estimator, source, people, follower, folder / "drawings", style)
        if not kept.done.frames:
            raise UserError(
                f"{source.skipped[0]}: cannot be read, nor can any other of the {len(source)} images; check --images"
            )
        files.write_json(folder / "predictions.json", kept.done.results)
    return len(kept.done.results)


def _add_all(
    kept: PartialResults,
    estimator: Estimator,
    source: ImageFiles | Video,
    people: People,
    follower: Follower | None,
    drawings: pathlib.Path,
    style: DrawingStyle | None,
) -> None:
    """Adds the results of the frames that are not done, and draws them."""
    first, skeleton = kept.done.frames, estimator.skeleton
    with contextlib.ExitStack() as stack:
        write_drawing = stack.enter_context(_drawing_writer(source, drawings)) if style else None
        meter = stack.enter_context(Progress("predicting", "frames", len(source) - first))
        for chunk, found in chunks.estimated(estimator, source, people, first):
            estimates = follower.follow(chunk, found) if follower else found
            if style and write_drawing:
                for position, row in enumerate(chunk.rows):
                    write_drawing(row, _draw(chunk, estimates, position, skeleton, style))
            kept.add(coco_results(chunk, estimates, source, skeleton), int(chunk.rows[-1]) + 1, source.skipped)
            meter.update(len(chunk.images))


def coco_results(chunk: Chunk, estimates: Estimates, source: Source, skeleton: Skeleton) -> list[dict[str, Any]]:
    """The COCO results of all frames of a chunk."""
    results = []
    for position, row in enumerate(chunk.rows):
        image, name = chunk.images[position], source.names[row]
        results += chunks.poses_of_frame(chunk, estimates, position, skeleton, image, name).to_coco(source.ids[row])
    return results


def draw_pose(
    image: np.ndarray,
    row: int,
    name: str,
    estimates: Estimates,
    boxes: PersonBoxes,
    skeleton: Skeleton,
    hidden_score: float,
) -> np.ndarray:
    """Draws one of the network's poses of the people of an image.

    Args:
      image: RGB uint8 [h, w, 3].
      row: the image's row, as ``boxes.image_index`` has it.
      name: which pose, a key of ``estimates.predictions``.
      estimates: of all boxes.
      boxes: the people of all images.
      skeleton: the model's joints.
      hidden_score: see ``DrawingStyle``.

    Returns:
      RGB uint8 [h, w, 3]; a person's colour is its track's, or its box's place among those of the image.
    """
    people = estimates.rows[name]
    mine = boxes.image_index[people] == row
    keypoints, people = estimates.predictions[name].keypoints[mine], people[mine]
    visibility, labels = (None if known is None else known[people] for known in (estimates.visibility, boxes.labels))
    keypoints, hidden = drawing.mark_joints(keypoints, hidden_score, visibility, labels)
    colors = people - np.searchsorted(boxes.image_index, row)
    if estimates.track_ids is not None:
        colors = drawing.track_colors(estimates.track_ids[people])
    return drawing.draw_people(image, keypoints, skeleton, hidden, colors)


def title(name: str) -> str:
    """What a pose is called above a drawing."""
    if name == "given":
        return "given pose"
    if name == PEAK:
        return "base: heatmap peak"
    if name == ASSOCIATION:
        return "base: associated peaks"
    if name.startswith("couple"):
        return f"CoupleGraph: {name.replace('couple_', 'pose ')}"
    return f"OPEC-Net: {name.replace('_', ' ')}"


def _check_style(style: DrawingStyle | None, estimator: Estimator) -> None:
    if style and style.compare and len(estimator.pose_names) < 2:
        raise UserError(
            "--compare needs a refined pose beside the base's, but the workdir has stage base alone; train stage opec, "
            "or add --association"
        )


def _draw(chunk: Chunk, estimates: Estimates, position: int, skeleton: Skeleton, style: DrawingStyle) -> np.ndarray:
    """The drawing of the frame at a position of the chunk."""
    names = (PEAK, estimates.final) if style.compare else (estimates.final,)
    image, people = chunk.images[position], chunk.people
    drawings = [draw_pose(image, position, name, estimates, people, skeleton, style.hidden_score) for name in names]
    return drawing.contact_sheet(drawings, 2, [title(name) for name in names]) if style.compare else drawings[0]


@contextlib.contextmanager
def _drawing_writer(source: ImageFiles | Video, folder: pathlib.Path) -> Iterator[Callable[[int, np.ndarray], None]]:
    """Gives a function (row, drawn) that writes the drawing of a frame, named as the source is."""
    if isinstance(source, Video):
        with VideoWriter(folder / f"{pathlib.Path(source.path).stem}.mp4", source.rate) as writer:
            yield lambda row, drawn: writer.write(drawn)
    else:
        stems = [os.path.splitext(name)[0] for name in source.names]
        # a.png and a.jpg would both become a.jpg.
        stems = stems if len(set(stems)) == len(stems) else source.names
        yield lambda row, drawn: drawing.write_image(folder / f"{stems[row]}.jpg", drawn)

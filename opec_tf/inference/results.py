"""Poses on pictures and videos: frames in chunks of bounded memory, COCO results and drawings out."""

import contextlib
import dataclasses
import logging
import os
import pathlib

import numpy as np

from opec_tf import config
from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.common.progress import Progress
from opec_tf.config import DataConfig
from opec_tf.inference import person_boxes
from opec_tf.inference.detectors import named
from opec_tf.inference.forward import PEAK
from opec_tf.inference.frames import Video, VideoWriter
from opec_tf.inference.partial_results import PartialPredictions
from opec_tf.inference.pose_estimator import ASSOCIATION, PoseEstimator
from opec_tf.models import workdir
from opec_tf.poses import drawing

# A chunk ends at this many bytes of decoded frames, or with as many people as two batches.
_CHUNK_BYTES = 128 * 2**20
_CHUNK_BATCHES = 2
# People a frame that a batch is made for while nobody knows how many a detector will find.
_EXPECTED_PEOPLE = 4


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


def predict(model, source, boxes, output_dir, *, model_config, box_margin, inference_config, style, made_by):
    """Estimates the poses on all frames of a source; writes predictions.json and, under drawings/, images or a video.

    Until all frames are done predictions.partial.json has the poses so far, and keeps them if the work is broken off.
    The next call with the same ``made_by`` goes on from there, but for a video that is drawn.

    Args:
      model: from ``models.build_base``, ``build_opec_net`` or ``build_couple_net``.
      source: ``frames.ImageFiles`` or ``frames.Video``.
      boxes: ``PersonBoxes`` of its frames; a detector, see ``inference.detectors``, that finds them; None: each frame
        as a whole is one person's box.
      output_dir: folder, made where it is missing.
      model_config, inference_config: the settings.
      box_margin: side of a crop over side of its person's box.
      style: ``DrawingStyle``; None: nothing is drawn.
      made_by: all that the results depend on, a dict of strings.

    Returns:
      Number of people predicted.

    Raises:
      UserError: a result cannot be written, not one frame could be read, or predictions.partial.json is of another
        ``made_by``.
    """
    output_dir = files.make_folder(output_dir)
    batch_size = max(1, min(inference_config.inference_batch_size, _expected_people(source, boxes)))
    inference_config = dataclasses.replace(inference_config, inference_batch_size=batch_size)
    estimator = PoseEstimator(
        model, model_config=model_config, box_margin=box_margin, inference_config=inference_config
    )
    if style and style.compare and len(estimator.pose_names) < 2:
        raise UserError(
            "--compare needs a refined pose beside the base's, but the workdir has stage base alone; train stage opec, "
            "or add --association"
        )
    # A video's drawings are one file, which cannot be added to.
    goes_on = not (style and isinstance(source, Video))
    with contextlib.ExitStack() as stack:
        kept = stack.enter_context(PartialPredictions(output_dir / "predictions.partial.json", made_by, goes_on))
        write_drawing = stack.enter_context(_drawing_writer(source, output_dir / "drawings")) if style else None
        meter = stack.enter_context(Progress("predicting", "frames", len(source) - kept.done.frames))
        source.skipped += kept.done.skipped
        for rows, images, chunk in _chunks(source, kept.done.frames, boxes, _CHUNK_BATCHES * batch_size):
            estimates = estimator.estimate_frames(
                images, source.ids[rows], chunk.image_index, chunk.boxes, chunk.scores, chunk.poses
            )
            if write_drawing:
                for position, (row, image) in enumerate(zip(rows, images)):
                    write_drawing(row, _draw(image, position, estimates, chunk, estimator.skeleton, style))
            kept.add(_coco_results(estimates, rows, chunk, source), int(rows[-1]) + 1, source.skipped)
            meter.update(len(images))
        if not kept.done.frames:
            raise UserError(
                f"{source.skipped[0]}: cannot be read, nor can any other of the {len(source)} images; check --images"
            )
        files.write_json(output_dir / "predictions.json", kept.done.predictions)
    return len(kept.done.predictions)


def trained_box_margin(root, stage):
    """The ``DataConfig.box_margin`` that a stage of a workdir was trained with."""
    return config.from_mapping(DataConfig, files.read_json(workdir.stage_folder(root, stage).config)).box_margin


def draw_pose(image, row, name, estimates, boxes, skeleton, hidden_score):
    """Draws one of the network's poses of the people of an image.

    Args:
      image: RGB uint8 [h, w, 3].
      row: the image's row, as ``boxes.image_index`` has it.
      name: which pose, a key of ``estimates.predictions``.
      estimates: ``inference.Estimates`` of all boxes.
      boxes: ``PersonBoxes``.
      skeleton: the model's ``Skeleton``.
      hidden_score: see ``DrawingStyle``.

    Returns:
      RGB uint8 [h, w, 3]; a person's colour is its box's place among those of the image.
    """
    people = estimates.rows[name]
    mine = boxes.image_index[people] == row
    keypoints, people = estimates.predictions[name].keypoints[mine], people[mine]
    visibility, labels = (None if known is None else known[people] for known in (estimates.visibility, boxes.labels))
    keypoints, hidden = drawing.mark_joints(keypoints, hidden_score, visibility, labels)
    return drawing.draw_people(image, keypoints, skeleton, hidden, people - np.searchsorted(boxes.image_index, row))


def title(name):
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


def _expected_people(source, boxes):
    """About how many people there will be."""
    if boxes is None:
        return len(source)
    return _EXPECTED_PEOPLE * len(source) if callable(boxes) else len(boxes.boxes)


def _chunks(source, first, boxes, max_people):
    """Yields (rows, frames, ``PersonBoxes`` whose image_index counts within the chunk) from a row on."""
    rows, images, chunk, outside, without = [], [], [], 0, []
    for row, image in source.start_at(first):
        people = _people_of_frame(boxes, row, image)
        if callable(boxes) and not len(people.boxes):
            without.append(source.names[row])
        met = person_boxes.inside(people.boxes, image.shape[:2])
        outside += np.sum(~met)
        people = people.select(met)
        rows.append(row)
        images.append(image)
        chunk.append(dataclasses.replace(people, image_index=np.full(len(people.boxes), len(rows) - 1)))
        if (
            sum(image.nbytes for image in images) >= _CHUNK_BYTES
            or sum(len(part.boxes) for part in chunk) >= max_people
        ):
            yield np.array(rows), images, person_boxes.concatenate(chunk)
            rows, images, chunk = [], [], []
    if rows:
        yield np.array(rows), images, person_boxes.concatenate(chunk)
    if outside:
        logging.getLogger(__name__).warning("left out %d boxes that lie outside their image", outside)
    named.warn_about_nobody(without, len(source) - first)


def _people_of_frame(boxes, row, image):
    """The boxes of a frame, from a file or a detector; without either the frame itself."""
    if boxes is None:
        height, width = image.shape[:2]
        return person_boxes.PersonBoxes(np.array([row]), np.array([[0.0, 0.0, width, height]]))
    if callable(boxes):
        found, scores = boxes(image)
        return person_boxes.PersonBoxes(np.full(len(found), row), found, scores)
    first, last = np.searchsorted(boxes.image_index, [row, row + 1])
    return boxes.select(slice(first, last))


def _coco_results(estimates, rows, chunk, source):
    """COCO results of the final pose, with the file names and, where the network says it, each joint's visibility."""
    people, boxes = estimates.predictions[estimates.final], estimates.rows[estimates.final]
    frame_rows = rows[chunk.image_index[boxes]]
    results = [
        {
            "file_name": source.names[row],
            "image_id": image_id,
            "category_id": 1,
            "keypoints": np.round(keypoints, 3).ravel().tolist(),
            "score": round(score, 5),
            "bbox": box,
        }
        for row, image_id, keypoints, score, box in zip(
            frame_rows, people.image_ids.tolist(), people.keypoints, people.scores.tolist(), people.boxes.tolist()
        )
    ]
    if estimates.visibility is not None:
        for result, visibility in zip(results, estimates.visibility[boxes].astype(float)):
            result["visibility"] = np.round(visibility, 4).tolist()
    return results


def _draw(image, position, estimates, chunk, skeleton, style):
    """The drawing of the frame at a position of the chunk."""
    names = (PEAK, estimates.final) if style.compare else (estimates.final,)
    drawings = [draw_pose(image, position, name, estimates, chunk, skeleton, style.hidden_score) for name in names]
    return drawing.contact_sheet(drawings, 2, [title(name) for name in names]) if style.compare else drawings[0]


@contextlib.contextmanager
def _drawing_writer(source, folder):
    """Gives a function (row, drawn) that writes the drawing of a frame, named as the source is."""
    if isinstance(source, Video):
        with VideoWriter(folder / f"{pathlib.Path(source.path).stem}.mp4", source.rate) as writer:
            yield lambda row, drawn: writer.write(drawn)
    else:
        stems = [os.path.splitext(name)[0] for name in source.names]
        # a.png and a.jpg would both become a.jpg.
        stems = stems if len(set(stems)) == len(stems) else source.names
        yield lambda row, drawn: drawing.write_image(folder / f"{stems[row]}.jpg", drawn)

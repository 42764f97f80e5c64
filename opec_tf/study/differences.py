"""How far the rows of a study lie apart: the paired bootstrap over images, of the poses that their runs wrote.

::

  ROOT/differences.md   a table a split: mean over the seeds, and the interval of its difference to the base
  ROOT/differences.png  the differences in AP and inv75 with their intervals
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from opec_tf.common import files
from opec_tf.data.annotations import loading
from opec_tf.evaluation import accuracy, plots, protocols
from opec_tf.poses import predictions
from opec_tf.poses.pose_annotations import PoseAnnotations
from opec_tf.study import paired, tables
from opec_tf.study.study import Study

_PLOTTED = ("AP", "inv75")


def write(study: Study, names: Sequence[str], against: str = tables.BASE, draws: int = 1000, seed: int = 0) -> str:
    """Compares rows of which runs are finished with the base's decoded peak, or with one of them.

    Poses in the boxes of a file are left out: whose they are is not known.

    Args:
      study: what all runs share.
      names: rows, keys of ``rows.ROWS``.
      against: the row that the others are compared with, of ``names`` or "base".
      draws, seed: how often images are drawn with replacement for the intervals.

    Returns:
      The Markdown text; "" where there is nothing to compare.
    """
    results = [result for result in tables.collect(study.root) if result.row in (tables.BASE, *names)]
    measured = {}
    for split, data_config in study.splits.items():
        of_split = [result for result in results if result.split == split and result.people_by == accuracy.BY_BOX]
        found = {result.row for result in of_split}
        if len(found) > 1 and {tables.BASE, against} <= found:
            protocol = study.inference_config.protocol
            skeleton = protocols.PROTOCOLS[protocol].skeleton
            annotations = loading.load_all(data_config.test_data, data_config.data_root, skeleton)
            measured[split] = _compare(of_split, against, annotations, protocol, draws, seed)
    text = paired.table(measured) if measured else ""
    if text:
        files.write_text(study.root / "differences.md", text)
        plots.plot_differences(_plotted(measured), study.root / "differences.png")
    return text


def _compare(
    results: Sequence[tables.Result],
    against: str,
    annotations: PoseAnnotations,
    protocol: str,
    draws: int,
    seed: int,
) -> list[dict]:
    """The rows as ``paired.table`` takes them."""
    drawn = paired.drawn_images(annotations.num_images, draws, seed)
    values, runs = {}, {}
    for result in results:
        for line, name in result.shown.items():
            poses = predictions.read(result.folder / f"predictions_{name}.json")
            people = _whose(poses, annotations)
            run = str(result.folder), name
            values[run] = protocols.evaluate_draws(annotations, poses, people, protocol, drawn)
            runs.setdefault(line, []).append(run)
    titles = sorted(tables.titles(runs).items(), key=lambda item: item[0] != against)
    return paired.results([paired.Row(title, tuple(runs[line])) for line, title in titles], values)


def _plotted(measured: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, tuple[float, float, float]]]:
    """What ``plots.plot_differences`` takes."""
    return {
        f"{split}: {column} above that of\n{rows[0]['title']}": {
            row["title"]: (
                row["difference"][column][0],
                _mean(row, column) - _mean(rows[0], column),
                row["difference"][column][1],
            )
            for row in rows[1:]
        }
        for split, rows in measured.items()
        for column in _PLOTTED
        if all(column in row["difference"] for row in rows)
    }


def _mean(row: Mapping[str, Any], column: str) -> float:
    return float(np.mean([run[column] for run in row["runs"]]))


def _whose(poses: predictions.PosePredictions, annotations: PoseAnnotations) -> np.ndarray:
    """The row of the annotated person in whose box each pose was estimated, int [P]."""
    image_ids = annotations.image_ids[annotations.image_index]
    # Of several with one box the first comes first, as when the poses were estimated.
    rows: dict[tuple[int, ...], list[int]] = {}
    for row in np.flatnonzero(annotations.is_scoreable)[::-1]:
        rows.setdefault(_key(image_ids[row], annotations.boxes[row]), []).append(row)
    return np.array([rows[_key(image, box)].pop() for image, box in zip(poses.image_ids, poses.boxes)], np.int64)


def _key(image_id: int, box: np.ndarray) -> tuple[int, ...]:
    """An image and a box in it, to the tenth of a pixel."""
    return int(image_id), *np.round(10.0 * box).astype(int).tolist()

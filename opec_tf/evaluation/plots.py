"""Plots of training logs and scores."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from opec_tf.common import files
from opec_tf.common.errors import UserError
from opec_tf.evaluation.accuracy import Levels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = (40 / 255, 40 / 255, 46 / 255)
# What occlusion curves are drawn over, and of.
_LEVEL_LABELS: dict[Literal["hidden_share", "pair_iou"], str] = {
    "hidden_share": "share of the person's joints hidden",
    "pair_iou": "box IoU with the partner",
}
_MEASURE_LABELS = {
    "oks": "mean OKS",
    "oks75": "people with OKS > 0.75",
    "vis75": "visible joints found (vis75)",
    "inv75": "hidden joints found (inv75)",
    "swap": "swap rate",
}

_FAR = 4.0  # times the median
_MOST_ANNOTATORS = 40  # rows of a plot

# A training log: (epochs [E], column name -> values [E], NaN where the log has none).
_Log = tuple[np.ndarray, dict[str, np.ndarray]]


class AblationPanel(NamedTuple):
    """A metric of one split, fractions: the base's value, None where it has none, and those of each row's seeds."""

    base: float | None
    rows: Mapping[str, np.ndarray]


def plot_training_curves(logs: Mapping[str, os.PathLike[str] | str], path: os.PathLike[str] | str) -> None:
    """Plots training logs: a row of panels a stage, for losses, each validation score and the learning rate.

    Args:
      logs: stage name -> its ``log.csv``, with a column ``epoch``. Columns whose names contain "loss" are losses,
        "learning_rate" is the rate and all others are scores, named POSE_SCORE; a score's panel has a line for each
        pose. An epoch that was run twice counts as it came out last.
      path: image file to write; the suffix chooses the format.

    Raises:
      UserError: a log is missing or has no epochs, or the image cannot be written.
    """
    tables = {stage: _read_log(log) for stage, log in logs.items()}
    panels = list(dict.fromkeys(_panel_of(name) for _, columns in tables.values() for name in columns))
    panels.sort(key=lambda panel: (panel != "loss", panel == "learning rate"))
    figure, axes = grid(len(logs), len(panels), (3.5, 3.5))
    for row, (stage, (epochs, columns)) in zip(axes, tables.items()):
        for axis, panel in zip(row, panels):
            names = [name for name in columns if _panel_of(name) == panel]
            for name in names:
                line = {"linestyle": "--"} if name.startswith("val_") and panel == "loss" else {}
                label = name.replace("_", " ") if panel == "loss" else name[: -len(panel)].replace("_", " ").strip()
                axis.plot(epochs, columns[name], label=label or None, marker=".", linewidth=1.6, **line)
            axis.set(title=f"{stage}: {panel}", xlabel="epoch", yscale="log" if names and panel == "loss" else "linear")
            if axis.get_legend_handles_labels()[0]:
                axis.legend(fontsize=7, frameon=False)
    save(figure, path)


def plot_occlusion_curves(curves: Mapping[str, Levels], path: os.PathLike[str] | str) -> None:
    """Plots accuracy and swap rate by level of occlusion: a row of panels a level, a panel a measure.

    Args:
      curves: name of a line -> what ``accuracy.accuracy_by_level`` gives; all of the same people.
      path: image file to write; the suffix chooses the format.

    Raises:
      UserError: the image cannot be written.
    """
    levels = [level for level in _LEVEL_LABELS if all(level in curve for curve in curves.values())]
    figure, axes = grid(len(levels), len(_MEASURE_LABELS), (2.9, 3.1))
    for row, level in zip(axes, levels):
        for axis, (measure, title) in zip(row, _MEASURE_LABELS.items()):
            for name, curve in curves.items():
                values = [100 * part.get(measure, np.nan) for part in curve[level]]
                axis.plot(range(len(values)), values, label=name, marker=".", linewidth=1.6)
            parts = next(iter(curves.values()))[level]
            ticks = [f"{part['from']:g}-{part['to']:g}\nn={part['people']}" for part in parts]
            axis.set_xticks(range(len(ticks)), ticks, fontsize=7)
            axis.set(title=title, xlabel=_LEVEL_LABELS[level], ylabel="percent")
        row[0].legend(fontsize=7, frameon=False)
    save(figure, path)


def plot_reliability(bins: Mapping[str, Sequence[Mapping[str, float]]], path: os.PathLike[str] | str) -> None:
    """Plots how often predicted probabilities came true: a panel for each list of bins, the number of joints below.

    Args:
      bins: name of a panel -> its bins, as ``evaluation.visibility.calibration`` gives them.
      path: image file to write; the suffix chooses the format.

    Raises:
      UserError: the image cannot be written.
    """
    figure, axes = grid(2, len(bins), (3.0, 2.4))
    for (name, parts), curve, counts in zip(bins.items(), *axes):
        filled = [part for part in parts if part["joints"]]
        curve.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle="--")
        curve.plot([p["predicted"] for p in filled], [p["observed"] for p in filled], marker=".", linewidth=1.6)
        curve.set(title=name, ylabel="came true", xlim=(0, 1), ylim=(0, 1))
        starts, joints = [part["from"] for part in parts], [part["joints"] for part in parts]
        counts.bar(starts, joints, width=1 / len(parts), align="edge", alpha=0.55)
        counts.set(xlabel="predicted probability", ylabel="joints", xlim=(0, 1), yscale="log" if filled else "linear")
    save(figure, path)


def plot_ablation(splits: Mapping[str, Mapping[str, AblationPanel]], path: os.PathLike[str] | str) -> None:
    """Plots an ablation: a row of panels a split, a panel a metric; each row's bar goes from the base's to its mean.

    Args:
      splits: split -> metric -> its panel.
      path: image file to write; the suffix chooses the format.

    Raises:
      UserError: the image cannot be written.
    """
    count = max(len(panel.rows) for metrics in splits.values() for panel in metrics.values())
    columns = max(len(metrics) for metrics in splits.values())
    figure, axes = grid(len(splits), columns, (5.5, 1.3 + 0.28 * count))
    for axis_row, (split, metrics) in zip(axes, splits.items()):
        for axis, (metric, (base, rows)) in zip(axis_row, metrics.items()):
            start = 0.0 if base is None else 100 * base
            axis.use_sticky_edges = False  # else the base's line would lie on the frame
            for place, values in enumerate(100 * values for values in rows.values()):
                if not values.size:
                    continue
                spread = np.std(values, ddof=1) if len(values) > 1 else None
                mean = np.mean(values)
                axis.barh(place, mean - start, left=start, xerr=spread, height=0.62, color="C0", alpha=0.55, capsize=3)
                axis.plot(values, np.full(len(values), place), "o", color=INK, markersize=3)
            if base is not None:
                axis.axvline(start, color="C3", linewidth=1.2)
            axis.set_yticks(range(len(rows)), rows, fontsize=7)
            axis.tick_params(labelleft=axis is axis_row[0])
            axis.invert_yaxis()
            axis.set(title=f"{split}: {metric}", xlabel="percent")
    legend = "bars and whiskers: mean and standard deviation; dots: seeds; red line: the base's heatmap peak"
    figure.supxlabel(f"{legend}\nthe spread covers seeds after one base only, not other bases", fontsize=8)
    save(figure, path)


def plot_differences(
    panels: Mapping[str, Mapping[str, tuple[float, float, float]]], path: os.PathLike[str] | str
) -> None:
    """Plots how far rows are above another, with intervals and a line at 0, in percent. Of a row so far away that the
    others could not be told apart stands the number alone, at the edge.

    Args:
      panels: title of a panel -> row -> (low end, difference, high end), as shares of 1; all panels have the same rows.
      path: image file to write; the suffix chooses the format.

    Raises:
      UserError: the image cannot be written.
    """
    rows = list(next(iter(panels.values())))
    figure, (axes,) = grid(1, len(panels), (3.2, 1.4 + 0.34 * len(rows)))
    for axis, (title, differences) in zip(axes, panels.items()):
        low, middle, high = 100.0 * np.array([differences[row] for row in rows]).T
        reach = np.maximum(np.abs(low), np.abs(high))
        is_near = reach <= _FAR * np.median(reach)
        places, limit = np.arange(len(rows)), 1.1 * reach[is_near].max()
        errors = np.stack([middle - low, high - middle])[:, is_near]
        axis.errorbar(middle[is_near], places[is_near], xerr=errors, fmt="o", color=INK, capsize=3)
        for place, value in zip(places[~is_near], middle[~is_near]):
            side = "right" if value > 0 else "left"
            axis.text(np.sign(value) * limit, place, f"{value:+.1f}", ha=side, va="center", fontsize=8)
        axis.set_xlim(-limit, limit)
        axis.axvline(0.0, color="C3", linewidth=1.0)
        axis.set_title(title, fontsize=8)
        axis.set_yticks(range(len(rows)), rows if axis is axes[0] else [], fontsize=7)
        axis.invert_yaxis()
        axis.set_xlabel("percent", fontsize=8)
    save(figure, path)


def plot_data_sets(
    panels: Mapping[str, tuple[np.ndarray, Mapping[str, Sequence[int]]]], path: os.PathLike[str] | str
) -> None:
    """Plots histograms of several data sets side by side, as shares of each one's images.

    Args:
      panels: what is counted -> edges of the bins [B + 1], and name of a data set -> images in each bin.
      path: image file to write; the suffix chooses the format.

    Raises:
      UserError: the image cannot be written.
    """
    figure, (row,) = grid(1, len(panels), (5.0, 3.4))
    for axis, (title, (edges, data_sets)) in zip(row, panels.items()):
        for name, counts in data_sets.items():
            axis.stairs(100.0 * np.array(counts) / max(sum(counts), 1), edges, label=name, linewidth=1.6)
        axis.set(xlabel=title, ylabel="percent of the images", ylim=(0, None))
    row[0].legend(fontsize=7, frameon=False)
    save(figure, path)


def plot_agreement(
    shares: Mapping[str, Sequence[float | None]], joints: Sequence[str], path: os.PathLike[str] | str
) -> None:
    """Plots how often annotators agree with others: a row an annotator, a column a joint; of many the worst.

    Args:
      shares: annotator -> share of each joint's comparisons that agree; None where there are none.
      joints: their names.
      path: image file to write; the suffix chooses the format.

    Raises:
      UserError: the image cannot be written.
    """
    values = {name: np.array(row, np.float64) for name, row in shares.items()}
    means = {name: np.nanmean(row) if np.any(~np.isnan(row)) else np.inf for name, row in values.items()}
    names = sorted(values, key=means.__getitem__)[:_MOST_ANNOTATORS]
    table = 100.0 * np.array([values[name] for name in names]).reshape(len(names), len(joints))
    figure, ((axis,),) = grid(1, 1, (1.6 + 0.55 * len(joints), 1.8 + 0.26 * len(names)))
    axis.grid(False)
    drawn = axis.imshow(table, vmin=0, vmax=100, cmap="RdYlGn", aspect="auto")
    for (row, column), value in np.ndenumerate(table):
        text = "-" if np.isnan(value) else f"{value:.0f}"
        axis.text(column, row, text, ha="center", va="center", fontsize=7, color=INK)
    axis.set_xticks(range(len(joints)), [joint.replace("_", " ") for joint in joints], rotation=40, ha="right")
    axis.set_yticks(range(len(names)), names)
    axis.tick_params(labelsize=7)
    axis.set_title("percent of an annotator's joints that agree with another's", fontsize=9)
    figure.colorbar(drawn, ax=axis)
    save(figure, path)


def grid(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, np.ndarray]:
    """A figure of panels of (width, height) inches each, and its axes [rows, columns]."""
    # Figure objects without pyplot: no window system is asked for and no global state kept.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save(figure: Figure, path: os.PathLike[str] | str) -> None:
    """Writes a figure whole; UserError where that is not possible."""
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _read_log(path: os.PathLike[str] | str) -> _Log:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = {row["epoch"]: row for row in csv.DictReader(file) if row.get("epoch")}
        epochs = np.array([int(epoch) for epoch in rows])
        names = [name for name in next(iter(rows.values()), {}) if name and name != "epoch"]
        columns = {name: np.array([float(row[name] or "nan") for row in rows.values()]) for name in names}
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); has the stage been trained?") from error
    except (TypeError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: is not a training log ({error}); delete it or train the stage again") from error
    if not rows:
        raise UserError(f"{path}: has no epochs yet; has the stage been trained?")
    return epochs, columns


def _panel_of(column: str) -> str:
    if "loss" in column:
        return "loss"
    return "learning rate" if column == "learning_rate" else column.rpartition("_")[2]

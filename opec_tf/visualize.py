"""Drawings of poses, contact sheets and plots. Images are RGB uint8 [h, w, 3] throughout.

A person has one hue: the limbs of the left side in its light shade, those of the right side in its dark one. A joint
that is seen is a filled disc; one that is inferred behind an occluder is a hollow ring with dashed limbs.
"""

import csv

import cv2
import numpy as np

from opec_tf import files
from opec_tf.errors import UserError

# One a person, again from the start after the last. Chosen to stay apart from each other and from skin and grass.
_PALETTE = np.array(
    [
        [255, 122, 26],
        [22, 142, 255],
        [226, 40, 140],
        [20, 190, 120],
        [250, 200, 20],
        [140, 82, 255],
        [0, 196, 214],
        [235, 60, 50],
    ],
    np.float64,
)
_OUTLINE = (24, 24, 28)
_PAPER = (250, 250, 248)
_INK = (40, 40, 46)
_OPACITY = 0.9
# cv2 draws at 1 / 16 pixel with this.
_SHIFT = 4
_FONT = cv2.FONT_HERSHEY_DUPLEX
# What occlusion curves are drawn over, and of.
_LEVEL_LABELS = {"hidden_share": "share of the person's joints hidden", "pair_iou": "box IoU with the partner"}
_MEASURE_LABELS = {
    "oks": "mean OKS", "oks75": "people with OKS > 0.75", "vis75": "visible joints found (vis75)",
    "inv75": "hidden joints found (inv75)", "swap": "swap rate",
}  # fmt: skip


def draw_people(image, keypoints, skeleton, hidden=None, colors=None):
    """Draws people over a copy of an image.

    Args:
      image: RGB uint8 [h, w, 3].
      keypoints: [N, K, 3], (x, y) in image pixels and a score or visibility; a joint whose third number is not above
        0, or that is not finite or far outside the image, is not drawn.
      skeleton: the ``Skeleton`` whose K joints they are.
      hidden: bool [N, K], joints to be drawn as occluded.
      colors: int [N], each person's place in the palette; by default its row.

    Returns:
      RGB uint8 [h, w, 3].
    """
    keypoints = np.asarray(keypoints, np.float64).reshape(-1, skeleton.num_joints, 3)
    hidden = np.zeros(keypoints.shape[:2], bool) if hidden is None else np.asarray(hidden, bool)
    colors = np.arange(len(keypoints)) if colors is None else colors
    extent = np.array([image.shape[1], image.shape[0]], np.float64)
    overlay = image.copy()
    for person, person_hidden, color in zip(keypoints, hidden, colors):
        near = np.all(np.abs(person[:, :2] - extent / 2.0) < 1.5 * extent, axis=-1)
        drawn = np.isfinite(person).all(axis=-1) & (person[:, 2] > 0) & near
        if drawn.any():
            _draw_person(overlay, person[:, :2], drawn, person_hidden, skeleton, _PALETTE[color % len(_PALETTE)])
    return cv2.addWeighted(overlay, _OPACITY, image, 1.0 - _OPACITY, 0.0)


def contact_sheet(images, columns, titles=None, cell_size=None):
    """Images in rows on light paper, each scaled to fit its cell, with a title above it.

    Args:
      images: RGB uint8 [h, w, 3] each, of any sizes; at least one.
      columns: images in a row.
      titles: a text an image.
      cell_size: (height, width) of a cell in pixels; by default the largest height and width of the images.

    Returns:
      RGB uint8 [h, w, 3].
    """
    columns = min(columns, len(images))
    height, width = cell_size or np.max([image.shape[:2] for image in images], axis=0)
    gap = max(4, width // 40)
    text_height = max(10, width // 32)
    band = 0 if titles is None else 2 * text_height
    rows = -(-len(images) // columns)
    sheet = np.full([gap + rows * (height + band + gap), gap + columns * (width + gap), 3], _PAPER, np.uint8)
    for i, image in enumerate(images):
        top, left = gap + (i // columns) * (height + band + gap), gap + (i % columns) * (width + gap)
        if titles is not None:
            _write_title(sheet, titles[i], (left, top), width, text_height)
        fitted = _fit(image, height, width)
        top, left = top + band + (height - fitted.shape[0]) // 2, left + (width - fitted.shape[1]) // 2
        sheet[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return sheet


def write_image(path, image):
    """Writes an RGB uint8 image whole or not at all; the suffix chooses the format.

    Raises:
      UserError: the file cannot be written.
    """
    with files.atomic_path(path) as temporary:
        if not cv2.imwrite(temporary, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92]):
            raise UserError(f"{path}: cannot be written; free some space or choose another folder")


def plot_training_curves(logs, path):
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
    figure, axes = _panels(len(logs), len(panels), (3.5, 3.5))
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
    _save(figure, path)


def plot_occlusion_curves(curves, path):
    """Plots accuracy and swap rate by level of occlusion: a row of panels a level, a panel a measure.

    Args:
      curves: name of a line -> dict of ``occlusion.accuracy_by_level``; all of the same people.
      path: image file to write; the suffix chooses the format.

    Raises:
      UserError: the image cannot be written.
    """
    levels = [level for level in _LEVEL_LABELS if all(level in curve for curve in curves.values())]
    figure, axes = _panels(len(levels), len(_MEASURE_LABELS), (2.9, 3.1))
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
    _save(figure, path)


def plot_ablation(splits, path):
    """Plots an ablation: a row of panels a split, a panel a metric; each row's bar goes from the base's to its mean.

    Args:
      splits: split -> metric -> (the base's value or None, row title -> values of the seeds); fractions.
      path: image file to write; the suffix chooses the format.

    Raises:
      UserError: the image cannot be written.
    """
    count = max(len(rows) for metrics in splits.values() for _, rows in metrics.values())
    columns = max(len(metrics) for metrics in splits.values())
    figure, axes = _panels(len(splits), columns, (5.5, 1.3 + 0.28 * count))
    for axis_row, (split, metrics) in zip(axes, splits.items()):
        for axis, (metric, (base, rows)) in zip(axis_row, metrics.items()):
            start = 0.0 if base is None else 100 * base
            for place, values in enumerate(100 * np.asarray(values) for values in rows.values()):
                spread = np.std(values, ddof=1) if len(values) > 1 else None
                mean = np.mean(values)
                axis.barh(place, mean - start, left=start, xerr=spread, height=0.62, color="C0", alpha=0.55, capsize=3)
                axis.plot(values, np.full(len(values), place), "o", color=np.divide(_INK, 255), markersize=3)
            if base is not None:
                axis.axvline(start, color="C3", linewidth=1.2, label="base: heatmap peak")
                axis.legend(fontsize=7, frameon=False)
            axis.set_yticks(range(len(rows)), rows, fontsize=7)
            axis.invert_yaxis()
            axis.set(title=f"{split}: {metric}", xlabel="percent; dots: seeds, bars: mean and standard deviation")
    _save(figure, path)


def _panels(rows, columns, size):
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


def _save(figure, path):
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def plot_serving_speed(results, path):
    """Plots how an exported model answers: latency and throughput over the number of clients, a line each way to ask.

    Args:
      results: way of asking -> number of clients, as text -> {"p50_s", "p99_s" (seconds), "requests_per_second"}.
      path: image file to write; the suffix chooses the format.

    Raises:
      UserError: the image cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    latency, throughput = figure.subplots(1, 2)
    for way, by_clients in results.items():
        clients = [int(count) for count in by_clients]
        p50, p99 = ([1e3 * result[name] for result in by_clients.values()] for name in ("p50_s", "p99_s"))
        (line,) = latency.plot(clients, p50, marker=".", label=f"{way}, p50")
        latency.plot(clients, p99, marker=".", linestyle="--", color=line.get_color(), label=f"{way}, p99")
        rates = [result["requests_per_second"] for result in by_clients.values()]
        throughput.plot(clients, rates, marker=".", color=line.get_color(), label=way)
    latency.set(title="latency", ylabel="ms", yscale="log")
    throughput.set(title="throughput", ylabel="requests a second", ylim=(0, None))
    for axis in (latency, throughput):
        axis.set(xlabel="clients", xticks=sorted({int(count) for way in results.values() for count in way}))
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(fontsize=7, frameon=False)
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _draw_person(overlay, points, drawn, hidden, skeleton, color):
    """Draws one person's bones, then its joints, in place. ``points`` [K, 2] are image pixels."""
    # Line widths follow the person's size, within what can be seen and what hides the picture.
    size = np.sqrt(np.prod(np.maximum(np.ptp(points[drawn], axis=0), 4.0)))
    width = float(np.clip(0.028 * size, 1.6, 9.0))
    radius = 0.95 * width + 0.6
    shades = [_shade(color, joint) for joint in skeleton.joints]
    for outline in (True, False):
        for first, second in skeleton.edges:
            if drawn[first] and drawn[second]:
                same_side = skeleton.joints[first].split("_")[0] == skeleton.joints[second].split("_")[0]
                shade = _OUTLINE if outline else shades[first] if same_side else tuple(color)
                bone_width = width * (1.0 if same_side else 0.7)
                # A limb ends at the ring of a hidden joint, which stays hollow so.
                gaps = radius * hidden[[first, second]]
                _draw_bone(overlay, points[first], points[second], gaps, bone_width, shade, outline)
    for joint in np.flatnonzero(drawn):
        _draw_joint(overlay, points[joint], radius, shades[joint], hidden[joint])


def _shade(color, joint):
    """The person's colour for a joint or limb: light on the left, dark on the right, as it is in the middle."""
    side = joint.split("_")[0]
    if side == "left":
        return tuple(0.5 * color + 0.5 * 255.0)
    return tuple(0.72 * color if side == "right" else color)


def _draw_bone(overlay, start, end, gaps, width, color, outline):
    """A straight limb, slimmer towards both ends; dashed and thinner where it keeps a gap to a hidden joint."""
    length = float(np.linalg.norm(end - start)) - sum(gaps)
    if length < 1e-3:
        return
    along = (end - start) / np.linalg.norm(end - start)
    start = start + along * gaps[0]
    dashed = any(gaps)
    margin = max(0.6, 0.2 * width) if outline else 0.0
    across = np.array([-along[1], along[0]]) * (0.5 * width * (0.6 if dashed else 1.0) + margin)
    count = max(2, round(length / max(3.2 * width, 5.0))) if dashed else 1
    filled = 0.6 if dashed else 1.0
    for i in range(count):
        low = start + along * (length * (i + 0.5 - filled / 2) / count - margin)
        high = start + along * (length * (i + 0.5 + filled / 2) / count + margin)
        waist, taper = (low + high) / 2, 1.0 if dashed else 0.6
        corners = [low + taper * across, waist + across, high + taper * across]
        corners += [high - taper * across, waist - across, low - taper * across]
        cv2.fillConvexPoly(overlay, _fixed(corners), color, cv2.LINE_AA, _SHIFT)


def _draw_joint(overlay, point, radius, color, hidden):
    """A disc, or a ring for a hidden joint, with a dark outline."""
    center = tuple(int(c) for c in _fixed(point))
    if hidden:
        ring = max(1, round(0.4 * radius))
        for thickness, shade in ((ring + max(1, ring // 2 + 1), _OUTLINE), (ring, color)):
            cv2.circle(overlay, center, int(_fixed(max(radius, 3.2))), shade, thickness, cv2.LINE_AA, _SHIFT)
    else:
        for extra, shade in ((max(0.6, 0.25 * radius), _OUTLINE), (0.0, color)):
            cv2.circle(overlay, center, int(_fixed(0.9 * radius + extra)), shade, -1, cv2.LINE_AA, _SHIFT)


def _fixed(values):
    """Pixels -> cv2's fixed-point integers."""
    return np.round(np.asarray(values) * 2**_SHIFT).astype(np.int32)


def _fit(image, height, width):
    """The image scaled, aspect kept, to fit [height, width]."""
    scale = min(height / image.shape[0], width / image.shape[1])
    if scale == 1.0:
        return image
    size = max(1, int(image.shape[1] * scale + 1e-6)), max(1, int(image.shape[0] * scale + 1e-6))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1.0 else cv2.INTER_CUBIC)


def _write_title(sheet, title, corner, width, text_height):
    """Writes a title into the band above a cell, smaller where it would be too long."""
    # OpenCV's fonts have ASCII only; anything else would come out as question marks of its own choosing.
    title = title.encode("ascii", "replace").decode()
    scale = cv2.getFontScaleFromHeight(_FONT, text_height)
    (text_width, _), _ = cv2.getTextSize(title, _FONT, scale, 1)
    scale *= min(1.0, width / max(text_width, 1))
    thickness = max(1, round(scale))
    position = int(corner[0]), int(corner[1] + 1.4 * text_height)
    cv2.putText(sheet, title, position, _FONT, scale, _INK, thickness, cv2.LINE_AA)


def _read_log(path):
    """(epochs [E], column name -> values [E], NaN where the log has none) of a CSV log."""
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


def _panel_of(column):
    if "loss" in column:
        return "loss"
    return "learning rate" if column == "learning_rate" else column.rpartition("_")[2]

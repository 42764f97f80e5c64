"""Scores as text: the table that ``evaluate`` prints."""

from __future__ import annotations

_TABLE_KEYS = (
    "AP",
    "AP50",
    "AP75",
    "AP80",
    "AP90",
    "AR",
    "AP_easy",
    "AP_medium",
    "AP_hard",
    "vis50",
    "vis75",
    "vis90",
    "inv50",
    "inv75",
    "inv90",
    "swap",
)


def table(metrics: dict[str, dict[str, float]]) -> str:
    """The metrics (pose name -> dict) as text: a row a pose, percentages; "-" where the data has nothing to measure."""
    keys = [key for key in _TABLE_KEYS if any(key in row for row in metrics.values())]
    width = max(9, *(len(name) + 1 for name in metrics))
    lines = ["pose".ljust(width) + "".join(key.removeprefix("AP_").rjust(8) for key in keys)]
    for name, row in metrics.items():
        cells = [f"{100 * row[key]:.1f}" if row.get(key, -1) >= 0 else "-" for key in keys]
        lines.append(name.ljust(width) + "".join(cell.rjust(8) for cell in cells))
    return "\n".join(lines)


def visibility_line(metrics: dict[str, dict[str, float]]) -> str:
    """What the last pose's metrics say of predicted visibility, as text; "" where nothing."""
    last = list(metrics.values())[-1]
    if "visibility_accuracy" not in last:
        return ""

    def percents(prefix: str) -> str:
        names = ("accuracy", "balanced_accuracy", "recall_visible", "recall_occluded", "recall_outside")
        found = [(name.replace("_", " "), last.get(f"{prefix}_{name}")) for name in names]
        return ", ".join(f"{name} {100 * value:.1f}" for name, value in found if value is not None)

    return (
        f"visibility: {percents('visibility')}, "
        f"calibration error {100 * last['visibility_ece']:.1f}\n"
        f"  by heatmap peak alone: {percents('visibility_by_peak')}"
    )

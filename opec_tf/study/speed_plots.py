"""What is measured of speed as pictures: an exported model's answers, ratios to a peer's times, time over work."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from opec_tf.evaluation import plots


def plot_serving_speed(results: Mapping[str, Mapping[str, Mapping[str, float]]], path: os.PathLike[str] | str) -> None:
    """Plots how an exported model answers: latency and throughput over the number of clients, a line each way to ask.

    Args:
      results: way of asking -> number of clients, as text -> {"p50_s", "p99_s" (seconds), "requests_per_second"}.
      path: image file to write; the suffix chooses the format.

    Raises:
      UserError: the image cannot be written.
    """
    figure, ((latency, throughput),) = plots.grid(1, 2, (4.5, 3.5))
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
        axis.legend(fontsize=7, frameon=False)
    plots.save(figure, path)


def plot_ratios(
    ratios: Mapping[str, Mapping[str, tuple[float, float, float]]], label: str, path: os.PathLike[str] | str
) -> None:
    """Plots ratios of times below each other, a colour a section, with a line at 1.

    Args:
      ratios: section -> name -> (lower quartile, median, upper quartile).
      label: what the ratios are of.
      path: image file to write; the suffix chooses the format.

    Raises:
      UserError: the image cannot be written.
    """
    rows = [(section, *row) for section, named in ratios.items() for row in named.items()]
    figure, ((axis,),) = plots.grid(1, 1, (8.0, 1.2 + 0.3 * len(rows)))
    for place, (section, _, (low, middle, high)) in enumerate(rows):
        color = f"C{list(ratios).index(section)}"
        axis.errorbar(middle, place, xerr=[[middle - low], [high - middle]], fmt="o", color=color, capsize=3)
    axis.axvline(1.0, color=plots.INK, linewidth=0.8)
    axis.set_yticks(range(len(rows)), [f"{section}: {name}" for section, name, _ in rows], fontsize=7)
    axis.invert_yaxis()
    axis.set(xlabel=f"{label} (median and quartiles of pairs)", xlim=(0, None))
    plots.save(figure, path)


def plot_growth(
    titles: Mapping[str, str], results: Sequence[Mapping[str, float]], path: os.PathLike[str] | str
) -> None:
    """Plots time and memory over the amount of work, both axes logarithmic, and beside the times what is proportional.

    Args:
      titles: name of an amount -> what it is of; a panel each.
      results: of measurements, each with one of the amounts, "median_s" (seconds) and "peak_memory_mb".
      path: image file to write; the suffix chooses the format.

    Raises:
      UserError: the image cannot be written.
    """
    figure, rows = plots.grid(2, len(titles), (4.0, 2.9))
    for (name, title), times, memory in zip(titles.items(), *rows):
        of_amount = [result for result in results if name in result]
        amounts, seconds, megabytes = (
            np.array([result[key] for result in of_amount]) for key in (name, "median_s", "peak_memory_mb")
        )
        times.loglog(amounts, seconds, marker=".", label="measured")
        times.loglog(
            amounts, seconds[-1] / amounts[-1] * amounts, "--", color=plots.INK, linewidth=0.8, label="proportional"
        )
        memory.semilogx(amounts, megabytes, marker=".", color="C1")
        times.set(title=title, ylabel="seconds")
        memory.set(ylabel="peak MB of the process", ylim=(0, None))
        times.legend(fontsize=7, frameon=False)
    plots.save(figure, path)

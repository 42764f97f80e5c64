"""The comparison with a peer as a table and as a plot."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from opec_tf.study import speed_plots

# Section -> case -> what ``contest.run`` gives.
Results = Mapping[str, Mapping[str, Mapping[str, Any]]]


def row(name: str, result: Mapping[str, Any]) -> str:
    """A line of the table: what, ours and the peer's milliseconds a step, the ratio and its quartiles."""
    times = " | ".join(f"{1e3 * result[side]:.1f}" for side in ("ours_s", "peer_s"))
    return f"| {name} | {times} | {result['ratio']:.2f} ({result['ratio_low']:.2f} to {result['ratio_high']:.2f}) |"


def table(results: Results, peer: str) -> str:
    """All as a Markdown table; a ratio below 1 is in our favour."""
    lines = [f"| what | ms here | ms {peer} | time here / there (quartiles of pairs) |", "|---|---|---|---|"]
    lines += [row(f"{section}: {name}", result) for section, named in results.items() for name, result in named.items()]
    return "\n".join(lines) + "\n"


def plot(results: Results, peer: str, path: os.PathLike[str] | str) -> None:
    """Writes the ratios as a picture."""
    ratios = {
        section: {name: (r["ratio_low"], r["ratio"], r["ratio_high"]) for name, r in named.items()}
        for section, named in results.items()
    }
    speed_plots.plot_ratios(ratios, f"time here / time with {peer}", path)

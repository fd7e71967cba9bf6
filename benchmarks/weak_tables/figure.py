"""figure.png: a dot for each seed, a bar at the mean and a band of the spread, for mIoU and the IoU of each class."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cuescan.evaluation.repeats import LEARNS
from weak_tables.summary import bound, by_label, classes, iou_of, mean_of, over_seeds

COLOURS = {"labels": "#0072b2", "pseudo-labels": "#009e73", "masks": "#d55e00"}  # told apart by the colour blind too


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw the rows of results.json, atomically; nothing where there is none."""
    rows = found["rows"]
    if not rows:
        return
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    groups, names = by_label(rows), classes(rows)
    panels = [("mean IoU", mean_of("iou")), *((f"IoU {name}", iou_of(name)) for name in names)]
    height, width = 1.5 + 0.42 * len(groups), 3.2 + 2.1 * len(panels)
    figure = Figure(figsize=(width, max(height, 2.6)), dpi=150, layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    best = bound(rows)
    for axis, (title, value) in zip(axes, panels, strict=True):
        for place, group in enumerate(groups.values()):
            measured = over_seeds(group, value)
            if measured is None:
                continue
            colour = COLOURS[group[0]["learns_from"]]
            if measured.deviation is not None:
                ends = [measured.mean - measured.deviation, measured.mean + measured.deviation]
                axis.plot(ends, [place, place], color=colour, linewidth=6, alpha=0.3, solid_capstyle="butt")
            axis.plot(measured.values, [place] * len(measured.values), "o", color=colour, markersize=4.5, alpha=0.75)
            axis.plot(measured.mean, place, "|", color="black", markersize=11, markeredgewidth=1.6)
            axis.annotate(f"{measured.mean:.3f}", (measured.mean, place), (0, 7), textcoords="offset points",
                          ha="center", fontsize=8, bbox={"color": "white", "pad": 0.6})  # fmt: skip
        axis.set_title(textwrap.fill(title, 20), fontsize=10)
        axis.set_xlim(-0.06, 1.06)
        axis.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
        axis.grid(axis="x", color="#dddddd")
        axis.set_axisbelow(True)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
    if best:
        axes[0].axvline(best[1].mean, color=COLOURS["masks"], linestyle="--", linewidth=1)
    axes[0].set_yticks(range(len(groups)), [textwrap.fill(label, 34) for label in groups], fontsize=9)
    axes[0].set_ylim(len(groups) - 0.4, -0.75)
    kinds = dict.fromkeys(group[0]["learns_from"] for group in groups.values())
    handles = [Line2D([], [], marker="o", linestyle="", color=COLOURS[kind], label=LEARNS[kind]) for kind in kinds]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9, frameon=False, title="learns from")
    seeds = len(found["seeds"])
    figure.suptitle(f"{found['title']} ({seeds} seed{'s' * (seeds > 1)})", fontsize=11)
    partial = path.with_name(f".{path.name}.partial.png")
    figure.savefig(partial)
    partial.replace(path)

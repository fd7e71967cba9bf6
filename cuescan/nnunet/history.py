"""What each epoch of a weak training scored, as nnU-Net's log keeps it, as a file of JSON lines and as a figure."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

KEYS = (
    "score",
    "leak",
    "vanish",
    "agreement_flip",
    "agreement_scale",
    "statement",
    "pointed",
    "average_precision",
    "dense_miou",
    "dense_mdice",
)
PREFIX = "cue_"
"""Of these keys in nnU-Net's log, which holds one list per key with one number per epoch."""
FILE = "progress_cues.jsonl"
FIGURE = "progress.png"
"""nnU-Net's name for its own figure, which this one replaces: the export of a model asks for that file."""


def add_keys(log: dict[str, list]) -> None:
    """Add the keys that a log lacks: nnU-Net refuses unknown keys, and a restored log replaces the whole dictionary."""
    length = len(log["mean_fg_dice"])
    for key in KEYS:
        log.setdefault(PREFIX + key, [math.nan] * length)


def rows(log: Mapping[str, list]) -> list[dict[str, float | None]]:
    """Return one dictionary per finished epoch; None where a value is not known."""
    count = len(log["epoch_end_timestamps"])
    values = {"loss": log["train_losses"]} | {key: log[PREFIX + key] for key in KEYS}
    return [
        {"epoch": epoch}
        | {key: float(series[epoch]) if math.isfinite(series[epoch]) else None for key, series in values.items()}
        | {"seconds": round(log["epoch_end_timestamps"][epoch] - log["epoch_start_timestamps"][epoch], 2)}
        for epoch in range(count)
    ]


def chosen_epoch(log: Mapping[str, list]) -> int:
    """Return the epoch with the highest score; of equals the last, since a score of 0 says nothing of an early one."""
    series = log[PREFIX + "score"]
    return len(series) - 1 - int(np.argmax(series[::-1]))


def kept_epoch(log: Mapping[str, list], keep: str) -> int:
    """Return the epoch whose weights are final if the training ends now: that with the "best" score, or the "last"."""
    return chosen_epoch(log) if keep == "best" else len(log[PREFIX + "score"]) - 1


def write(log: Mapping[str, list], folder: Path, keep: str) -> None:
    """Write all finished epochs to ``progress_cues.jsonl`` and ``progress.png`` in ``folder``, atomically.

    In the rows ``kept`` marks the epoch whose weights are final (:func:`kept_epoch`).
    """
    kept = kept_epoch(log, keep)
    table = [row | {"kept": row["epoch"] == kept} for row in rows(log)]
    partial = folder / f".{FILE}.{os.getpid()}"
    partial.write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")
    partial.replace(folder / FILE)
    draw(table, kept, folder / FIGURE)


def draw(table: list[dict[str, float | None]], kept: int, path: Path) -> None:
    """Draw loss, score with its parts, and dense scores where known, with a line at the kept epoch."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    panels = [("training loss", ("loss",)), ("from cues", KEYS[:-2])]
    if any(row["dense_miou"] is not None for row in table):
        panels.append(("from masks, not used", KEYS[-2:]))
    figure = Figure(figsize=(8, 3 * len(panels)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(panels), 1, sharex=True)
    for axis, (title, keys) in zip(axes, panels, strict=True):
        for key in keys:
            points = [(row["epoch"], row[key]) for row in table if row[key] is not None]
            if points:
                width = 2.5 if key == "score" else 1
                axis.plot(*zip(*points, strict=True), marker=".", label=key.replace("_", " "), linewidth=width)
        axis.axvline(kept, color="black", linestyle=":", label=f"kept: epoch {kept}")
        axis.set_title(title, loc="left")
        axis.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
        axis.grid(alpha=0.3)
    for axis in axes[1:]:
        axis.set_ylim(-0.02, 1.02)
    axes[-1].set_xlabel("epoch")
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    partial = path.with_name(f".{os.getpid()}.{path.name}")
    figure.savefig(partial, format="png", dpi=100)
    partial.replace(path)

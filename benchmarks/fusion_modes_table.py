"""The table of benchmarks/fusion_modes.py: mean and spread over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

SCORES = {"dice": "mDice", "iou": "mIoU"}


def spread(values: Sequence[float]) -> str:
    """Mean and, of more than one value, standard deviation."""
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(values) < 2 else f"{mean} +- {statistics.stdev(values):.3f}"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Scores by mode and level, over the seeds; last the guesses, which no training changes."""
    lines = []
    names = [level["level"] for level in rows[0]["levels"]]
    for score, title in SCORES.items():
        lines.append(f"{title + ', prompt:':24}" + "".join(f"{name:>18}" for name in names) + f"{'seeds':>8}")
        for mode in dict.fromkeys(row["mode"] for row in rows):
            own = [row["levels"] for row in rows if row["mode"] == mode]
            cells = [spread([levels[number][score] for levels in own]) for number in range(len(names))]
            lines.append(f"{mode:24}" + "".join(f"{cell:>18}" for cell in cells) + f"{len(own):8}")
        guesses = [level[f"guess_{score}"] for level in rows[0]["levels"]]
        lines.append(f"{'guess':24}" + "".join(f"{value:>18.3f}" for value in guesses) + "\n")
    return "\n".join(lines)

"""What each epoch of a training scored."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cuescan.errors import UserError
from cuescan.nnunet import history

Row = Mapping[str, float | None]

_EPOCH = re.compile(r"Epoch (\d+)\s*$")
_NUMBER = re.compile(r"(train_loss|val_loss|Epoch time:) (-?[\d.]+|nan)")
_DICE = re.compile(r"Pseudo dice \[(.*)\]")
_VALUE = re.compile(r"(?:\(|^|, )(-?\d+\.?\d*|nan)")


@dataclass(frozen=True)
class Curve:
    """One number per epoch.

    Attributes:
        name: what it is.
        values: by epoch, None where it is not known.
    """

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Training:
    """The curves of a training.

    Attributes:
        panels: title -> curves that share an axis.
        chosen: the epoch whose weights were kept, or None where that is not known.
        seconds: time of all epochs.
    """

    panels: Mapping[str, tuple[Curve, ...]]
    chosen: int | None
    seconds: float

    @property
    def epochs(self) -> int:
        """Finished epochs."""
        return max(len(curve.values) for curves in self.panels.values() for curve in curves)


PANELS: Mapping[str, Sequence[str]] = {
    "Training loss": ("loss",),
    "Score from cues (1 is best)": (
        "score", "agreement_flip", "agreement_scale", "statement", "pointed", "average_precision",
    ),
    "Errors by cues (0 is best)": ("leak", "vanish"),
    "Scores from masks, not used to choose": ("dense_miou", "dense_mdice"),
}  # fmt: skip


def read_training(folder: Path) -> Training | None:
    """Read the curves of a fold: ``progress_cues.jsonl`` of a weak training, else nnU-Net's own log.

    Raises:
        UserError: ``progress_cues.jsonl`` is damaged.
    """
    path = folder / history.FILE
    rows: Sequence[Row] = _weak_rows(path) if path.is_file() else []
    if rows:
        return _training(rows, PANELS, _kept(rows))
    rows = _logged_rows(folder)
    panels = {"Loss": ("training", "validation"), "Pseudo Dice on patches": ("mean over classes",)}
    return _training(rows, panels, None) if rows else None


def _kept(rows: Sequence[Row]) -> int:
    """The epoch that is marked as kept; in files without marks the one with the best score, which was the rule."""
    marked = [number for number, row in enumerate(rows) if row.get("kept")]
    scores = [value if (value := row.get("score")) is not None else -math.inf for row in rows]
    return marked[-1] if marked else history.chosen_epoch({history.PREFIX + "score": scores})


def _training(rows: Sequence[Row], panels: Mapping[str, Sequence[str]], chosen: int | None) -> Training | None:
    found = {}
    for title, keys in panels.items():
        curves = [Curve(key.replace("_", " "), tuple(row.get(key) for row in rows)) for key in keys]
        known = tuple(curve for curve in curves if any(value is not None for value in curve.values))
        if known:
            found[title] = known
    return Training(found, chosen, sum(row.get("seconds") or 0.0 for row in rows)) if found else None


def _weak_rows(path: Path) -> list[Row]:
    rows: list[Row] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            row = None
        if not isinstance(row, dict):
            raise UserError(
                f"{path}: line {number} is not valid JSON; remove the line, or the file to go without curves"
            )
        rows.append({key: float(value) if isinstance(value, (int, float)) else None for key, value in row.items()})
    return rows


def _logged_rows(folder: Path) -> Sequence[Row]:
    """The epochs in the logs of nnU-Net's own trainers; a continued training has several, the last word counts."""
    epochs: dict[int, dict[str, float | None]] = {}
    for path in sorted(folder.glob("training_log_*.txt")):
        row: dict[str, float | None] = {}
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if start := _EPOCH.search(line):
                row = epochs[int(start[1])] = {}
            elif number := _NUMBER.search(line):
                key = {"train_loss": "training", "val_loss": "validation", "Epoch time:": "seconds"}[number[1]]
                row[key] = _finite(number[2])
            elif dice := _DICE.search(line):
                values = [value for text in _VALUE.findall(dice[1]) if (value := _finite(text)) is not None]
                row["mean over classes"] = sum(values) / len(values) if values else None
    return [epochs.get(epoch, {}) for epoch in range(max(epochs, default=-1) + 1)]


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None

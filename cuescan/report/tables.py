"""The tables of a report, from the document of ``cuescan evaluate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cuescan.evaluation.report import TITLES
from cuescan.evaluation.scores import METRICS


@dataclass(frozen=True)
class ScoreRow:
    """Scores of one class.

    Attributes:
        name: the class.
        label: its number; 0 is the background.
        values: Dice, IoU, precision and recall, 0..1, None for a class that does not occur.
        reference: share of all pixels in the reference masks.
        predicted: share of all pixels in the predictions.
    """

    name: str
    label: int
    values: tuple[float | None, ...]
    reference: float
    predicted: float


@dataclass(frozen=True)
class Cell:
    """One cell of the confusion table.

    Attributes:
        share: of the row's pixels, 0..1.
        pixels: their number.
        right: reference and prediction agree.
    """

    share: float
    pixels: int
    right: bool


@dataclass(frozen=True)
class ConfusionRow:
    """One reference class.

    Attributes:
        name: the class.
        label: its number.
        pixels: of the class in the references.
        cells: by predicted label.
    """

    name: str
    label: int
    pixels: int
    cells: tuple[Cell, ...]


def headline(scores: Mapping[str, Any]) -> list[tuple[str, float | None]]:
    """The four means as papers name them."""
    return [(f"m{TITLES[metric]}", scores["mean"][metric]) for metric in METRICS]


def score_rows(scores: Mapping[str, Any]) -> list[ScoreRow]:
    """One row per class, in the order of the labels."""
    classes = scores["classes"]
    total = sum(row["reference_pixels"] for row in classes.values()) or 1
    return [
        ScoreRow(
            name,
            row["label"],
            tuple(row[metric] for metric in METRICS),
            row["reference_pixels"] / total,
            row["predicted_pixels"] / total,
        )
        for name, row in classes.items()
    ]


def confusion(scores: Mapping[str, Any]) -> tuple[list[tuple[int, str]], list[ConfusionRow]]:
    """Columns (label, name) and rows of the confusion table; labels that do not occur are left out.

    Where a data set has no background, a pixel that is predicted as label 0 belongs to "no class".
    """
    stated = scores.get("confusion")
    if not stated:
        return [], []
    counts: Sequence[Sequence[int]] = stated["counts"]
    names = dict(enumerate(stated["labels"]))
    if "background" not in scores["classes"]:
        names[0] = "no class"
    columns = [label for label in names if label or any(row[0] for row in counts)]
    rows = []
    for label, row in enumerate(counts):
        pixels = sum(row)
        if pixels:
            cells = tuple(Cell(row[column] / pixels, row[column], column == label) for column in columns)
            rows.append(ConfusionRow(names[label], label, pixels, cells))
    return [(label, names[label]) for label in columns], rows


def case_rows(scores: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Cases and their mean IoU, lowest first."""
    known = [(case, entry["mean_iou"]) for case, entry in scores["cases"].items() if entry["mean_iou"] is not None]
    return sorted(known, key=lambda pair: (pair[1], pair[0]))

"""Scores as a table for people and as strict JSON for programs."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from cuescan import __version__
from cuescan.evaluation.borders import BorderBands
from cuescan.evaluation.confusion import ConfusionMatrix
from cuescan.evaluation.folders import Evaluation
from cuescan.evaluation.scores import METRICS, Scores

TITLES = {"dice": "Dice", "iou": "IoU", "precision": "Precision", "recall": "Recall"}


def table(result: Scores) -> str:
    """Lay out the rows and the mean, three decimals, classes that do not occur as "absent"."""
    title = "mean with background" if result.include_background else "mean"
    names = [row.name for row in result.rows] + [title]
    width = max(len(name) for name in names)
    lines = [" " * width + "".join(f"{TITLES[metric]:>11}" for metric in METRICS)]
    for row in result.rows:
        lines.append(f"{row.name:<{width}}" + _cells([getattr(row, metric) for metric in METRICS]))
    lines.append(f"{title:<{width}}" + _cells([result.mean(metric) for metric in METRICS]))
    return "\n".join(lines)


def _cells(values: list[float | None]) -> str:
    return "".join(f"{'absent' if value is None else format(value, '.3f'):>11}" for value in values)


def summary(result: Scores) -> str:
    """The four means in one line, as papers give them."""
    values = {metric: result.mean(metric) for metric in METRICS}
    return "  ".join(
        f"m{TITLES[metric]} {'absent' if value is None else format(value, '.4f')}" for metric, value in values.items()
    )


def lowest(evaluation: Evaluation, count: int = 5) -> list[tuple[str, float]]:
    """The cases with the lowest mean IoU, lowest first."""
    means = [(case, mean) for case, result in evaluation.cases.items() if (mean := result.mean("iou")) is not None]
    return sorted(means, key=lambda pair: pair[1])[:count]


def bands_table(bands: BorderBands) -> str:
    """Lay out the wrong pixels by their distance from a border, in percent of all pixels and of each band's."""
    ends = [0.0, *bands.widths]
    titles = [f"{low:g}-{high:g} px" for low, high in pairwise(ends)] + ["further", "all"]
    wrong, pixels = (np.append(counts, counts.sum()) for counts in (bands.wrong, bands.pixels))
    rows = {"wrong, of all pixels": wrong / pixels[-1], "wrong, of these pixels": wrong / np.maximum(pixels, 1)}
    width = max(map(len, rows))
    lines = [" " * width + "".join(f"{title:>12}" for title in titles)]
    lines += [f"{name:<{width}}" + "".join(f"{share:>12.1%}".replace("%", " %") for share in shares)
              for name, shares in rows.items()]  # fmt: skip
    return "\n".join(lines)


def undecided(matrix: ConfusionMatrix) -> str:
    """Say what share of the reference's labelled pixels the pseudo-labels decide."""
    decided = int(matrix.counts.sum())
    share = decided / (decided + matrix.undecided)
    return f"labelled: {share:.1%} of the pixels; the others take no part".replace("%", " %")


def document(evaluation: Evaluation, predictions: Path, masks: Path) -> dict[str, Any]:
    """Everything as a JSON document without NaN: null where there is no score.

    Rows of ``confusion`` are reference labels, its columns predicted ones, and its numbers pixels. ``borders``, if
    asked for, has the pixels of each band, one more than there are ``widths``.
    """
    total, bands = evaluation.total, evaluation.bands
    borders = {} if bands is None else {"borders": _borders(bands)}
    return {
        "version": 1,
        "predictions": str(predictions),
        "masks": str(masks),
        "include_background": total.include_background,
        "mean": {metric: total.mean(metric) for metric in METRICS},
        "classes": {row.name: {**_row(row), "absent": row.absent} for row in total.rows},
        "confusion": {
            "labels": list(evaluation.matrix.labels.names),
            "counts": evaluation.matrix.counts.tolist(),
        },
        **borders,
        "undecided_pixels": evaluation.matrix.undecided,
        "cases": {
            case: {"mean_iou": result.mean("iou"), "iou": {row.name: row.iou for row in result.rows}}
            for case, result in evaluation.cases.items()
        },
        "without_mask": list(evaluation.without_mask),
        "software": _software(),
    }


def _borders(bands: BorderBands) -> dict[str, Any]:
    return {"widths": list(bands.widths), "pixels": bands.pixels.tolist(), "wrong": bands.wrong.tolist()}


def _row(row: Any) -> dict[str, Any]:
    values = asdict(row)
    del values["name"]
    return values


def _software() -> dict[str, str]:
    found = {"python": platform.python_version(), "cuescan": __version__}
    for package in ("numpy", "SimpleITK", "pillow", "nnunetv2"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

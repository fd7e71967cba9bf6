"""Scores as a table for people and as strict JSON for programs."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import Any

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


def band_shares(scores: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Bands around borders of a ``document``, the nearest first; none if they were not asked for.

    Returns:
        Name, wrong pixels as share of all pixels, and as share of the band's own, 0..1.
    """
    borders = scores.get("borders")
    if not borders:
        return []
    ends = [0.0, *borders["widths"]]
    names = [f"{low:g}-{high:g} px" for low, high in pairwise(ends)] + ["further"]
    total = max(sum(borders["pixels"]), 1)
    return [
        (name, wrong / total, wrong / max(pixels, 1))
        for name, pixels, wrong in zip(names, borders["pixels"], borders["wrong"], strict=True)
    ]


def bands_table(scores: Mapping[str, Any]) -> str:
    """Lay out the bands of a ``document`` in percent."""
    names, of_all, of_band = zip(*band_shares(scores), strict=True)
    title = "wrong, of these pixels"
    lines = [" " * len(title) + "".join(f"{name:>12}" for name in (*names, "all"))]
    for name, shares in (("wrong, of all pixels", of_all), (title, of_band)):
        cells = "".join(f"{share:>12.1%}".replace("%", " %") for share in (*shares, sum(of_all)))
        lines.append(f"{name:<{len(title)}}{cells}")
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

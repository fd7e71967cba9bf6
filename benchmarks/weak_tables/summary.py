"""Means and spreads over seeds, of the rows of results.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cuescan.evaluation.repeats import Spread, spread

Row = Mapping[str, Any]


def by_label(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each line of the table, in order."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["label"], []).append(row)
    return found


def over_seeds(rows: Sequence[Row], value: Callable[[Row], float | None]) -> Spread | None:
    """Mean and spread over seeds of what ``value`` takes from each row; None where no row has it."""
    return spread((row["seed"], value(row)) for row in rows)


def mean_of(metric: str) -> Callable[[Row], float | None]:
    """The mean of a metric over classes."""
    return lambda row: row["scores"]["mean"][metric]


def iou_of(name: str) -> Callable[[Row], float | None]:
    """The IoU of a class."""
    return lambda row: row["scores"]["classes"].get(name, {}).get("iou")


def minutes(row: Row) -> float:
    """Minutes of training, of all stages."""
    return row["minutes"]


def classes(rows: Sequence[Row]) -> list[str]:
    """Names of the scored classes, the background first where there is one."""
    return list(dict.fromkeys(name for row in rows for name in row["scores"]["classes"]))


def bound(rows: Sequence[Row]) -> tuple[str, Spread] | None:
    """The fully supervised row with the highest mean IoU, and that IoU."""
    found = [
        (label, measured)
        for label, group in by_label(rows).items()
        if group[0]["learns_from"] == "masks" and (measured := over_seeds(group, mean_of("iou"))) is not None
    ]
    return max(found, key=lambda pair: pair[1].mean) if found else None

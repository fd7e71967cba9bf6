"""Means and spreads of scores over repeated trainings."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

LEARNS = {"labels": "image labels", "pseudo-labels": "image labels, in stages", "masks": "masks"}
"""What a row learns from, in words; in stages, where models label for those after them."""


@dataclass(frozen=True)
class Spread:
    """Mean and spread over seeds.

    Attributes:
        values: one number per seed, each the mean over its folds.
        mean: of the values.
        deviation: their sample standard deviation (n - 1), None of a single one.
    """

    values: tuple[float, ...]
    mean: float
    deviation: float | None


def spread(scored: Iterable[tuple[int, float | None]]) -> Spread | None:
    """Mean and spread over seeds; a seed counts once, however many folds it has.

    Args:
        scored: seed and value of each training, None where it has no such value.

    Returns:
        None where no training has a value.
    """
    seeds: dict[int, list[float]] = {}
    for seed, value in scored:
        if value is not None:
            seeds.setdefault(seed, []).append(float(value))
    values = tuple(statistics.fmean(found) for found in seeds.values())
    if not values:
        return None
    return Spread(values, statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)


def share_of(value: Spread | None, bound: Spread | None) -> float | None:
    """A mean as a share of another mean, None where either is not known."""
    return value.mean / bound.mean if value and bound and bound.mean else None

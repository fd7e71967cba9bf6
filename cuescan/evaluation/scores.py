"""Dice, IoU, precision and recall of a confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cuescan.evaluation.confusion import ConfusionMatrix

METRICS = ("dice", "iou", "precision", "recall")


@dataclass(frozen=True)
class ClassScore:
    """Scores of one class, each in 0..1, or None where the class occurs in no reference and no prediction.

    With TP, FP and FN counted over all pixels of the data set: dice = 2 TP / (2 TP + FP + FN),
    iou = TP / (TP + FP + FN), precision = TP / (TP + FP), recall = TP / (TP + FN). A class that only the reference
    or only the prediction has scores 0 in all four.
    """

    name: str
    label: int
    reference_pixels: int
    predicted_pixels: int
    dice: float | None
    iou: float | None
    precision: float | None
    recall: float | None

    @property
    def absent(self) -> bool:
        """Whether no reference and no prediction has the class."""
        return self.iou is None


@dataclass(frozen=True)
class Scores:
    """Scores per class and their mean.

    Attributes:
        rows: the background first, where the data set has one, then the K classes.
        include_background: whether the background takes part in the mean.
    """

    rows: tuple[ClassScore, ...]
    include_background: bool = False

    @property
    def averaged(self) -> tuple[ClassScore, ...]:
        """The rows in the mean: those that occur, without the background unless it is included."""
        return tuple(row for row in self.rows if not row.absent and (self.include_background or row.label > 0))

    def mean(self, metric: str) -> float | None:
        """Mean of a metric (see ``METRICS``) over the ``averaged`` rows, None where there is none."""
        values = [getattr(row, metric) for row in self.averaged]
        return float(np.mean(values)) if values else None


def scores(matrix: ConfusionMatrix, include_background: bool = False) -> Scores:
    """Compute the scores of a confusion matrix.

    Without a background, label 0 is no class: a pixel predicted 0 is a miss of its reference class.
    """
    first = 0 if matrix.labels.background else 1
    rows = tuple(_class_score(matrix, label) for label in range(first, len(matrix.counts)))
    return Scores(rows, include_background)


def _class_score(matrix: ConfusionMatrix, label: int) -> ClassScore:
    hits = int(matrix.counts[label, label])
    reference = int(matrix.counts[label].sum())
    predicted = int(matrix.counts[:, label].sum())
    union = reference + predicted - hits
    values: tuple[float | None, ...] = (None,) * len(METRICS)
    if union:
        values = (
            2 * hits / (reference + predicted),
            hits / union,
            hits / predicted if predicted else 0.0,
            hits / reference if reference else 0.0,
        )
    return ClassScore(matrix.labels.names[label], label, reference, predicted, *values)

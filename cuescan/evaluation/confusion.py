"""One confusion matrix over a data set."""

from __future__ import annotations

import numpy as np

from cuescan.evaluation.labels import Labels


class ConfusionMatrix:
    """Counts of (reference label, predicted label) pairs over any number of masks.

    Attributes:
        labels: what the integers mean.
        counts: int64 array of shape (1 + K, 1 + K): pixels by reference label (row) and predicted label (column).
        undecided: pixels with a reference label for which the prediction says ``ignore``, as pseudo-labels do; they
            are not in ``counts``.
    """

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        size = len(labels.names)
        self.counts = np.zeros((size, size), dtype=np.int64)
        self.undecided = 0

    def update(self, reference: np.ndarray, prediction: np.ndarray, partial: bool = False) -> None:
        """Add one case; pixels whose reference is ``ignore`` are left out.

        Args:
            reference: labels 0..K or ``ignore``, any shape.
            prediction: labels 0..K, the same shape.
            partial: the prediction may be ``ignore``, too; such pixels are counted in ``undecided`` alone.

        Raises:
            ValueError: the shapes differ, or a label lies outside 0..K.
        """
        if reference.shape != prediction.shape:
            raise ValueError(f"reference {reference.shape} and prediction {prediction.shape} differ in shape")
        keep = reference != self.labels.ignore
        if partial:
            decided = prediction != self.labels.ignore
            self.undecided += int((keep & ~decided).sum())
            keep &= decided
        rows, columns = reference[keep].astype(np.int64), prediction[keep].astype(np.int64)
        size = len(self.counts)
        if rows.size and (min(rows.min(), columns.min()) < 0 or max(rows.max(), columns.max()) >= size):
            raise ValueError(f"labels must be 0..{size - 1}")
        self.counts += np.bincount(rows * size + columns, minlength=size * size).reshape(size, size)

    def __add__(self, other: ConfusionMatrix) -> ConfusionMatrix:
        """Return the matrix of both sets of masks together."""
        if self.labels != other.labels:
            raise ValueError("confusion matrices of different labels cannot be added")
        total = ConfusionMatrix(self.labels)
        total.counts = self.counts + other.counts
        total.undecided = self.undecided + other.undecided
        return total

"""Which pixels of a prediction are labelled: the most confident share of each class over the data set."""

from __future__ import annotations

import numpy as np

LEVELS = 65535
"""Levels of confidence; the level above them stands for a pixel that the cue alone decides."""
DECIDED = LEVELS
LOWEST, HIGHEST = -8.0, 24.0
"""Range of the log odds that the levels resolve."""


def possible_labels(stated: np.ndarray, background: bool) -> np.ndarray:
    """Which labels a pixel of a case may have.

    Args:
        stated: (K,) image-level labels: 1 present, 0 absent, nan not stated.
        background: whether pixels of no class exist.

    Returns:
        (1 + K,) bool, label 0 first.
    """
    return np.concatenate([[background], stated != 0])


def confidence_levels(
    probabilities: np.ndarray, possible: np.ndarray, seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The most probable label of each pixel, and how sure the model is of it.

    A level is a step of the log odds ``log p - log(1 - p)`` of that label: it orders pixels as p does, but still tells
    them apart where p rounds to 1.

    Args:
        probabilities: (1 + K, H, W) in [0, 1], 0 for labels that are not possible.
        possible: (1 + K, H, W) bool.
        seen: (H, W) bool, False where the model did not look (black surroundings, which are background).

    Returns:
        Labels (H, W) uint8, and levels (H, W) uint16 in 0 ... ``LEVELS`` - 1, or ``DECIDED`` where nothing else was
        possible.
    """
    labels = probabilities.argmax(0)
    top = np.take_along_axis(probabilities, labels[None], 0)[0]
    others = probabilities.copy()
    np.put_along_axis(others, labels[None], 0, 0)
    with np.errstate(divide="ignore"):
        odds = np.log(top, dtype=np.float64) - np.log(others.sum(0), dtype=np.float64)
    share = (np.clip(odds, LOWEST, HIGHEST) - LOWEST) / (HIGHEST - LOWEST)
    levels = np.round(share * (LEVELS - 1)).astype(np.uint16)
    levels[~seen | (possible.sum(0) == 1)] = DECIDED
    return labels.astype(np.uint8), levels


class ConfidenceCounts:
    """How many pixels of each predicted label have each level.

    Args:
        labels: number of labels, 1 + K.
    """

    def __init__(self, labels: int) -> None:
        self.counts = np.zeros((labels, LEVELS + 1), dtype=np.int64)

    def add(self, labels: np.ndarray, levels: np.ndarray) -> None:
        """Count the pixels of a case."""
        joint = labels.astype(np.int64).ravel() * (LEVELS + 1) + levels.ravel()
        found, number = np.unique(joint, return_counts=True)
        self.counts.reshape(-1)[found] += number

    @property
    def pixels(self) -> np.ndarray:
        """(1 + K,) pixels predicted as each label."""
        return self.counts.sum(1)

    def thresholds(self, keep: float) -> np.ndarray:
        """(1 + K,) the lowest level to label, by predicted label.

        Of the pixels of a label that the cue did not decide, the share ``keep`` in (0, 1] with the highest levels is at
        or above it, and all that have the same level as the last of them.
        """
        undecided = self.counts[:, :LEVELS]
        at_least = undecided[:, ::-1].cumsum(1)[:, ::-1]
        wanted = np.ceil(keep * undecided.sum(1)).astype(np.int64)
        return (at_least >= wanted[:, None]).sum(1) - 1

    def labelled(self, thresholds: np.ndarray) -> np.ndarray:
        """(1 + K,) pixels at or above the thresholds."""
        return np.array([row[level:].sum() for row, level in zip(self.counts, thresholds, strict=True)])


def pseudo_labels(
    labels: np.ndarray, levels: np.ndarray, thresholds: np.ndarray, background: bool, ignore: int
) -> np.ndarray:
    """Labels (H, W) uint8 with ``ignore`` where a pixel is below its label's threshold or has no class to have."""
    kept = levels >= thresholds[labels]
    if not background:
        kept &= labels != 0
    return np.where(kept, labels, ignore).astype(np.uint8)


def level_confidence(level: int) -> float:
    """The probability that a level stands for, in (0, 1)."""
    odds = LOWEST + (HIGHEST - LOWEST) * level / (LEVELS - 1)
    return float(1 / (1 + np.exp(-odds)))

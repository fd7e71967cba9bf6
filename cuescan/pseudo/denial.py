"""Which labels a pixel may have by the cues of all crops that show it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cuescan.pseudo.confidence import possible_labels
from cuescan.pseudo.images import Part


def possible_by_parts(parts: Sequence[Part], stated: np.ndarray, background: bool, size: tuple[int, int]) -> np.ndarray:
    """Which labels each pixel may have.

    A class is impossible where any crop that shows the pixel states it absent: crops overlap, so that a pixel may be
    decided by the cues alone though each of its crops shows several classes. Where crops deny every label, as at
    borders a crop that calls a class absent below a share can, what the whole image states counts alone.

    Args:
        parts: the image's crops; none for an image with one cue.
        stated: (K,) the whole image's labels: 1 present, 0 absent, nan not stated.
        background: whether pixels of no class exist.
        size: (height, width).

    Returns:
        (1 + K, height, width) bool, label 0 first.
    """
    whole = possible_labels(stated, background)[:, None, None]
    possible = np.repeat(np.repeat(whole, size[0], 1), size[1], 2)
    for part in parts:
        possible[(slice(1, None), *part.window)] &= (part.stated != 0)[:, None, None]
    return np.where(possible.any(0), possible, whole)


def restricted(probabilities: np.ndarray, possible: np.ndarray) -> np.ndarray:
    """Probabilities (1 + K, H, W) among the labels that are possible at a pixel, evenly where they are all 0."""
    kept = np.where(possible, probabilities, 0)
    total = kept.sum(0)
    return np.where(total > 0, kept / np.where(total > 0, total, 1), possible / possible.sum(0)).astype(np.float32)

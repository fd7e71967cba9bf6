"""Which labels a pixel may have by the cues of all crops that show it."""

from __future__ import annotations

import numpy as np

from cuescan.cues import Cue, Cues
from cuescan.pseudo.confidence import possible_labels


def possible_by_cue(cues: Cues, cue: Cue, size: tuple[int, int]) -> np.ndarray:
    """Which labels each pixel may have.

    A class is impossible where any crop that shows the pixel states it absent: crops overlap, so that a pixel may be
    decided by the cues alone though each of its crops shows several classes. Where crops deny every label, as at
    borders a crop that calls a class absent below a share can, what the whole image states counts alone.

    Args:
        cues: of the data set.
        cue: of the image; its parts are the crops.
        size: (height, width).

    Returns:
        (1 + K, height, width) bool, label 0 first.
    """
    whole = possible_labels(cues.vector(cue.labels), cues.background)[:, None, None]
    possible = np.repeat(np.repeat(whole, size[0], 1), size[1], 2)
    for part in cue.parts:
        top, left, bottom, right = part.box
        possible[1:, top:bottom, left:right] &= (cues.vector(part.labels) != 0)[:, None, None]
    return np.where(possible.any(0), possible, whole)


def restricted(probabilities: np.ndarray, possible: np.ndarray) -> np.ndarray:
    """Probabilities (1 + K, H, W) among the labels that are possible at a pixel, evenly where they are all 0."""
    kept = np.where(possible, probabilities, 0)
    total = kept.sum(0)
    return np.where(total > 0, kept / np.where(total > 0, total, 1), possible / possible.sum(0)).astype(np.float32)

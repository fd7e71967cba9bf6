"""Image-level labels from a mask: for people who develop, and for data sets whose protocol says so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cuescan.cues import Cue


def presence(mask: np.ndarray, classes: Sequence[str], least_share: float) -> Cue:
    """State each class present where it covers more than a share of the annotated pixels.

    Args:
        mask: (H, W) label integers, class i is i + 1; K + 1 (ignore) is left out of the share.
        classes: the K class names.
        least_share: in [0, 1); 0 means a single pixel suffices.

    Returns:
        A cue that states every class; where nothing is annotated, every class is absent.
    """
    counts = np.bincount(mask.ravel(), minlength=len(classes) + 2)
    annotated = max(int(counts[: len(classes) + 1].sum()), 1)
    return Cue({name: int(counts[number] / annotated > least_share) for number, name in enumerate(classes, start=1)})

"""What sentences state of place and extent, as numbers for networks and losses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cuescan.cues.language import Statement

REGIONS = 4
"""Rows of a place array; a sentence that states more regions keeps the first ones."""
EVERYWHERE = (0.0, 0.0, 1.0, 1.0)
NOWHERE = (0.0, 0.0, 0.0, 0.0)


def place_array(statements: Sequence[Statement], empty_where_denied: bool = False) -> np.ndarray:
    """Stated regions of each class.

    Args:
        statements: one per class, K in all.
        empty_where_denied: give a class that its sentence denies an empty box, which leaves it no pixel at inference.

    Returns:
        float32 (K, 4, 6). A row is a region: left, top, right, bottom as shares of the image's sides, 1 for a tight box
        or 0 for a place, and the share of the image's area that the class covers, nan where it is not stated. Boxes
        count, or else places; a stated share alone has the whole image as its place. Unused rows are nan.
    """
    array = np.full((len(statements), REGIONS, 6), np.nan, dtype=np.float32)
    for rows, statement in zip(array, statements, strict=True):
        if statement.present is False:
            if empty_where_denied:
                rows[0] = *NOWHERE, 1, np.nan
            continue
        share = np.nan if statement.share is None else statement.share
        tight = bool(statement.boxes)
        regions = [(box.left, box.top, box.right, box.bottom) for box in statement.boxes or statement.places]
        if not regions and statement.share is not None:
            regions = [EVERYWHERE]
        for row, region in zip(rows, regions, strict=False):
            row[:] = *region, tight, share
    return array


def presence(statements: Sequence[Statement]) -> np.ndarray:
    """Image-level labels that sentences state, float32 (K,): 1 present, 0 denied, nan not mentioned."""
    values = [np.nan if statement.present is None else float(statement.present) for statement in statements]
    return np.array(values, dtype=np.float32)

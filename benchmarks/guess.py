"""The masks that one would draw from a sentence without looking at the image: filled ellipses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cuescan.cues.language import Box, Statement


def guess(statements: Sequence[Statement], shape: tuple[int, int], mean_shares: Sequence[float]) -> np.ndarray:
    """Draw what is stated.

    A stated box is filled with the ellipse that touches its sides. At a stated place's centre, or in the middle of the
    image if no place is stated, lies a circle of the stated share of the image, or else of the mean one in training.

    Args:
        statements: one per class.
        shape: (height, width) of the image.
        mean_shares: by class the mean share of the image that training cues state.

    Returns:
        uint8 (height, width), label i + 1 for class i.
    """
    height, width = shape
    rows, columns = np.arange(height)[:, None] + 0.5, np.arange(width)[None] + 0.5
    mask = np.zeros(shape, np.uint8)
    for label, (statement, mean) in enumerate(zip(statements, mean_shares, strict=True), start=1):
        if not statement.present:
            continue
        if statement.boxes:
            spots = [(box, None) for box in statement.boxes]
        else:
            share = mean if statement.share is None else statement.share
            places = statement.places or (Box(0, 0, 1, 1),)
            radius = np.sqrt(share * height * width / np.pi / len(places))
            spots = [(box, radius) for box in places]
        for box, radius in spots:
            across = (box.right - box.left) * width / 2 if radius is None else radius
            down = (box.bottom - box.top) * height / 2 if radius is None else radius
            x, y = (box.left + box.right) / 2 * width, (box.top + box.bottom) / 2 * height
            mask[((columns - x) / across) ** 2 + ((rows - y) / down) ** 2 <= 1] = label
    return mask

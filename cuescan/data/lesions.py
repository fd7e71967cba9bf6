"""The findings of a mask, one by one: where each lies and how much of the image it covers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

SPECK = 0.0005
"""Connected pixels that cover less of the image than this are no finding of their own."""

_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class Lesion:
    """A connected finding.

    Attributes:
        box: left, top, right, bottom in pixels; right and bottom are the first column and row outside.
        cell: row and column, each 0, 1 or 2, of the ninth of the image in which the box's centre lies.
        pixels: its number of pixels.
    """

    box: tuple[int, int, int, int]
    cell: tuple[int, int]
    pixels: int


def _third(first: int, last: int, length: int) -> int:
    return min(2, 3 * (first + last) // (2 * length))


def find_lesions(region: np.ndarray, speck: float = SPECK) -> list[Lesion]:
    """Connected findings, in reading order of their cells; pixels that touch at a corner are connected.

    Args:
        region: bool (H, W).
        speck: share of the image below which a finding is left out, unless all are that small; then the largest stays.
    """
    height, width = region.shape
    labels, _ = ndimage.label(region, structure=_NEIGHBOURS)
    sizes = np.bincount(labels.ravel())[1:]
    least = min(speck * region.size, sizes.max(initial=0))
    lesions = []
    for number, place in enumerate(ndimage.find_objects(labels)):
        if sizes[number] >= least:
            rows, columns = place
            box = (columns.start, rows.start, columns.stop, rows.stop)
            cell = _third(rows.start, rows.stop, height), _third(columns.start, columns.stop, width)
            lesions.append(Lesion(box, cell, int(sizes[number])))
    return sorted(lesions, key=lambda lesion: (lesion.cell, lesion.box))

"""Overlapping square crops of a large image, each a case of its own."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from cuescan.cues import Cue, Part
from cuescan.data.images import Picture
from cuescan.data.presence import presence
from cuescan.data.raw_dataset import Sample
from cuescan.errors import UserError

_CROP = re.compile(r"(.+)_y(\d{4,})_x(\d{4,})")


def crop_starts(length: int, size: int, stride: int) -> list[int]:
    """Where crops start along one axis: every ``stride`` pixels, and one flush with the end so that nothing is lost.

    >>> crop_starts(300, 112, 56)
    [0, 56, 112, 168, 188]
    """
    starts = list(range(0, length - size + 1, stride))
    return starts if starts[-1] == length - size else [*starts, length - size]


def crop_samples(
    name: str,
    pixels: np.ndarray,
    mask: np.ndarray,
    classes: Sequence[str],
    least_share: float,
    group: str | None,
    size: int,
    stride: int,
) -> Iterator[Sample]:
    """Cut an image and its mask into crops labelled by what the mask shows in each.

    Args:
        name: of the image; a crop is ``<name>_y0056_x0112``.
        pixels: (H, W) or (H, W, 3).
        mask: (H, W) label integers.
        classes: the K class names.
        least_share: a class is present where it covers more than this share of the crop.
        group: the crops' patient or slide.
        size: side of a crop in pixels.
        stride: distance between crops in pixels.

    Raises:
        UserError: the image is smaller than a crop.
    """
    height, width = mask.shape
    if min(height, width) < size:
        raise UserError(f"case '{name}': {width} x {height} pixels is less than a crop of {size}; remove the case")
    for y, x in itertools.product(crop_starts(height, size, stride), crop_starts(width, size, stride)):
        window = np.s_[y : y + size, x : x + size]
        part = np.ascontiguousarray(mask[window])
        picture = Picture(np.ascontiguousarray(pixels[window]))
        yield Sample(f"{name}_y{y:04d}_x{x:04d}", picture, part, presence(part, classes, least_share), group)


def whole_sample(name: str, pixels: np.ndarray, mask: np.ndarray, crops: Iterable[Sample]) -> Sample:
    """The whole image, with what its crops (:func:`crop_samples`) state as labels of its parts."""
    parts, group = [], None
    for crop in crops:
        _, y, x = crop_corner(crop.name) or ("", 0, 0)
        height, width = crop.picture.pixels.shape[:2]
        parts.append(Part((y, x, y + height, x + width), crop.cue.labels if crop.cue else {}))
        group = crop.group
    return Sample(name, Picture(pixels), mask, Cue.of_parts(parts), group)


def crop_corner(case: str) -> tuple[str, int, int] | None:
    """The image that a case was cut from and the crop's top and left in pixels; None for the name of no crop.

    >>> crop_corner("train_1_y0056_x0112")
    ('train_1', 56, 112)
    """
    found = _CROP.fullmatch(case)
    return (found[1], int(found[2]), int(found[3])) if found else None

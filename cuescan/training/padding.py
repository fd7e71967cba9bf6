"""Where an image lies in the padding around it, and windows into larger images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def centred_slices(size: Sequence[int], patch_size: Sequence[int]) -> tuple[slice, slice]:
    """Where an image of ``size`` lies in a patch, as nnU-Net's inference pads: centred, the odd pixel after it."""
    starts = [(p - s) // 2 for s, p in zip(size, patch_size, strict=True)]
    rows, columns = (slice(start, start + s) for start, s in zip(starts, size, strict=True))
    return rows, columns


def padding_mask(size: Sequence[int], patch_size: Sequence[int]) -> Tensor:
    """Where an image lies in a patch that is at least as large: (1, 1, height, width) bool, False in the padding."""
    valid = torch.zeros(1, 1, *(max(p, s) for p, s in zip(patch_size, size, strict=True)), dtype=torch.bool)
    valid[(0, 0, *centred_slices(size, valid.shape[2:]))] = True
    return valid


def random_window(size: Sequence[int], side: int, generator: np.random.Generator) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of a square window at a random place, or of all there is along a shorter side."""
    starts = [int(generator.integers(max(0, length - side) + 1)) for length in size]
    return starts[0], starts[1], min(size[0], starts[0] + side), min(size[1], starts[1] + side)

"""Routes along which positions are scanned: permutations that the backends follow, so that no copy is reordered."""

from __future__ import annotations

import torch
from torch import Tensor


def both_ways(length: int, device: torch.device) -> Tensor:
    """A sequence forwards and backwards.

    Args:
        length: Number of positions.
        device: Where the routes are needed.

    Returns:
        (2, length) int32, the position at each step.
    """
    forwards = torch.arange(length, dtype=torch.int32, device=device)
    return torch.stack([forwards, forwards.flip(0)])


def four_ways(height: int, width: int, device: torch.device) -> Tensor:
    """A map by rows, by columns, and these two backwards (VMamba, arXiv 2401.10166, section 4.2).

    Args:
        height: Rows of the map.
        width: Columns of the map.
        device: Where the routes are needed.

    Returns:
        (4, height * width) int32, the row-major position at each step.
    """
    rows = torch.arange(height * width, dtype=torch.int32, device=device)
    columns = rows.view(height, width).t().reshape(-1)
    return torch.stack([rows, columns, rows.flip(0), columns.flip(0)])

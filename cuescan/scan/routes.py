"""The four routes along which a 2-D map is scanned (VMamba, arXiv 2401.10166, section 4.2)."""

from __future__ import annotations

import torch
from torch import Tensor


def cross_scan(x: Tensor) -> Tensor:
    """Unroll a map along four routes: row-major, column-major, and these two reversed.

    Args:
        x: (batch, channels, height, width).

    Returns:
        (batch, 4, channels, height * width).
    """
    rows, columns = x.flatten(2), x.transpose(2, 3).flatten(2)
    return torch.stack([rows, columns, rows.flip(2), columns.flip(2)], dim=1)


def cross_merge(y: Tensor, height: int, width: int) -> Tensor:
    """Put the four routes back in place and add them; ``cross_merge(cross_scan(x), H, W)`` is 4 x.

    Args:
        y: (batch, 4, channels, height * width), the routes in :func:`cross_scan`'s order.
        height: Rows of the map.
        width: Columns of the map.

    Returns:
        (batch, channels, height, width).
    """
    batch, _, channels, _ = y.shape
    rows = y[:, 0] + y[:, 2].flip(2)
    columns = y[:, 1] + y[:, 3].flip(2)
    return rows.view(batch, channels, height, width) + columns.view(batch, channels, width, height).transpose(2, 3)

"""What labels of parts of an image say about class maps: sums over rectangles, and where a class is denied."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def coverage(boxes: Tensor, grid: Sequence[int], extent: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Shares of a map's rows and columns that boxes cover.

    Args:
        boxes: (B, N, 4) top, left, bottom and right, in pixels.
        grid: height and width of the map, in cells.
        extent: height and width of what the map covers, in pixels.

    Returns:
        (B, N, height) and (B, N, width), in [0, 1].
    """
    found = []
    for axis in (0, 1):
        cell = extent[axis] / grid[axis]
        start = torch.arange(grid[axis], device=boxes.device, dtype=torch.float32) * cell
        low, high = boxes[..., axis, None].float(), boxes[..., axis + 2, None].float()
        shared = torch.minimum(high, start + cell) - torch.maximum(low, start)
        found.append((shared / cell).clamp(0, 1))
    return found[0], found[1]


def log_part_means(log_p: Tensor, boxes: Tensor, extent: Sequence[int], r: float = 4.0) -> Tensor:
    """Logarithm of the generalised mean of probabilities over the pixels of each box.

    The same as :func:`cuescan.losses.generalised_mean.log_generalised_mean` of the maps cut to the box, for all boxes
    at once. Sums are taken in float64, where the device has it, so that a class which is unlikely everywhere still has
    a gradient.

    Args:
        log_p: (B, K, H, W) logarithms of probabilities.
        boxes: (B, N, 4), see :func:`coverage`; an empty one gives a meaningless finite value.
        extent: height and width of what the maps cover, in the boxes' pixels.
        r: exponent, positive.

    Returns:
        (B, N, K) float32.
    """
    rows, columns = coverage(boxes, log_p.shape[2:], extent)
    scaled = r * log_p.float()
    peak = scaled.detach().amax((2, 3), keepdim=True)
    powers = scaled - peak
    if powers.device.type != "mps":
        powers, rows, columns = powers.double(), rows.double(), columns.double()
    mean = _means(powers.exp(), rows, columns).clamp_min(torch.finfo(rows.dtype).tiny)
    return ((mean.log().float() + peak[:, None, :, 0, 0]) / r).clamp_max(0)


def part_means(maps: Tensor, boxes: Tensor, extent: Sequence[int]) -> Tensor:
    """Mean of maps (B, K, H, W) over the pixels of each box, (B, N, K); see :func:`log_part_means`."""
    return _means(maps, *coverage(boxes, maps.shape[2:], extent))


def _means(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    sums = torch.einsum("bny,bkyx,bnx->bnk", rows, maps, columns)
    return sums / (rows.sum(2) * columns.sum(2))[..., None].clamp_min(1e-6)


def denied(boxes: Tensor, labels: Tensor, grid: Sequence[int], extent: Sequence[int]) -> Tensor:
    """Where some box that covers at least half of a cell, by rows and by columns, states a class absent.

    A pixel cannot have a class that any part which shows it denies.

    Args:
        boxes: (B, N, 4), see :func:`coverage`.
        labels: (B, N, K): 1 present, 0 absent, nan not stated.
        grid: height and width of the map.
        extent: height and width of what it covers, in pixels.

    Returns:
        (B, K, *grid) bool.
    """
    rows, columns = (share >= 0.5 for share in coverage(boxes, grid, extent))
    absent = labels == 0
    return torch.einsum("bny,bnk,bnx->bkyx", rows.float(), absent.float(), columns.float()) > 0

"""From maps to the image level, padding left out."""

from __future__ import annotations

import torch
from torch import Tensor

from cuescan.networks.grid import valid_share


def mean_over_valid(maps: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean of each map over the part of the image that is no padding.

    Args:
        maps: (B, C, h, w).
        valid: (B, 1, H, W) boolean, false where the image was padded; None if nowhere.

    Returns:
        (B, C) in float32.
    """
    maps = maps.float()
    if valid is None:
        return maps.mean((2, 3))
    weight = valid_share(valid, maps)
    return (maps * weight).sum((2, 3)) / weight.sum((2, 3)).clamp_min(1e-6)


def max_over_valid(maps: Tensor, valid: Tensor | None = None) -> Tensor:
    """Maximum of each map over the part of the image that is no padding; see :func:`mean_over_valid`."""
    maps = maps.float()
    if valid is not None:
        maps = torch.where(valid_share(valid, maps) > 0, maps, -torch.inf)
    return maps.amax((2, 3))

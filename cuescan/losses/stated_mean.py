"""Mean over what is stated."""

from __future__ import annotations

import torch
from torch import Tensor


def stated_mean(values: Tensor, stated: Tensor, dim: tuple[int, ...] | None = None) -> Tensor:
    """Mean of the values that are stated; 0 with a gradient of 0 where none is.

    Args:
        values: Finite, of any shape.
        stated: Boolean, broadcast to the values.
        dim: Over which dimensions; None for all.
    """
    stated = stated.expand_as(values)
    kept = torch.where(stated, values, torch.zeros_like(values))
    if dim is None:
        return kept.sum() / stated.sum().clamp_min(1)
    return kept.sum(dim) / stated.sum(dim).clamp_min(1)

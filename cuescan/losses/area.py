"""Priors on masks about which a sentence says nothing: their area and their smoothness."""

from __future__ import annotations

import torch
from torch import Tensor

from cuescan.losses.stated_mean import stated_mean


def area_loss(
    mask: Tensor, target: float = 0.25, present: Tensor | None = None, valid: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Area priors on masks: a named class covers about ``target`` of the image, another image's class nothing.

    ``|mean m+ - target|`` and ``mean m-`` (area prior of TCL, CVPR 2023, with target 0.4 and weight 0.4 each; CoDe,
    CVPR 2024, with target 0.25 and weights 0.5 and 0.05). Classes whose share a sentence states are better
    given as NaN and left to :class:`cuescan.losses.GroundingLoss`.

    Args:
        mask: (B, K, H, W) probabilities.
        target: Share of the image that a present class is assumed to cover, in [0, 1].
        present: (B, K) with 1 where the mask's class is in the image, 0 where it is not, NaN where the mask is left
            out; None if all are.
        valid: (B, 1, H, W), 0 where the image was padded; None if nowhere.

    Returns:
        The positive and the negative part, scalars in float32; 0 where no mask is of that kind.
    """
    if not 0 <= target <= 1:
        raise ValueError(f"target must lie in [0, 1], got {target}")
    mask = mask.float()
    weight = torch.ones_like(mask[:, :1]) if valid is None else valid.to(mask.dtype)
    area = (mask * weight).sum((2, 3)) / weight.sum((2, 3)).clamp_min(1e-6)
    present = torch.ones_like(area) if present is None else present
    return stated_mean((area - target).abs(), present == 1), stated_mean(area, present == 0)


def smoothness_loss(x: Tensor, valid: Tensor | None = None) -> Tensor:
    """Total variation ``mean |dx| + mean |dy|`` of features or masks (TCL, CVPR 2023, weight 1).

    Args:
        x: (B, C, H, W).
        valid: (B, 1, H, W), 0 where the image was padded; only neighbours that are both valid count. None if all are.

    Returns:
        Scalar, float32.
    """
    x = x.float()
    inside = torch.ones_like(x[:, :1], dtype=torch.bool) if valid is None else valid > 0
    across = stated_mean((x[..., 1:] - x[..., :-1]).abs(), inside[..., 1:] & inside[..., :-1])
    down = stated_mean((x[..., 1:, :] - x[..., :-1, :]).abs(), inside[..., 1:, :] & inside[..., :-1, :])
    return across + down

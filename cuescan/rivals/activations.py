"""From class activation maps to logits that nnU-Net can take."""

from __future__ import annotations

import math

import torch
from torch import Tensor

ABSENT_SHARE = 1e-3
"""What is left of the map of a class that the classifier does not find."""
LEAST = 1e-6
NO_BACKGROUND_LOGIT = -50.0
"""Of label 0 where a data set has no background: never the maximum, finite in half precision."""


def normalised_maps(maps: Tensor, background: bool) -> Tensor:
    """Bring each map of each image to [0, 1].

    With a background, evidence against a class counts as none: ``relu(m) / max relu(m)`` (Zhou et al., CVPR 2016).
    Where classes fill the image, the least evidence is 0: ``(m - min m) / (max m - min m)``, so that they compare
    everywhere.

    Args:
        maps: (B, K, h, w), any range.
        background: Whether pixels of no class exist.

    Returns:
        (B, K, h, w) in float32; a map without any contrast is 0.
    """
    maps = maps.float()
    maps = maps.relu() if background else maps - maps.amin((2, 3), keepdim=True)
    return maps / maps.amax((2, 3), keepdim=True).clamp_min(LEAST)


def keep_found(shares: Tensor, image_logits: Tensor) -> Tensor:
    """Weigh maps in [0, 1] by how surely the classifier finds their class; below one half, almost nothing is left.

    At inference no label says which classes are there; the published methods read their maps with the label at hand.

    Args:
        shares: (B, K, h, w) in [0, 1].
        image_logits: (B, K), of the image-level classifier.
    """
    found = image_logits.float().sigmoid()
    weight = torch.where(found >= 0.5, found, ABSENT_SHARE * found)
    return shares * weight[:, :, None, None]


def logits_of_shares(shares: Tensor, background: bool, threshold: float) -> Tensor:
    """Logits whose softmax is each class's share of the evidence at a pixel.

    The background's evidence is ``(1 - max_k s_k)^alpha`` (Ahn and Kwak, CVPR 2018, Eq. 2), where alpha is such
    that a class beats the background from ``s_k = threshold`` on.

    Args:
        shares: (B, K, H, W) evidence in [0, 1].
        background: Whether pixels of no class exist; if false, label 0 is never predicted.
        threshold: In (0, 1).

    Returns:
        (B, 1 + K, H, W) in float32, background first.
    """
    shares = shares.float()
    logits = shares.clamp_min(LEAST).log()
    if not background:
        return torch.cat([torch.full_like(logits[:, :1], NO_BACKGROUND_LOGIT), logits], dim=1)
    alpha = math.log(threshold) / math.log1p(-threshold)
    rest = (1 - shares.amax(1, keepdim=True)).clamp_min(LEAST)
    return torch.cat([alpha * rest.log(), logits], dim=1)

"""Image-level multi-label losses in which labels that are not stated take no part."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cuescan.losses.stated_mean import stated_mean
from cuescan.rivals.pooling import mean_over_valid


def multi_label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Sigmoid cross-entropy ("multi-label soft margin"), averaged over the stated labels.

    Args:
        logits: (B, K), image-level.
        labels: (B, K) with 1 present, 0 absent, NaN not stated.

    Returns:
        Scalar, float32; 0 with a gradient of 0 where no label is stated.
    """
    stated = ~torch.isnan(labels)
    target = torch.where(stated, labels, torch.zeros_like(labels)).float()
    return stated_mean(F.binary_cross_entropy_with_logits(logits.float(), target, reduction="none"), stated)


class MeanPoolingLoss(nn.Module):
    """Multi-label loss of class maps averaged over the image."""

    def forward(self, maps: Tensor, labels: Tensor, valid: Tensor | None = None) -> Tensor:
        """Compute the loss.

        Args:
            maps: (B, K, h, w) class maps, logits.
            labels: (B, K) with 1 present, 0 absent, NaN not stated.
            valid: (B, 1, H, W) boolean, false where the image was padded; None if nowhere.

        Returns:
            Scalar, float32.
        """
        return multi_label_loss(mean_over_valid(maps, valid), labels)

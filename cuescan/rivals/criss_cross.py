"""Criss-cross attention (ICCV 2019): each pixel attends to its row and its column."""

from __future__ import annotations

import torch
from torch import Tensor, nn

REDUCTION = 8
"""Channels of the features over those of queries and keys."""


class CrissCrossAttention(nn.Module):
    """Attention of each pixel to the H + W - 1 pixels of its row and column, itself counted once.

    Source: Huang et al., "CCNet: Criss-Cross Attention for Semantic Segmentation", ICCV 2019, Eq. 1 and 2:
    ``x'_u = gamma sum_i softmax_i(q_u . k_i) v_i + x_u``, where i runs over the cross through u and gamma begins at 0.
    Applied twice with the same weights, every pixel receives from every other.

    Args:
        channels: Of the features, at least 8.

    Shapes:
        (B, channels, H, W) -> the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels // REDUCTION, 1)
        self.key = nn.Conv2d(channels, channels // REDUCTION, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Attend (see the class for shapes)."""
        query, key, value = self.query(x), self.key(x), self.value(x)
        height, width = x.shape[2], x.shape[3]
        row = torch.einsum("bchw,bchj->bhwj", query, key)
        column = torch.einsum("bchw,bciw->bhwi", query, key)
        itself = torch.eye(height, dtype=torch.bool, device=x.device)[:, None]
        energy = torch.cat([row, column.masked_fill(itself, -torch.inf)], dim=3)
        in_row, in_column = energy.softmax(3).split([width, height], dim=3)
        gathered = torch.einsum("bhwj,bchj->bchw", in_row, value) + torch.einsum("bhwi,bciw->bchw", in_column, value)
        return self.gamma * gathered + x

"""What HistoSegNet (ICCV 2019) does with class maps before its CRF: background, other tissue, and the classes apart."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

WHITE, WHITE_SLOPE, WHITE_MOST = 240.0, 4.0, 0.75
BLUR = 2.0
"""Standard deviation in pixels of the blur of the white background."""
OTHER_MOST = 0.05


def white_background(image: Tensor) -> Tensor:
    """Evidence that a pixel is glass: ``0.75 sigmoid(4 (mean of the channels - 240))``, blurred.

    Args:
        image: (B, C, H, W) in grey values, 0 to 255.

    Returns:
        (B, 1, H, W) in [0, 0.75].
    """
    return blurred(WHITE_MOST * torch.sigmoid(WHITE_SLOPE * (image.float().mean(1, keepdim=True) - WHITE)), BLUR)


def other_tissue(shares: Tensor) -> Tensor:
    """Evidence that a pixel is of no class, where no class has any: ``0.05 (1 - max_k s_k)``, (B, 1, H, W)."""
    return OTHER_MOST * (1 - shares.amax(1, keepdim=True))


def classes_apart(shares: Tensor) -> Tensor:
    """What each map has more than the greatest of the others, ``relu(s_k - max_{l != k} s_l)``, (B, L, H, W)."""
    if shares.shape[1] == 1:
        return shares
    first, second = shares.topk(2, dim=1).values.split(1, dim=1)
    return torch.where(shares == first, first - second, 0)


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of a (B, 1, H, W) map, its border repeated; cut at four standard deviations."""
    reach = int(4 * sigma + 0.5)
    steps = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    row = torch.exp(-0.5 * (steps / sigma) ** 2)
    row = row / row.sum()
    padded = F.pad(x, [reach] * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, row.view(1, 1, 1, -1)), row.view(1, 1, -1, 1))

"""A network's answer for an image averaged over sizes at which it sees the image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cuescan.networks.grid import MIN_SIZE, resize, scaled, segment_content


class ScaledViews(nn.Module):
    """Mean probabilities over views of an image enlarged by several factors.

    A view that is larger than what the network was trained on is segmented in cells that are smaller beside the
    structures; one of the usual size knows better what they are. Class activation maps are commonly averaged so
    (Ahn and Kwak, CVPR 2018).

    Args:
        network: from images (B, C, H, W) to logits (B, L, H, W).
        scales: factors above 0; cuescan's commands take those from 0.25 to 4.

    Shapes:
        image (B, C, H, W) -> logarithms of mean probabilities (B, L, H, W), without the zeros around the image.
    """

    def __init__(self, network: nn.Module, scales: Sequence[float]) -> None:
        super().__init__()
        self.network, self.scales = network, tuple(scales)

    def forward(self, image: Tensor) -> Tensor:
        """Segment a batch (see the class for shapes)."""
        return segment_content(self._mean, image)

    def _mean(self, image: Tensor) -> Tensor:
        height, width = image.shape[2:]
        shares = []
        for scale in self.scales:
            sides = [max(scaled(side, scale), MIN_SIZE) for side in (height, width)]
            shares.append(resize(self.network(resize(image, *sides)).float().softmax(1), height, width))
        smallest = torch.finfo(torch.float32).tiny
        return torch.stack(shares).mean(0).clamp_min(smallest).log()

"""Bi-Dimension Fusion (BiDF) of TIFCMamba: text into image features, over space and over channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cuescan.networks.vss import BidirectionalScan, LayerNorm2d, SelectiveScan2d

PLACE_FEATURES = 6
"""Maps that :func:`cuescan.networks.places.place_features` gives."""
POOLED = 8
"""Rows and columns to which a map is pooled before its channels are scanned."""


def pooling_weights(number: int, size: int, like: Tensor) -> Tensor:
    """Weights (number, size) that average ``size`` cells to ``number`` cells by area, whatever the two numbers."""
    edges = torch.arange(number + 1, device=like.device, dtype=torch.float32) * (size / number)
    cells = torch.arange(size, device=like.device, dtype=torch.float32)
    upper = torch.minimum(edges[1:, None], cells[None] + 1)
    lower = torch.maximum(edges[:-1, None], cells[None])
    return ((upper - lower).clamp_min(0) * (number / size)).to(like.dtype)


class ChannelScan(nn.Module):
    """Gate the channels of a map by a selective scan over them, in both directions.

    Source: TIFCMamba (MICCAI 2025), BiDF, "channel fusion via a 1D selective scan". The paper does not say what a
    channel's token is; we take the channel pooled to 8 x 8 cells, so that images of any size fit the same weights, and
    let the scanned tokens gate the map: ``x * sigmoid(up(S6(pool(x))))``.

    Args:
        state: State size N of the scan.

    Shapes:
        (B, D, H, W) -> (B, D, H, W).
    """

    def __init__(self, state: int) -> None:
        super().__init__()
        self.pooled = POOLED
        self.norm = nn.LayerNorm(POOLED * POOLED)
        self.scan = BidirectionalScan(POOLED * POOLED, state)

    def forward(self, x: Tensor) -> Tensor:
        """Gate a map (see the class for shapes)."""
        batch, dim, height, width = x.shape
        pooled = pooling_weights(self.pooled, height, x) @ x @ pooling_weights(self.pooled, width, x).t()
        tokens = self.scan(self.norm(pooled.flatten(2)))
        gate = torch.sigmoid(tokens.view(batch, dim, self.pooled, self.pooled))
        return x * F.interpolate(gate, size=(height, width), mode="bilinear", align_corners=False)


class BiDF(nn.Module):
    """Fuse a prompt into image features.

    Source: TIFCMamba (MICCAI 2025), "BiDF module": the keyword feature, expanded to every patch, is fused with the
    image feature; image, image-text and text features are concatenated along the channels and scanned over space (2-D)
    and over channels (1-D). The paper does not say how the two scans combine; we add both to the concatenation, and
    add the projected result to the image feature. Without either scan the 1x1 projections remain (ablation).

    Ours: the expanded text feature also carries the map of what the prompt states of place and extent
    (:func:`cuescan.networks.places.place_features`), where it states any.

    Args:
        dim: Channels D of the image feature.
        text_dim: Length of a prompt's embedding.
        state: State size N of the scans.
        space: Scan over space.
        channel: Scan over channels.

    Shapes:
        image (B, D, H, W), text (B, text_dim), place (B, 6, H, W) -> (B, D, H, W).
    """

    def __init__(self, dim: int, text_dim: int, state: int, space: bool = True, channel: bool = True) -> None:
        super().__init__()
        self.text_projection = nn.Linear(text_dim, dim)
        self.place_projection = nn.Conv2d(PLACE_FEATURES, dim, 1, bias=False)
        self.mix = nn.Sequential(nn.Conv2d(2 * dim, dim, 1), nn.GELU())
        self.norm = LayerNorm2d(3 * dim)
        self.space = SelectiveScan2d(3 * dim, state) if space else None
        self.channel = ChannelScan(state) if channel else None
        self.out_projection = nn.Sequential(nn.Conv2d(3 * dim, dim, 1), nn.GELU(), nn.Conv2d(dim, dim, 1))

    def forward(self, image: Tensor, text: Tensor, place: Tensor) -> Tensor:
        """Fuse (see the class for shapes)."""
        words = self.text_projection(text)[:, :, None, None] + self.place_projection(place.to(image.dtype))
        both = self.mix(torch.cat([image, words], dim=1))
        joined = self.norm(torch.cat([image, both, words], dim=1))
        fused = joined
        if self.space is not None:
            fused = fused + self.space(joined)
        if self.channel is not None:
            fused = fused + self.channel(joined)
        return image + self.out_projection(fused)

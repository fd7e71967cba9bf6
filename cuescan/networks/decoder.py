"""A light all-MLP decoder over the stages of an encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cuescan.networks.grid import resize
from cuescan.networks.vss import LayerNorm2d


class MLPDecoder(nn.Module):
    """Project each stage to one width, bring all to the finest grid, fuse, classify.

    Source: the "lightweight decoder head" of PathMamba, section 1, which the paper does not detail; the all-MLP form
    is SegFormer's (Xie et al., NeurIPS 2021, section 3.2).

    Args:
        dims: Channels of the stages, finest first.
        width: Common width.
        classes: Output maps K.

    Shapes:
        stages [(B, dims[i], H / s_i, W / s_i)] -> (B, classes, H / s_0, W / s_0).
    """

    def __init__(self, dims: Sequence[int], width: int, classes: int) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Conv2d(dim, width, 1) for dim in dims)
        self.fuse = nn.Sequential(nn.Conv2d(width * len(dims), width, 1), LayerNorm2d(width), nn.GELU())
        self.classify = nn.Conv2d(width, classes, 1)

    def forward(self, stages: list[Tensor]) -> Tensor:
        """Decode (see the class for shapes)."""
        _, _, height, width = stages[0].shape
        maps: list[Tensor] = []
        for i, projection in enumerate(self.projections):
            maps.append(resize(projection(stages[i]), height, width))
        return self.classify(self.fuse(torch.cat(maps, dim=1)))

"""Two-dimensional selective scan (S6) over image tokens, in VMamba's four routes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cuescan.scan import four_ways, route_scan


class SelectiveScan2d(nn.Module):
    """Four-route S6 over a feature map: rows, columns, and both reversed, summed and normalised.

    Source: the S6 of Mamba (Gu and Dao, arXiv:2312.00752, section 3) along the routes of VMamba's SS2D. Depthwise
    3x3 convolution and SiLU come first, as in both. The scan runs in float32 whatever the autocast dtype.

    Args:
        dim: Channels D of the feature map.
        state: Size N of the state per channel.
        dt_rank: Rank of the step size's projection; default ceil(dim / 16).

    Shapes:
        (B, D, H, W) -> (B, D, H, W).
    """

    def __init__(self, dim: int, state: int = 8, dt_rank: int | None = None) -> None:
        super().__init__()
        self.dim, self.state = dim, state
        self.dt_rank = dt_rank or math.ceil(dim / 16)
        self.conv = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.activation = nn.SiLU()
        self.project = nn.Parameter(torch.empty(4, self.dt_rank + 2 * state, dim))
        self.dt_weight = nn.Parameter(torch.empty(4, dim, self.dt_rank))
        self.dt_bias = nn.Parameter(torch.empty(4 * dim))
        self.A_log = nn.Parameter(torch.empty(4 * dim, state))
        self.D = nn.Parameter(torch.ones(4 * dim))
        self.norm = nn.LayerNorm(dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Mamba's initialisation: A = -(1..N), step sizes log-uniform in [0.001, 0.1]."""
        nn.init.uniform_(self.project, -(self.dim**-0.5), self.dim**-0.5)
        nn.init.uniform_(self.dt_weight, -(self.dt_rank**-0.5), self.dt_rank**-0.5)
        step = torch.exp(torch.rand_like(self.dt_bias) * (math.log(0.1) - math.log(0.001)) + math.log(0.001))
        with torch.no_grad():
            self.dt_bias.copy_(step + torch.log(-torch.expm1(-step)))
            self.A_log.copy_(torch.log(torch.arange(1, self.state + 1).float()).expand_as(self.A_log))

    def forward(self, x: Tensor) -> Tensor:
        """Scan a feature map (see the class for shapes)."""
        batch, dim, height, width = x.shape
        tokens = self.activation(self.conv(x)).flatten(2).transpose(1, 2).contiguous()
        projected = F.linear(tokens, self.project.flatten(0, 1)).view(batch, height * width, 4, -1)
        step, B, C = projected.split([self.dt_rank, self.state, self.state], dim=3)
        step = torch.einsum("blkr,kdr->kbld", step, self.dt_weight)
        scanned = route_scan(
            tokens.transpose(1, 2).float(),
            step.permute(1, 0, 3, 2).float(),
            -torch.exp(self.A_log.float()).view(4, dim, -1),
            B.permute(0, 2, 3, 1).float(),
            C.permute(0, 2, 3, 1).float(),
            four_ways(height, width, x.device),
            self.D.float().view(4, dim),
            delta_bias=self.dt_bias.float().view(4, dim),
            delta_softplus=True,
        )
        return self.norm(scanned.transpose(1, 2)).transpose(1, 2).view(batch, dim, height, width)


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation over the channels of a (B, C, H, W) map."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each pixel's channel vector."""
        x = x.permute(0, 2, 3, 1)
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)

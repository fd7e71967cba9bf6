"""Selective scans (S6) as layers: over image tokens in VMamba's four routes, and over sequences in both directions."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cuescan.scan import both_ways, four_ways, route_scan


class RouteScan(nn.Module):
    """S6 over tokens along several routes at once, summed and normalised.

    Source: the S6 of Mamba (Gu and Dao, arXiv:2312.00752, section 3). The scan runs in float32 whatever the autocast
    dtype.

    Args:
        conv: Depthwise convolution that precedes the scan, applied by the subclass.
        dim: Channels D of a token.
        state: Size N of the state per channel.
        routes: Number R of routes.
        dt_rank: Rank of the step size's projection; default ceil(dim / 16).
    """

    def __init__(self, conv: nn.Module, dim: int, state: int, routes: int, dt_rank: int | None = None) -> None:
        super().__init__()
        self.dim, self.state, self.routes = dim, state, routes
        self.dt_rank = dt_rank or math.ceil(dim / 16)
        self.conv = conv
        self.activation = nn.SiLU()
        self.project = nn.Parameter(torch.empty(routes, self.dt_rank + 2 * state, dim))
        self.dt_weight = nn.Parameter(torch.empty(routes, dim, self.dt_rank))
        self.dt_bias = nn.Parameter(torch.empty(routes * dim))
        self.A_log = nn.Parameter(torch.empty(routes * dim, state))
        self.D = nn.Parameter(torch.ones(routes * dim))
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

    def scan(self, tokens: Tensor, routes: Tensor) -> Tensor:
        """Scan tokens (B, L, D) along routes (R, L); the result has the tokens' shape."""
        batch, length, _ = tokens.shape
        projected = F.linear(tokens, self.project.flatten(0, 1)).view(batch, length, self.routes, -1)
        step, B, C = projected.split([self.dt_rank, self.state, self.state], dim=3)
        step = torch.einsum("blkr,kdr->kbld", step, self.dt_weight)
        scanned = route_scan(
            tokens.transpose(1, 2).float(),
            step.permute(1, 0, 3, 2).float(),
            -torch.exp(self.A_log.float()).view(self.routes, self.dim, -1),
            B.permute(0, 2, 3, 1).float(),
            C.permute(0, 2, 3, 1).float(),
            routes,
            self.D.float().view(self.routes, self.dim),
            delta_bias=self.dt_bias.float().view(self.routes, self.dim),
            delta_softplus=True,
        )
        return self.norm(scanned.transpose(1, 2))


class SelectiveScan2d(RouteScan):
    """Four-route S6 over a feature map: rows, columns, and both reversed, summed and normalised.

    Source: :class:`RouteScan` along the routes of VMamba's SS2D. Depthwise 3x3 convolution and SiLU come first, as in
    both.

    Args:
        dim: Channels D of the feature map.
        state: Size N of the state per channel.
        dt_rank: Rank of the step size's projection; default ceil(dim / 16).

    Shapes:
        (B, D, H, W) -> (B, D, H, W).
    """

    def __init__(self, dim: int, state: int = 8, dt_rank: int | None = None) -> None:
        super().__init__(nn.Conv2d(dim, dim, 3, padding=1, groups=dim), dim, state, 4, dt_rank)

    def forward(self, x: Tensor) -> Tensor:
        """Scan a feature map (see the class for shapes)."""
        batch, dim, height, width = x.shape
        tokens = self.activation(self.conv(x)).flatten(2).transpose(1, 2).contiguous()
        scanned = self.scan(tokens, four_ways(height, width, x.device))
        return scanned.transpose(1, 2).view(batch, dim, height, width)


class BidirectionalScan(RouteScan):
    """S6 over a sequence forwards and backwards, summed and normalised, after a depthwise convolution and SiLU.

    Source: :class:`RouteScan`; both directions as in Vision Mamba (Zhu et al., arXiv:2401.09417, section 3.3).

    Args:
        dim: Channels D of a token.
        state: Size N of the state per channel.

    Shapes:
        (B, L, D) -> (B, L, D).
    """

    def __init__(self, dim: int, state: int = 8) -> None:
        super().__init__(nn.Conv1d(dim, dim, 3, padding=1, groups=dim), dim, state, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Scan a sequence (see the class for shapes)."""
        tokens = self.activation(self.conv(x.transpose(1, 2))).transpose(1, 2).contiguous()
        return self.scan(tokens, both_ways(x.shape[1], x.device))


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation over the channels of a (B, C, H, W) map."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each pixel's channel vector."""
        x = x.permute(0, 2, 3, 1)
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)


class VSSBlock(nn.Module):
    """Visual state space block: ``h = x + W(S6(a) * SiLU(b)), a, b = V(LN(x)); y = h + MLP(LN(h))``.

    Source: VMamba (Liu et al., arXiv:2401.10166, section 4.3), with Mamba's gate.

    Args:
        dim: Channels D.
        state: State size N of the scan.
        expansion: Width of the MLP over D.

    Shapes:
        (B, D, H, W) -> (B, D, H, W).
    """

    def __init__(self, dim: int, state: int, expansion: int = 2) -> None:
        super().__init__()
        self.norm = LayerNorm2d(dim)
        self.in_projection = nn.Conv2d(dim, 2 * dim, 1)
        self.scan = SelectiveScan2d(dim, state)
        self.out_projection = nn.Conv2d(dim, dim, 1)
        hidden = expansion * dim
        self.mlp = nn.Sequential(LayerNorm2d(dim), nn.Conv2d(dim, hidden, 1), nn.GELU(), nn.Conv2d(hidden, dim, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Mix tokens, then channels (see the class for shapes)."""
        scanned, gate = self.in_projection(self.norm(x)).chunk(2, dim=1)
        x = x + self.out_projection(self.scan(scanned) * F.silu(gate))
        return x + self.mlp(x)

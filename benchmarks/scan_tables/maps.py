"""Table C: several routes in one scan against the ways that copy, all with the same scan inside."""

from __future__ import annotations

from typing import Any

import torch
from measuring.contest import Contestant, contest
from torch import Tensor, nn

from cuescan.networks.vss import SelectiveScan2d
from cuescan.scan import backend, both_ways, four_ways, route_scan, selective_scan
from scan_tables.peers import given, ours
from scan_tables.settings import Map, Settings, Size


def rows_of(values: Tensor, rows: Tensor) -> Tensor:
    """Copy rows of (batch, ..., channels), numbered over all axes between, in the order of ``rows`` (a, b)."""
    return values.flatten(1, -2).index_select(1, rows.flatten()).unflatten(1, rows.shape)


def parameters(block: SelectiveScan2d) -> tuple[Tensor, Tensor, Tensor, bool]:
    """A, D, delta_bias and delta_softplus, each route a group of channels."""
    return -torch.exp(block.A_log), block.D, block.dt_bias, True


def unfused(block: SelectiveScan2d, x: Tensor, order: Tensor, back: Tensor) -> Tensor:
    """The block's own forward, but with four reordered copies; rows of channels are copied, which is fast."""
    batch, dim, height, width = x.shape
    tokens = block.activation(block.conv(x)).flatten(2).transpose(1, 2).contiguous()
    projected = torch.einsum("bld,kcd->bklc", tokens, block.project)
    step, B, C = projected.split([block.dt_rank, block.state, block.state], dim=3)
    step = torch.matmul(step, block.dt_weight.transpose(1, 2))
    of_route = torch.arange(4, device=x.device)[:, None] * height * width + order  # rows of (4, length, channels)
    u, step = rows_of(tokens, order.t()), rows_of(step, of_route.t())  # (batch, length, 4, channels)
    B, C = (rows_of(weights, of_route).transpose(2, 3) for weights in (B, C))
    A, D, bias, softplus = parameters(block)
    y = selective_scan(u.flatten(2).transpose(1, 2), step.flatten(2).transpose(1, 2), A, B, C, D, None, bias, softplus)
    in_place = back * 4 + torch.arange(4, device=x.device)[:, None]  # rows of (length, 4, channels)
    scanned = rows_of(y.transpose(1, 2).unflatten(2, (4, dim)), in_place).sum(1)
    return block.norm(scanned).transpose(1, 2).view(x.shape)


def flip_and_stack(block: SelectiveScan2d, x: Tensor) -> Tensor:
    """The formulation of VMamba's plain torch code (arXiv 2401.10166): copies first, then projections of all four."""
    batch, dim, height, width = x.shape
    features = block.activation(block.conv(x))
    two = torch.stack([features.flatten(2), features.transpose(2, 3).flatten(2)], dim=1)
    u = torch.cat([two, two.flip(3)], dim=1)
    projected = torch.einsum("bkdl,kcd->bkcl", u, block.project)
    step, B, C = projected.split([block.dt_rank, block.state, block.state], dim=2)
    step = torch.einsum("bkrl,kdr->bkdl", step, block.dt_weight)
    A, D, bias, softplus = parameters(block)
    y = selective_scan(u.flatten(1, 2), step.flatten(1, 2), A, B, C, D, None, bias, softplus)
    forwards, backwards = y.view(u.shape).chunk(2, dim=1)
    rows, columns = (forwards + backwards.flip(3)).unbind(1)
    scanned = rows + columns.unflatten(2, (width, height)).transpose(2, 3).flatten(2)
    return block.norm(scanned.transpose(1, 2)).transpose(1, 2).view(x.shape)


def blocks(size: Map, device: str, name: str) -> list[Contestant]:
    """Ways to run one block with its weights."""
    torch.manual_seed(0)
    block = SelectiveScan2d(size.dim, size.state).to(device)
    x = torch.randn(size.batch, size.dim, size.height, size.width).to(device).requires_grad_()
    leaves = {"x": x, **dict(block.named_parameters())}
    order = four_ways(size.height, size.width, x.device).long()
    back = order.argsort(1)

    def contestant(way: str, run: Any) -> Contestant:
        def forward(x: Tensor, **weights: nn.Parameter) -> Tensor:
            with backend(name):
                return run(x)

        return Contestant(way, leaves, forward)

    return [
        contestant("fused", block),
        contestant("unfused", lambda x: unfused(block, x, order, back)),
        contestant("flip and stack", lambda x: flip_and_stack(block, x)),
    ]


def two_ways(size: Size, device: str, name: str) -> list[Contestant]:
    """Ways to scan tokens, channels adjacent in memory, forwards and backwards."""
    tensors = given(Size(size.batch, 2 * size.dim, size.length, size.state, 2), device)
    routes = both_ways(size.length, torch.device(device))
    u = tensors["u"][:, : size.dim]
    delta = tensors["delta"].unflatten(1, (2, size.dim))
    u, delta = (values.transpose(-1, -2).contiguous().transpose(-1, -2) for values in (u, delta))
    leaves = {"u": u, "delta": delta, "B": tensors["B"], "C": tensors["C"]}
    leaves |= {key: tensors[key].unflatten(0, (2, size.dim)) for key in ("A", "D", "delta_bias")}
    leaves = {key: value.detach().requires_grad_() for key, value in leaves.items()}

    def fused(u: Tensor, delta: Tensor, B: Tensor, C: Tensor, A: Tensor, D: Tensor, delta_bias: Tensor) -> Tensor:
        with backend(name):
            return route_scan(u, delta, A, B, C, routes, D, delta_bias, True)

    def flips(u: Tensor, delta: Tensor, B: Tensor, C: Tensor, A: Tensor, D: Tensor, delta_bias: Tensor) -> Tensor:
        both = torch.cat([u, u.flip(2)], 1)
        steps, B, C = (torch.cat([each[:, 0], each[:, 1].flip(2)], 1) for each in (delta, B, C))
        B, C = (each.unflatten(1, (2, size.state)) for each in (B, C))
        with backend(name):
            y = selective_scan(both, steps, A.flatten(0, 1), B, C, D.flatten(), None, delta_bias.flatten(), True)
            return y[:, : size.dim] + y[:, size.dim :].flip(2)

    return [Contestant("fused", leaves, fused), Contestant("flips, joined", leaves, flips)]


def table(settings: Settings) -> list[dict[str, Any]]:
    """Print the table; returns its rows."""
    name = ours(settings.device)[0]
    print(f"C. Several routes, all by {name}")
    rows = []
    for size in settings.preset.maps:
        ways = blocks(size, settings.device, name)
        rows += contest(ways, settings.rounds, settings.device, f"four-route block, {size}")
    size = settings.preset.two_ways
    what = f"two-way scan, batch {size.batch}, dim {size.dim}, length {size.length}, state {size.state}"
    ways = two_ways(size, settings.device, name)
    return rows + contest(ways, settings.rounds, settings.device, what)

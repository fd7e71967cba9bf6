"""Criss-cross attention against dense attention with a mask."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cuescan.rivals.criss_cross import CrissCrossAttention


def dense(module: CrissCrossAttention, x: Tensor) -> Tensor:
    """All pixels attend to all, and what is in neither row nor column is left out."""
    height, width = x.shape[2:]
    rows = torch.arange(height).repeat_interleave(width)
    columns = torch.arange(width).repeat(height)
    cross = (rows[:, None] == rows) | (columns[:, None] == columns)
    query, key, value = (part(x).flatten(2).transpose(1, 2) for part in (module.query, module.key, module.value))
    energy = (query @ key.transpose(1, 2)).masked_fill(~cross, float("-inf"))
    gathered = (energy.softmax(2) @ value).transpose(1, 2).reshape(x.shape)
    return x + module.gamma * gathered


def attention(channels: int) -> CrissCrossAttention:
    torch.manual_seed(0)
    module = CrissCrossAttention(channels).double()
    torch.nn.init.constant_(module.gamma, 0.7)
    return module


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (5, 1), (4, 4), (7, 3)])
@pytest.mark.parametrize("channels", [8, 20])
def test_outputs_and_gradients_are_those_of_dense_attention(shape, channels):
    module = attention(channels)
    results = []
    for compute in (module, lambda x: dense(module, x)):
        x = torch.randn(2, channels, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        x.requires_grad_()
        module.zero_grad()
        out = compute(x)
        (out * torch.linspace(-1, 1, out.numel(), dtype=torch.float64).reshape(out.shape)).sum().backward()
        results.append([out.detach(), x.grad, *(p.grad.clone() for p in module.parameters())])
    for ours, reference in zip(*results, strict=True):
        torch.testing.assert_close(ours, reference)


def test_it_begins_as_the_identity():
    x = torch.randn(1, 8, 5, 6)
    assert torch.equal(CrissCrossAttention(8)(x), x)


def test_twice_it_reaches_every_pixel_and_once_only_the_cross():
    module = attention(8)
    for times, reached in ((1, 5 + 6 - 1), (2, 5 * 6)):
        x = torch.randn(1, 8, 5, 6, dtype=torch.float64, requires_grad=True)
        out = x
        for _ in range(times):
            out = module(out)
        out[0, :, 2, 3].sum().backward()
        assert (x.grad.abs().sum(1) > 0).sum() == reached


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_finite_where_the_energies_are_large(dtype):
    module = CrissCrossAttention(8).requires_grad_()
    torch.nn.init.constant_(module.gamma, 1.0)
    x = (40 * torch.randn(1, 8, 6, 5)).requires_grad_()
    with torch.autocast("cpu", dtype):
        out = module(x)
    out.float().sum().backward()
    assert torch.isfinite(out).all() and torch.isfinite(x.grad).all()

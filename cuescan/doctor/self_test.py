"""One backend on one device: does it compute what naive computes, and how long does it take."""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch
from torch import Tensor

from cuescan.scan import backend, four_ways, route_scan, selective_scan

TOLERANCE = 1e-4  # of the largest value; float32 sums in another order differ by about 1e-6
TIMED = {"batch": 1, "dim": 192, "length": 784, "state": 16, "groups": 4}


def _arguments(batch: int, dim: int, length: int, state: int, groups: int, dtype: torch.dtype) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(dtype)

    weights = (batch, groups, state, length)
    return {
        "u": normal(batch, dim, length),
        "delta": normal(batch, dim, length),
        "A": -torch.exp(normal(dim, state)),
        "B": normal(*weights),
        "C": normal(*weights),
        "D": normal(dim),
        "delta_bias": normal(dim),
    }


def _leaves(arguments: dict[str, Tensor], device: str) -> dict[str, Any]:
    return {name: value.to(device).requires_grad_() for name, value in arguments.items()}


def _everything(name: str, device: str, dtype: torch.dtype) -> list[Tensor]:
    """Outputs, last state and gradients of a scan with groups and of one along routes, on a tiny input."""
    given = _leaves(_arguments(2, 6, 15, 4, 2, dtype), device)
    along = _leaves({key: value if key == "u" else torch.stack([value] * 4, 1 if value.dim() > 2 else 0)
                     for key, value in _arguments(2, 6, 15, 4, 1, dtype).items()}, device)  # fmt: skip
    with backend(name):
        y, last_state = selective_scan(**given, delta_softplus=True, return_last_state=True)
        weights = {key: value.squeeze(2) for key, value in along.items() if key in ("B", "C")}
        routes = four_ways(3, 5, torch.device(device))
        summed = route_scan(**{**along, **weights}, routes=routes, delta_softplus=True)
        loss = y.square().sum() + last_state.square().sum() + summed.square().sum()
        gradients = torch.autograd.grad(loss, [*given.values(), *along.values()])
    return [tensor.detach().cpu().double() for tensor in (y, last_state, summed, *gradients)]


def difference(name: str, device: str) -> float:
    """Largest difference from naive in float64, as a share of the largest value of the same tensor.

    Raises:
        Exception: Whatever the backend raises.
    """
    expected = _everything("naive", "cpu", torch.float64)
    got = _everything(name, device, torch.float32)
    shares = [(one - other).abs().max() / other.abs().max() for one, other in zip(got, expected, strict=True)]
    return float(torch.stack(shares).max())  # NaN if any is


def seconds(name: str, device: str, budget: float = 0.5) -> float:
    """Median time of forward and backward at the sizes of ``TIMED``; measures for about ``budget`` seconds.

    Raises:
        Exception: Whatever the backend raises.
    """
    given = _leaves(_arguments(**TIMED, dtype=torch.float32), device)
    times: list[float] = []
    with backend(name):
        while len(times) < 2 or (sum(times) < budget and len(times) < 20):
            start = time.perf_counter()
            y, _ = selective_scan(**given, delta_softplus=True, return_last_state=True)
            gradients = torch.autograd.grad(y.sum(), list(given.values()))
            float(gradients[0].flatten()[0])  # waits for a device that works behind Python's back
            times.append(time.perf_counter() - start)
    return statistics.median(times[1:])  # the first one warms up

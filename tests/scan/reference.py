"""An independent selective scan: explicit loops over scalars in numpy, float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

NAMES = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")


def scan_by_loops(
    u: Any, delta: Any, A: Any, B: Any, C: Any, D: Any, z: Any, delta_bias: Any, softplus: bool
) -> tuple[Any, Any]:  # fmt: skip
    batch, dim, length = u.shape
    state_size, groups = A.shape[1], B.shape[1]
    y, last = np.zeros((batch, dim, length)), np.zeros((batch, dim, state_size))
    for b in range(batch):
        for d in range(dim):
            g = d // (dim // groups)
            h = [0.0] * state_size
            for t in range(length):
                step = delta[b, d, t] + (0.0 if delta_bias is None else delta_bias[d])
                if softplus:
                    step = math.log1p(math.exp(-abs(step))) + max(step, 0.0)
                total = 0.0 if D is None else D[d] * u[b, d, t]
                for n in range(state_size):
                    h[n] = math.exp(step * A[d, n]) * h[n] + step * B[b, g, n, t] * u[b, d, t]
                    total += C[b, g, n, t] * h[n]
                if z is not None:
                    total *= z[b, d, t] / (1.0 + math.exp(-z[b, d, t]))
                y[b, d, t] = total
            last[b, d] = h
    return y, last


def make_arguments(
    batch: int = 2,
    dim: int = 8,
    length: int = 20,
    state: int = 4,
    groups: int | None = 2,
    without: tuple[str, ...] = (),
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> dict[str, torch.Tensor | None]:
    """Random arguments that require gradients; ``groups`` None makes B and C 3-D, ``without`` names absent ones."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    weights = (batch, state, length) if groups is None else (batch, groups, state, length)
    values = {
        "u": normal(batch, dim, length),
        "delta": normal(batch, dim, length) - 1,
        "A": -torch.exp(normal(dim, state)),
        "B": normal(*weights),
        "C": normal(*weights),
        "D": normal(dim),
        "z": normal(batch, dim, length),
        "delta_bias": normal(dim) * 0.5,
    }
    return {name: None if name in without else value.to(dtype).requires_grad_() for name, value in values.items()}


def to_float64(arguments: dict[str, torch.Tensor | None]) -> dict[str, torch.Tensor | None]:
    return {k: None if v is None else v.detach().double().requires_grad_() for k, v in arguments.items()}


def assert_close(
    got: torch.Tensor, expected: torch.Tensor, ratio: float, name: str = "", summands: torch.Tensor | None = None
) -> None:
    """RMS of the difference over RMS of the expected; NaN fails.

    Where the expected are sums, ``summands`` (..., number) are what they sum up: if they cancel, what is left is small
    against their rounding, so the root of their summed squares counts as the scale if it is larger.
    """
    assert got.shape == expected.shape, name
    scale = expected.double().pow(2).mean().sqrt()
    if summands is not None:
        scale = torch.maximum(scale, summands.double().pow(2).sum(-1).mean().sqrt())
    error = (got.double() - expected.double()).pow(2).mean().sqrt()
    assert error <= ratio * scale + 1e-12, f"{name}: {float(error):.3g} against {float(scale):.3g}"

"""mamba_ssm's CUDA kernel as a backend, through its public ``selective_scan_fn`` (mamba_ssm 2.0 to 2.3).

What it asks for and gives was read in its source: u, delta, B and C share one of float32, float16 and bfloat16; A, D
and delta_bias are float32; B and C are (batch, groups, state, length); the state has at most 256 numbers; y comes in
u's dtype; the last state is returned, its gradient is ignored. The tests hold this adapter to that contract with a
stand-in that enforces it; they do not run the kernel itself, which needs nvcc and a GPU.

Handed over to the next backend, triton: a larger state, more channels than the kernel's grid takes, float64, and scans
inside torch.compile, which cannot look into the extension. Where a gradient of the last state is asked for, the next
backend runs the scan once more in the backward pass.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from cuescan.scan.backends import successor

MOST_STATES = 256
MOST_CHANNELS = 65_535  # of all routes together: the second axis of a CUDA grid


def selective_scan_mamba_ssm(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
    routes: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """As :func:`cuescan.scan.naive.selective_scan_naive`, all routes in one call of the kernel.

    The routes become channels: inputs are copied in the order of each route, R times the channels with R times the
    groups, and the outputs are copied back and summed.
    """
    tensors = (u, delta, A, B, C, D, delta_bias)
    batch, number, dim, length = delta.shape
    if (
        torch.compiler.is_compiling()
        or A.shape[2] > MOST_STATES
        or number * dim > MOST_CHANNELS
        or any(tensor is not None and tensor.dtype == torch.float64 for tensor in tensors)
    ):
        return successor("mamba_ssm", u.device)(*tensors, delta_softplus, routes)
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

    dtype = u.dtype
    for other in (delta, B, C):
        dtype = torch.promote_types(dtype, other.dtype)
    inputs, steps, weigh_in, weigh_out = (
        _in_order(tensor.to(dtype), routes) for tensor in (u.unsqueeze(1).expand(delta.shape), delta, B, C)
    )
    y, last_state = selective_scan_fn(
        inputs.reshape(batch, -1, length),
        steps.reshape(batch, -1, length),
        A.float().reshape(number * dim, -1),
        weigh_in.flatten(1, 2),
        weigh_out.flatten(1, 2),
        None if D is None else D.float().reshape(-1).contiguous(),
        None,
        None if delta_bias is None else delta_bias.float().reshape(-1).contiguous(),
        delta_softplus,
        True,
    )
    y = y.reshape(batch, number, dim, length)
    if routes is not None:
        y = _in_order(y, torch.argsort(routes, dim=1))
    y = y.squeeze(1) if number == 1 else y.sum(1, dtype=torch.float32)
    last_state = last_state.detach().view(batch, number, dim, -1)
    return y.to(u.dtype), _LastState.apply(last_state, delta_softplus, routes, *tensors)


def _in_order(tensor: Tensor, routes: Tensor | None) -> Tensor:
    """A tensor (batch, R, ..., length) with the positions of each of the R in the order of its route (R, length)."""
    if routes is None:
        return tensor
    order = routes.to(torch.int64).view(routes.shape[0], *([1] * (tensor.dim() - 3)), routes.shape[1])
    return tensor.gather(-1, order.expand(tensor.shape))


class _LastState(torch.autograd.Function):
    """The kernel's last state, with the gradient that the kernel lacks."""

    @staticmethod
    def forward(ctx: Any, last_state: Tensor, delta_softplus: bool, routes: Tensor | None, *tensors: Any) -> Tensor:
        """Keep the arguments; the copy lets go of the kernel's workspace."""
        ctx.delta_softplus, ctx.routes = delta_softplus, routes
        ctx.save_for_backward(*tensors)
        return last_state.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Run the scan again by the next backend; this is called only if a gradient arrives here."""
        tensors = [None if t is None else t.detach().requires_grad_(t.requires_grad) for t in ctx.saved_tensors]
        wanted = [t for t in tensors if t is not None and t.requires_grad]
        with torch.enable_grad():
            _, last_state = successor("mamba_ssm", gradient.device)(*tensors, ctx.delta_softplus, ctx.routes)
        found = iter(torch.autograd.grad(last_state, wanted, gradient, allow_unused=True))
        return None, None, None, *(next(found) if t is not None and t.requires_grad else None for t in tensors)

"""The selective scan on a GPU: the Triton kernels as a torch operator with its gradient.

The kernels want channels adjacent in memory (``channels_last``), and B and C by position before state; tensors laid out
otherwise are copied. y and the gradients have this layout. Memory is a fixed multiple of the inputs: from forward to
backward only the state before every block of steps is kept.

Every route is scanned at the same time as the others, into a buffer of its own, and torch adds the buffers. One program
that takes the routes in turn would need one buffer but leave most of a GPU idle; atomic additions into one buffer would
make the last bits depend on chance. Where there still is too little work for a GPU, time is cut into segments: a first
pass finds what each adds to the state, a chain over the segments with which state each starts.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor

from cuescan.scan.naive import selective_scan_naive

if tuple(int(part) for part in triton.__version__.split(".")[:2]) < (3, 2):
    raise ImportError(f"the selective scan needs Triton 3.2 or later, which torch 2.6 brings; got {triton.__version__}")

from cuescan.scan.triton_launch import INTERPRETED, block_of, rows_of, run_backward, run_forward  # noqa: E402

MOST_STATES = 256
_ARGUMENTS = (
    "Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor? D, Tensor? delta_bias, bool delta_softplus, "
    "Tensor? routes"
)


def selective_scan_triton(
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
    """As :func:`cuescan.scan.naive.selective_scan_naive`, in float32; float64 arguments are passed on to it.

    Results are the same bits every time, but for the gradients of B and C: these are sums by atomic additions, unless
    ``torch.use_deterministic_algorithms`` is on or a group has so few channels that one program adds them.
    """
    tensors = (u, delta, A, B, C, D, delta_bias)
    if A.shape[2] > MOST_STATES or any(tensor is not None and tensor.dtype == torch.float64 for tensor in tensors):
        return selective_scan_naive(u, delta, A, B, C, D, delta_bias, delta_softplus, routes)
    y, last_state, _ = torch.ops.cuescan.selective_scan_triton(*tensors, delta_softplus, routes)
    return y, last_state


def _forward_fake(u: Tensor, delta: Tensor, A: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    (batch, dim, length), (number, state) = u.shape, (delta.shape[1], A.shape[2])
    block = block_of(state)
    # On one axis: an axis of the blocks, which may have size 1, would tie an exported program to its example's size.
    states = u.new_empty((batch, number, (length + block - 1) // block * state * dim), dtype=torch.float32)
    last_state = u.new_empty((batch, number, state, dim), dtype=torch.float32)
    return u.new_empty((batch, length, dim)).transpose(1, 2), last_state.transpose(2, 3), states


def _backward_fake(u: Any, delta: Any, A: Any, B: Any, C: Any, D: Any, bias: Any, *_: Any) -> list[Tensor]:
    du, dA, dB, dC = (x.new_empty(x.transpose(-1, -2).shape).transpose(-1, -2) for x in (u, A, B, C))
    ddelta = torch.empty_like(rows_of(delta)).transpose(2, 3)
    return [du, ddelta, dA, dB, dC] + [tensor.new_empty(tensor.shape) for tensor in (D, bias) if tensor is not None]


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    *tensors, ctx.softplus, routes = inputs
    ctx.save_for_backward(*tensors, routes, output[2])


def _gradients(ctx: Any, dy: Tensor, dlast: Tensor, _states: Tensor) -> tuple[Tensor | None, ...]:
    *tensors, routes, states = ctx.saved_tensors
    run = torch.ops.cuescan.selective_scan_triton_backward
    found = iter(run(*tensors, ctx.softplus, routes, states, dy, dlast))
    return (*(None if tensor is None else next(found) for tensor in tensors), None, None)


_library = torch.library.Library("cuescan", "FRAGMENT")
_name, _tags = "selective_scan_triton", (torch.Tag.pt2_compliant_tag,)
_library.define(f"{_name}({_ARGUMENTS}) -> (Tensor, Tensor, Tensor)", tags=_tags)
_library.define(f"{_name}_backward({_ARGUMENTS}, Tensor states, Tensor dy, Tensor dlast) -> Tensor[]", tags=_tags)
for _device in ("CUDA", "CPU") if INTERPRETED else ("CUDA",):
    _library.impl(_name, run_forward, _device)
    _library.impl(f"{_name}_backward", run_backward, _device)
torch.library.register_fake(f"cuescan::{_name}", _forward_fake, lib=_library)
torch.library.register_fake(f"cuescan::{_name}_backward", _backward_fake, lib=_library)
torch.library.register_autograd(f"cuescan::{_name}", _gradients, setup_context=_save, lib=_library)

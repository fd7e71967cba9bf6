"""The selective scan on CPU: the numba kernels as a torch operator with its gradient.

Memory is a fixed multiple of the inputs: besides them only the state at every BLOCK-th step is kept for the backward
pass, which computes the states in between again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cuescan.scan.naive import selective_scan_naive
from cuescan.scan.numba_backward import backward
from cuescan.scan.numba_cache import compiled
from cuescan.scan.numba_kernels import forward
from cuescan.scan.numba_layout import (
    adjacent,
    by_block,
    empty,
    empty_states,
    even,
    fake_scan,
    fake_scan_backward,
    given,
    kernel_arguments,
    like,
    to_float,
)
from cuescan.scan.numba_plan import Plan
from cuescan.scan.threads import run_in_threads

_ARGUMENTS = (
    "Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor? D, Tensor? delta_bias, bool delta_softplus, "
    "Tensor? routes"
)
_LIBRARY = torch.library.Library("cuescan", "FRAGMENT")
_LIBRARY.define(f"scan_numba({_ARGUMENTS}) -> (Tensor, Tensor, Tensor)")
_LIBRARY.define(f"scan_numba_backward({_ARGUMENTS}, Tensor states, Tensor dy, Tensor dlast) -> Tensor[]")


def selective_scan_numba(
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
    """As :func:`cuescan.scan.naive.selective_scan_naive`, in float32; float64 arguments are passed on to it."""
    for tensor in (u, delta, A, B, C, D, delta_bias):
        if tensor is not None and tensor.dtype == torch.float64:
            return selective_scan_naive(u, delta, A, B, C, D, delta_bias, delta_softplus, routes)
    scan = torch.ops.cuescan.scan_numba
    y, last_state, _ = scan(u, delta, A, B, C, D, delta_bias, delta_softplus, routes)
    return y, last_state


def _merge(parts: Tensor) -> Tensor:
    """The sum over the splits, laid out as each of them."""
    if len(parts) == 1:
        return parts[0]
    return parts.transpose(-1, -2).sum(0).transpose(-1, -2) if parts.stride(-2) == 1 else parts.sum(0)


def _run(kernel: Callable[..., None], plan: Plan, *arguments: Any) -> None:
    work = compiled(kernel)
    arrays = [value.numpy() if isinstance(value, Tensor) else value for value in arguments]
    run_in_threads(lambda start, stop: work(start, stop, plan.run, plan.splits, *arrays), plan.items, plan.threads)


def _scan(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None, bias: Tensor | None, softplus: bool,
    routes: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    plan = Plan.of(u, B)
    y, (last_state, states) = like(u, plan.splits, *u.shape), empty_states(u, B)
    arguments = kernel_arguments(u, delta, A, B, C, D, bias, softplus, routes)
    _run(forward, plan, *arguments, y, last_state, by_block(states, B))
    return _merge(y).to(u.dtype), last_state[..., : A.shape[-1]].contiguous(), states


def _scan_backward(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None, bias: Tensor | None, softplus: bool,
    routes: Tensor | None, states: Tensor, dy: Tensor, dlast: Tensor,
) -> list[Tensor]:  # fmt: skip
    (batch, dim, length), (_, number, _, state_size, _) = u.shape, B.shape
    plan = Plan.of(u, B)
    states = by_block(states, B)
    padded = states.shape[-2]
    du, ddelta = like(u, plan.splits, *u.shape), like(delta, *delta.shape)
    dA = torch.empty(batch, number, dim, padded)
    dD, dbias = torch.empty(2, batch, number, dim, 1)
    turned = routes is not None
    dB, dC = empty(u, turned, 2, plan.items, number // plan.splits, padded, length)
    arguments = kernel_arguments(u, delta, A, B, C, D, bias, softplus, routes)
    gradients = (du, ddelta, dA, dB, dC, dD, dbias)
    _run(backward, plan, *arguments, states, adjacent(to_float(dy)), even(dlast, -1).contiguous(), *gradients)

    dB, dC = (_total(share, plan.splits, turned, B)[..., :state_size, :] for share in (dB, dC))
    found = [_merge(du), ddelta, dA.sum(0)[..., :state_size], dB, dC]
    found += [total.sum(0).squeeze(2) for total, wanted in ((dD, D), (dbias, bias)) if wanted is not None]
    return [each.to(one.dtype) for each, one in zip(found, given(u, delta, A, B, C, D, bias), strict=True)]


def _total(shares: Tensor, splits: int, turned: bool, B: Tensor) -> Tensor:
    """The gradient (batch, R, groups, state, length) of B or C from the work items' shares."""
    (batch, number, groups, *_), (_, _, state_size, length) = B.shape, shares.shape
    axes = (length, state_size) if turned else (state_size, length)
    packed = shares.transpose(2, 3) if turned else shares
    total = packed.view(batch, splits, groups, -1, number // splits, *axes).sum(3)
    total = total.transpose(2, 3).reshape(batch, number, groups, *axes)
    return total.transpose(3, 4) if turned else total


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    *tensors, ctx.softplus, routes = inputs
    ctx.set_materialize_grads(True)
    ctx.save_for_backward(*tensors, routes, output[2])


def _gradients(ctx: Any, dy: Tensor, dlast: Tensor, _states: Tensor) -> tuple[Tensor | None, ...]:
    *tensors, routes, states = ctx.saved_tensors
    backward = torch.ops.cuescan.scan_numba_backward
    found = iter(backward(*tensors, ctx.softplus, routes, states, dy, dlast))
    return (*(None if tensor is None else next(found) for tensor in tensors), None, None)


_LIBRARY.impl("scan_numba", _scan, "CPU")
_LIBRARY.impl("scan_numba_backward", _scan_backward, "CPU")
torch.library.register_fake("cuescan::scan_numba", fake_scan, lib=_LIBRARY)
torch.library.register_fake("cuescan::scan_numba_backward", fake_scan_backward, lib=_LIBRARY)
torch.library.register_autograd("cuescan::scan_numba", _gradients, setup_context=_save, lib=_LIBRARY)

"""The selective scan on CPU: the numba kernels as a torch operator with its gradient.

Memory is a fixed multiple of the inputs: besides them only the state at every BLOCK-th step is kept for the backward
pass, which computes the states in between again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cuescan.scan.lanes import LANES
from cuescan.scan.naive import selective_scan_naive
from cuescan.scan.numba_backward import backward
from cuescan.scan.numba_cache import compiled
from cuescan.scan.numba_kernels import forward
from cuescan.scan.numba_plan import Plan
from cuescan.scan.numba_tiles import BLOCK
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


def _float(tensor: Tensor) -> Tensor:
    return tensor.detach().to(torch.float32)


def _even(tensor: Tensor, axis: int) -> Tensor:
    """In float32, with a state of zeros more where their number is odd: the kernels run states in pairs."""
    tensor = _float(tensor)
    return F.pad(tensor, (0, 0) * (-1 - axis) + (0, 1)) if tensor.shape[axis] % 2 else tensor


def _adjacent(tensor: Tensor) -> Tensor:
    """With neighbours in memory along one of the last two axes, as the kernels read fast."""
    return tensor if 1 in tensor.stride()[-2:] else tensor.contiguous()


def _weights(tensor: Tensor, routes: Tensor | None) -> Tensor:
    """B or C; along routes with neighbouring states, so that a position is one piece of memory."""
    tensor = _even(tensor, -2)
    if routes is None:
        return _adjacent(tensor)
    return tensor.transpose(3, 4).contiguous().transpose(3, 4)


def _arguments(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None, bias: Tensor | None, softplus: bool,
    routes: Tensor | None,
) -> tuple[Any, ...]:  # fmt: skip
    """The kernels' arguments from u to in_order."""
    number, dim, length = delta.shape[1:]
    order = torch.arange(length)[None] if routes is None else routes
    skip, offset = (torch.zeros(number, dim) if each is None else _float(each) for each in (D, bias))
    return (
        *(_adjacent(_float(u)), _adjacent(_float(delta)), _even(A, -1).contiguous()),
        *(_weights(B, routes), _weights(C, routes)),
        *(skip.unsqueeze(2).contiguous(), offset.unsqueeze(2).contiguous(), softplus),
        *(order.to(torch.int32).contiguous(), routes is None),
    )


def _empty(tensor: Tensor, turned: bool, *shape: int) -> Tensor:
    """An empty float32 of this shape; ``turned`` if its last axis but one has the neighbours in memory."""
    if turned:
        shape = (*shape[:-2], shape[-1], shape[-2])
        return tensor.new_empty(shape, dtype=torch.float32).transpose(-1, -2)
    return tensor.new_empty(shape, dtype=torch.float32)


def _like(tensor: Tensor, *shape: int) -> Tensor:
    """An empty float32 (..., dim, length) whose channels are adjacent in memory where those of ``tensor`` are."""
    return _empty(tensor, tensor.stride(-2) == 1, *shape)


def _merge(parts: Tensor) -> Tensor:
    """The sum over the splits, laid out as each of them."""
    if len(parts) == 1:
        return parts[0]
    return parts.transpose(-1, -2).sum(0).transpose(-1, -2) if parts.stride(-2) == 1 else parts.sum(0)


def _run(kernel: Callable[..., None], plan: Plan, *arguments: Any) -> None:
    work = compiled(kernel)
    arrays = [value.numpy() if isinstance(value, Tensor) else value for value in arguments]
    run_in_threads(lambda start, stop: work(start, stop, plan.run, plan.splits, *arrays), plan.items)


def _scan(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None, bias: Tensor | None, softplus: bool,
    routes: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    plan = Plan.of(u, B)
    y, last_state, states = _outputs(u, B, plan)
    _run(forward, plan, *_arguments(u, delta, A, B, C, D, bias, softplus, routes), y, last_state, states)
    return _merge(y).to(u.dtype), last_state[..., : A.shape[-1]].contiguous(), states


def _outputs(u: Tensor, B: Tensor, plan: Plan) -> tuple[Tensor, Tensor, Tensor]:
    (batch, dim, length), (_, number, groups, state_size, _) = u.shape, B.shape
    padded = state_size + state_size % 2
    last_state = u.new_empty((batch, number, dim, padded), dtype=torch.float32)
    blocks = (batch, number, groups * plan.chunks, -(-length // BLOCK), padded, LANES)
    return _like(u, plan.splits, *u.shape), last_state, u.new_empty(blocks, dtype=torch.float32)


def _scan_fake(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    y, last_state, states = _outputs(u, B, Plan.of(u, B))
    return y[0].to(u.dtype), last_state[..., : A.shape[-1]].contiguous(), states


def _scan_backward(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None, bias: Tensor | None, softplus: bool,
    routes: Tensor | None, states: Tensor, dy: Tensor, dlast: Tensor,
) -> list[Tensor]:  # fmt: skip
    (batch, dim, length), (_, number, _, state_size, _) = u.shape, B.shape
    plan = Plan.of(u, B)
    padded = states.shape[-2]
    du, ddelta = _like(u, plan.splits, *u.shape), _like(delta, *delta.shape)
    dA = torch.empty(batch, number, dim, padded)
    dD, dbias = torch.empty(2, batch, number, dim, 1)
    turned = routes is not None
    dB, dC = _empty(u, turned, 2, plan.items, number // plan.splits, padded, length)
    arguments = _arguments(u, delta, A, B, C, D, bias, softplus, routes)
    gradients = (du, ddelta, dA, dB, dC, dD, dbias)
    _run(backward, plan, *arguments, states, _adjacent(_float(dy)), _even(dlast, -1).contiguous(), *gradients)

    dB, dC = (_total(share, plan.splits, turned, B)[..., :state_size, :] for share in (dB, dC))
    found = [_merge(du), ddelta, dA.sum(0)[..., :state_size], dB, dC]
    found += [total.sum(0).squeeze(2) for total, given in ((dD, D), (dbias, bias)) if given is not None]
    return [each.to(given.dtype) for each, given in zip(found, _given(u, delta, A, B, C, D, bias), strict=True)]


def _total(shares: Tensor, splits: int, turned: bool, B: Tensor) -> Tensor:
    """The gradient (batch, R, groups, state, length) of B or C from the work items' shares."""
    (batch, number, groups, *_), (_, _, state_size, length) = B.shape, shares.shape
    axes = (length, state_size) if turned else (state_size, length)
    packed = shares.transpose(2, 3) if turned else shares
    total = packed.view(batch, splits, groups, -1, number // splits, *axes).sum(3)
    total = total.transpose(2, 3).reshape(batch, number, groups, *axes)
    return total.transpose(3, 4) if turned else total


def _given(*tensors: Tensor | None) -> list[Tensor]:
    return [tensor for tensor in tensors if tensor is not None]


def _scan_backward_fake(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None, bias: Tensor | None, softplus: bool,
    routes: Tensor | None, states: Tensor, *rest: Any,
) -> list[Tensor]:  # fmt: skip
    """Laid out in memory as the real ones."""
    (batch, number, groups, state_size, length), dim, padded = B.shape, u.shape[1], states.shape[-2]
    weights = (batch, number, groups, padded, length)
    dB, dC = (_empty(states, routes is not None, *weights)[..., :state_size, :] for _ in range(2))
    dA = states.new_empty((number, dim, padded))[..., :state_size]
    found = [_like(u, *u.shape), _like(delta, *delta.shape), dA, dB, dC]
    found += [states.new_empty((number, dim)) for _ in _given(D, bias)]
    return [each.to(given.dtype) for each, given in zip(found, _given(u, delta, A, B, C, D, bias), strict=True)]


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
torch.library.register_fake("cuescan::scan_numba", _scan_fake, lib=_LIBRARY)
torch.library.register_fake("cuescan::scan_numba_backward", _scan_backward_fake, lib=_LIBRARY)
torch.library.register_autograd("cuescan::scan_numba", _gradients, setup_context=_save, lib=_LIBRARY)

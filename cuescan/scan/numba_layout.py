"""How tensors lie in memory for the CPU kernels, for real and for torch's tracing (fake) tensors."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cuescan.scan.lanes import LANES
from cuescan.scan.numba_tiles import BLOCK


def to_float(tensor: Tensor) -> Tensor:
    """Its values in float32, without their history."""
    return tensor.detach().to(torch.float32)


def even(tensor: Tensor, axis: int) -> Tensor:
    """In float32, with a state of zeros more where their number is odd: the kernels run states in pairs."""
    tensor = to_float(tensor)
    return F.pad(tensor, (0, 0) * (-1 - axis) + (0, 1)) if tensor.shape[axis] % 2 else tensor


def adjacent(tensor: Tensor) -> Tensor:
    """With neighbours in memory along one of the last two axes, as the kernels read fast."""
    return tensor if 1 in tensor.stride()[-2:] else tensor.contiguous()


def weights(tensor: Tensor, routes: Tensor | None) -> Tensor:
    """B or C; along routes with neighbouring states, so that a position is one piece of memory."""
    tensor = even(tensor, -2)
    if routes is None:
        return adjacent(tensor)
    return tensor.transpose(3, 4).contiguous().transpose(3, 4)


def kernel_arguments(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None, bias: Tensor | None, softplus: bool,
    routes: Tensor | None,
) -> tuple[Any, ...]:  # fmt: skip
    """The kernels' arguments from u to in_order."""
    number, dim, length = delta.shape[1:]
    order = torch.arange(length)[None] if routes is None else routes
    skip, offset = (torch.zeros(number, dim) if each is None else to_float(each) for each in (D, bias))
    return (
        *(adjacent(to_float(u)), adjacent(to_float(delta)), even(A, -1).contiguous()),
        *(weights(B, routes), weights(C, routes)),
        *(skip.unsqueeze(2).contiguous(), offset.unsqueeze(2).contiguous(), softplus),
        *(order.to(torch.int32).contiguous(), routes is None),
    )


def empty(tensor: Tensor, turned: bool, *shape: int) -> Tensor:
    """An empty float32 of this shape; ``turned`` if its last axis but one has the neighbours in memory."""
    if turned:
        shape = (*shape[:-2], shape[-1], shape[-2])
        return tensor.new_empty(shape, dtype=torch.float32).transpose(-1, -2)
    return tensor.new_empty(shape, dtype=torch.float32)


def like(tensor: Tensor, *shape: int) -> Tensor:
    """An empty float32 (..., dim, length) whose channels are adjacent in memory where those of ``tensor`` are."""
    return empty(tensor, tensor.stride(-2) == 1, *shape)


def empty_states(u: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """The last state and those kept for the backward pass.

    Blocks and states share an axis: torch.export would take for granted that there is, or is not, more than one block.
    """
    (batch, dim, length), (_, number, groups, state_size, _) = u.shape, B.shape
    padded, chunks = state_size + state_size % 2, groups * -(-(dim // groups) // LANES)
    kept = (batch, number, chunks, -(-length // BLOCK) * padded, LANES)
    last_state = u.new_empty((batch, number, dim, padded), dtype=torch.float32)
    return last_state, u.new_empty(kept, dtype=torch.float32)


def by_block(states: Tensor, B: Tensor) -> Tensor:
    """The kept states as (batch, R, chunks, blocks, state, LANES), as the kernels take them."""
    return states.unflatten(3, (-1, B.shape[3] + B.shape[3] % 2))


def given(*tensors: Tensor | None) -> list[Tensor]:
    """Those that are not None."""
    return [tensor for tensor in tensors if tensor is not None]


def fake_scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    """What the forward operator returns, but empty."""
    last_state, states = empty_states(u, B)
    return like(u, *u.shape).to(u.dtype), last_state[..., : A.shape[-1]].contiguous(), states


def fake_scan_backward(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None, bias: Tensor | None, softplus: bool,
    routes: Tensor | None, states: Tensor, *rest: Any,
) -> list[Tensor]:  # fmt: skip
    """What the backward operator returns, but empty."""
    (batch, number, groups, state_size, length), dim = B.shape, u.shape[1]
    padded = state_size + state_size % 2
    weights = (batch, number, groups, padded, length)
    dB, dC = (empty(states, routes is not None, *weights)[..., :state_size, :] for _ in range(2))
    dA = states.new_empty((number, dim, padded))[..., :state_size]
    found = [like(u, *u.shape), like(delta, *delta.shape), dA, dB, dC]
    found += [states.new_empty((number, dim)) for _ in given(D, bias)]
    return [each.to(one.dtype) for each, one in zip(found, given(u, delta, A, B, C, D, bias), strict=True)]

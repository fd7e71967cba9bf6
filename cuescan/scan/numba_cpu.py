"""The selective scan on CPU: the numba kernels as a torch operator with its gradient.

Memory is a fixed multiple of the inputs: besides them only the state at every BLOCK-th step is kept for the backward
pass, which computes the states in between again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cuescan.scan.naive import selective_scan_naive
from cuescan.scan.numba_kernels import BLOCK, backward, forward
from cuescan.scan.threads import run_in_threads

_ARGUMENTS = (
    "Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor? D, Tensor? z, Tensor? delta_bias, "
    "bool delta_softplus"
)
Array = NDArray[np.float32]


def selective_scan_numba(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
) -> tuple[Tensor, Tensor]:
    """As :func:`cuescan.scan.naive.selective_scan_naive`, in float32; float64 arguments are passed on to it."""
    arguments = (u, delta, A, B, C, D, z, delta_bias)
    if any(tensor is not None and tensor.dtype == torch.float64 for tensor in arguments):
        return selective_scan_naive(*arguments, delta_softplus)  # type: ignore[arg-type]
    y, last_state, _ = _scan(*arguments, delta_softplus)
    return y, last_state


def _array(tensor: Tensor) -> Array:
    return tensor.detach().to(torch.float32).contiguous().numpy()


def _arrays(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None, z: Tensor | None, bias: Tensor | None
) -> list[Array]:
    """The kernels' array arguments, with zeros for an absent D or bias and nothing for an absent z."""
    dim = u.shape[1]
    given = [_array(tensor) for tensor in (u, delta, A, B, C)]
    given.append(_array(D) if D is not None else np.zeros(dim, np.float32))
    given.append(_array(z) if z is not None else np.empty((0, 0, 0), np.float32))
    given.append(_array(bias) if bias is not None else np.zeros(dim, np.float32))
    return given


def _work(u: Tensor, B: Tensor) -> tuple[int, int]:
    """Channels per work item and number of items: from the shapes alone, so that every sum has one order."""
    (batch, dim, _), groups = u.shape, B.shape[1]
    per_group = dim // groups
    chunk = min(per_group, max(8, batch * dim // 64))
    return chunk, batch * groups * -(-per_group // chunk)


@torch.library.custom_op(
    "cuescan::selective_scan_numba", mutates_args=(), schema=f"({_ARGUMENTS}) -> (Tensor, Tensor, Tensor)"
)
def _scan(u: Any, delta: Any, A: Any, B: Any, C: Any, D: Any, z: Any, bias: Any, softplus: Any) -> Any:
    (batch, dim, length), state_size = u.shape, A.shape[1]
    arrays = _arrays(u, delta, A, B, C, D, z, bias)
    y = np.empty((batch, dim, length), np.float32)
    states = np.empty((batch, dim, -(-length // BLOCK) + 1, state_size), np.float32)
    chunk, items = _work(u, B)
    gated = z is not None
    run_in_threads(lambda start, stop: forward(start, stop, chunk, *arrays, softplus, gated, y, states), items)
    checkpoints = torch.from_numpy(states)
    return torch.from_numpy(y).to(u.dtype), checkpoints[:, :, -1].clone(), checkpoints


@_scan.register_fake
def _(u: Any, delta: Any, A: Any, B: Any, C: Any, D: Any, z: Any, bias: Any, softplus: Any) -> Any:
    (batch, dim, length), state_size = u.shape, A.shape[1]
    checkpoints = A.new_empty((batch, dim, -(-length // BLOCK) + 1, state_size), dtype=torch.float32)
    last_state = A.new_empty((batch, dim, state_size), dtype=torch.float32)
    return u.new_empty((batch, dim, length)), last_state, checkpoints


@torch.library.custom_op(
    "cuescan::selective_scan_numba_backward",
    mutates_args=(),
    schema=f"({_ARGUMENTS}, Tensor checkpoints, Tensor dy, Tensor dlast) -> Tensor[]",
)
def _scan_backward(
    u: Any, delta: Any, A: Any, B: Any, C: Any, D: Any, z: Any, bias: Any, softplus: Any, checkpoints: Any, dy: Any,
    dlast: Any,
) -> Any:  # fmt: skip
    (batch, dim, length), (groups, state_size) = u.shape, B.shape[1:3]
    arrays = _arrays(u, delta, A, B, C, D, z, bias)
    chunk, items = _work(u, B)
    du, ddelta = np.empty((2, batch, dim, length), np.float32)
    dz = np.empty_like(arrays[6])
    dA = np.zeros((batch, dim, state_size), np.float32)
    dB, dC = np.zeros((2, items, state_size, length), np.float32)
    dD, dbias = np.zeros((2, batch, dim), np.float32)
    carry = _array(dlast.clone())
    before = (chunk, *arrays, softplus, z is not None, _array(checkpoints), _array(dy), carry)
    gradients = (du, ddelta, dA, dB, dC, dD, dz, dbias)
    run_in_threads(lambda start, stop: backward(start, stop, *before, *gradients), items)

    grouped = (batch, groups, items // (batch * groups), state_size, length)
    found = [du, ddelta, dA.sum(0), dB.reshape(grouped).sum(2), dC.reshape(grouped).sum(2)]
    found += [dD.sum(0)] if D is not None else []
    found += [dz] if z is not None else []
    found += [dbias.sum(0)] if bias is not None else []
    given = [tensor for tensor in (u, delta, A, B, C, D, z, bias) if tensor is not None]
    return [torch.from_numpy(array).to(tensor.dtype) for array, tensor in zip(found, given, strict=True)]


@_scan_backward.register_fake
def _(
    u: Any, delta: Any, A: Any, B: Any, C: Any, D: Any, z: Any, bias: Any, softplus: Any, checkpoints: Any, dy: Any,
    dlast: Any,
) -> Any:  # fmt: skip
    given = [tensor for tensor in (u, delta, A, B, C, D, z, bias) if tensor is not None]
    return [tensor.new_empty(tensor.shape) for tensor in given]


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    *tensors, ctx.softplus = inputs
    ctx.set_materialize_grads(True)
    ctx.save_for_backward(*tensors, output[2])


def _gradients(ctx: Any, dy: Tensor, dlast: Tensor, _checkpoints: Tensor) -> tuple[Tensor | None, ...]:
    *tensors, checkpoints = ctx.saved_tensors
    found = iter(_scan_backward(*tensors, ctx.softplus, checkpoints, dy, dlast))
    return (*(None if tensor is None else next(found) for tensor in tensors), None)


_scan.register_autograd(_gradients, setup_context=_save)

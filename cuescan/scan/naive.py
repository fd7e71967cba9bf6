"""The selective scan as its recurrence, in plain torch: it defines what every other backend computes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def selective_scan_naive(
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
    """Run the recurrence one step at a time; every gradient comes from autograd.

    Arguments are those of :func:`cuescan.scan.selective_scan`, with B and C always (batch, groups, state, length). The
    state is float64 when any argument is, else float32.

    Returns:
        The output (batch, dim, length) in u's dtype and the last state (batch, dim, state) in the state's dtype.
    """
    given = [tensor for tensor in (u, delta, A, B, C, D, z, delta_bias) if tensor is not None]
    dtype = torch.float64 if any(tensor.dtype == torch.float64 for tensor in given) else torch.float32
    batch, dim, length = u.shape
    groups, state_size = B.shape[1], B.shape[2]

    inputs, steps, rates = u.to(dtype), delta.to(dtype), A.to(dtype)
    if delta_bias is not None:
        steps = steps + delta_bias.to(dtype)[:, None]
    if delta_softplus:
        steps = F.softplus(steps)

    grouped = (batch, groups, dim // groups, state_size)
    each_step = zip(*(x.unbind(-1) for x in (steps, steps * inputs, B.to(dtype), C.to(dtype))), strict=True)
    state = inputs.new_zeros(batch, dim, state_size)
    outputs = []
    for step, drive, B_t, C_t in each_step:
        kept = torch.exp(step[..., None] * rates) * state
        state = kept + drive[..., None] * B_t[:, :, None].expand(grouped).reshape(batch, dim, state_size)
        outputs.append((state.view(grouped) * C_t[:, :, None]).sum(3).view(batch, dim))
    y = torch.stack(outputs, dim=2)
    if D is not None:
        y = y + D.to(dtype)[:, None] * inputs
    if z is not None:
        y = y * F.silu(z.to(dtype))
    return y.to(u.dtype), state

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
    D: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
    routes: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Run the recurrence one step at a time; every gradient comes from autograd, and TorchScript can compile it.

    The state is float64 when any argument is, else float32.

    Args:
        u: Input (batch, dim, length).
        delta: Step sizes (batch, R, dim, length), R the number of routes.
        A: Rates (R, dim, state).
        B: Input weights (batch, R, groups, state, length).
        C: Output weights, shaped like B.
        D: Skip weights (R, dim).
        delta_bias: Bias of the steps (R, dim).
        delta_softplus: Pass the steps through softplus.
        routes: The position of each step (R, length), a permutation each; None is one route in order.

    Returns:
        The sum of the routes' outputs (batch, dim, length) in u's dtype, every output at its position, and each
        route's last state (batch, R, dim, state) in the state's dtype.
    """
    dtype = torch.float32
    for tensor in (u, delta, A, B, C, D, delta_bias):
        if tensor is not None and tensor.dtype == torch.float64:
            dtype = torch.float64
    inputs, steps = u.to(dtype).unsqueeze(1).expand(delta.shape), delta.to(dtype)
    B, C = B.to(dtype), C.to(dtype)
    if routes is not None:
        order = routes.to(torch.int64)[:, None, :]
        inputs, steps = inputs.gather(3, order.expand(inputs.shape)), steps.gather(3, order.expand(steps.shape))
        B, C = B.gather(4, order[:, None].expand(B.shape)), C.gather(4, order[:, None].expand(C.shape))
    if delta_bias is not None:
        steps = steps + delta_bias.to(dtype).unsqueeze(2)
    if delta_softplus:
        steps = F.softplus(steps)

    batch, number, dim, _ = inputs.shape
    groups, state_size = B.shape[2], B.shape[3]
    grouped = (batch, number, groups, dim // groups, state_size)
    rates = A.to(dtype)
    every_step, every_drive = steps.unbind(3), (steps * inputs).unbind(3)
    every_B, every_C = B.unbind(4), C.unbind(4)
    state = torch.zeros((batch, number, dim, state_size), dtype=dtype, device=u.device)
    outputs: list[Tensor] = []
    for t in range(len(every_step)):
        driven = every_drive[t].unsqueeze(3) * every_B[t].unsqueeze(3).expand(grouped).reshape(state.shape)
        state = torch.exp(every_step[t].unsqueeze(3) * rates) * state + driven
        read = state.view(grouped) * every_C[t].unsqueeze(3)
        outputs.append(read.sum(4).view(batch, number, dim))
    y = torch.stack(outputs, dim=3)
    if D is not None:
        y = y + D.to(dtype).unsqueeze(2) * inputs
    if routes is not None:
        back = torch.argsort(routes, dim=1)[:, None, :]
        y = y.gather(3, back.expand(y.shape))
    return y.sum(1).to(u.dtype), state

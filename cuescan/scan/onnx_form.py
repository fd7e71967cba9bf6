"""The selective scan in the form that ONNX has: its operator Scan, a loop over steps, for any number of them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def route_scan_onnx(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    routes: Tensor,
    D: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
) -> Tensor:
    """Compute :func:`cuescan.scan.route_scan`, which see for the arguments, while ``torch.onnx.export`` looks on.

    The recurrence is torch's own higher-order ``scan``, which the exporter translates. All routes are gathered at once,
    their positions laid end to end.

    Returns:
        (batch, dim, length) in u's dtype.
    """
    from torch._higher_order_ops.scan import scan

    number, length = routes.shape
    order = routes.to(torch.int64)
    first = length * torch.arange(number, device=routes.device)[:, None]

    def every_step(values: Tensor, where: Tensor) -> Tensor:
        """Values (batch, rows, all positions) of the positions ``where`` (R, length) as (length, batch, R, rows)."""
        return values.float().index_select(2, where.flatten()).unflatten(2, (number, length)).permute(3, 0, 2, 1)

    def end_to_end(values: Tensor) -> Tensor:
        """Values (batch, R, rows, length) as (batch, rows, R * length)."""
        return values.transpose(1, 2).flatten(2)

    inputs, steps = every_step(u, order), every_step(end_to_end(delta), first + order)
    read_in, read_out = (every_step(end_to_end(weights), first + order) for weights in (B, C))
    if delta_bias is not None:
        steps = steps + delta_bias.float()
    if delta_softplus:
        steps = F.softplus(steps)
    rates = A.float()

    def one_step(state: Tensor, now: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        step, drive, b, c = now
        state = torch.exp(step[..., None] * rates) * state + drive[..., None] * b[:, :, None]
        return state, (state * c[:, :, None]).sum(3)

    start = torch.zeros((u.shape[0], *A.shape), device=u.device)
    _, outputs = scan(one_step, start, (steps, steps * inputs, read_in, read_out))
    if D is not None:
        outputs = outputs + D.float() * inputs
    back = first + torch.argsort(order, dim=1)
    placed = outputs.permute(1, 3, 2, 0).flatten(2).index_select(2, back.flatten()).unflatten(2, (number, length))
    return placed.sum(2).to(u.dtype)

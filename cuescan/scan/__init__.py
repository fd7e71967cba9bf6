"""Selective scan (Mamba, arXiv 2312.00752) along one route or several; importing this needs torch alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cuescan.scan.backends import available_backends, backend, choose
from cuescan.scan.checks import check_groups, check_routes, check_shape, check_tensors, check_weights
from cuescan.scan.naive import selective_scan_naive
from cuescan.scan.onnx_form import route_scan_onnx
from cuescan.scan.routes import both_ways, four_ways

__all__ = ["available_backends", "backend", "both_ways", "four_ways", "route_scan", "selective_scan"]


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Run a state-space model whose parameters change at every step (Gu and Dao, arXiv 2312.00752, Eq. 2 and Alg. 2).

    With s_t = softplus(delta_t + delta_bias) per channel: h_t = exp(s_t A) h_{t-1} + s_t B_t u_t, from h_0 = 0, and
    y_t = (C_t . h_t + D u_t) silu(z_t). Shapes and meaning are those of mamba_ssm's ``selective_scan_fn``.

    Args:
        u: Input (batch, dim, length).
        delta: Step sizes (batch, dim, length), before bias and softplus.
        A: Rates (dim, state), real; negative for a state that decays.
        B: Input weights (batch, state, length), or (batch, groups, state, length) where each group of dim / groups
            neighbouring channels has its own.
        C: Output weights, shaped like B.
        D: Skip weights (dim,).
        z: Gate (batch, dim, length).
        delta_bias: Bias of the steps (dim,).
        delta_softplus: Pass the steps through softplus.
        return_last_state: Return the state after the last step too; gradients flow through it.

    Returns:
        y (batch, dim, length) in u's dtype, or y and the last state (batch, dim, state). The state is float32, or
        float64 if any argument is (that runs the naive backend).

    Raises:
        ValueError: A shape or device does not fit, or a forced backend cannot run (UserError).
        TypeError: An argument is no floating-point tensor.
    """
    check_tensors({"u": u, "delta": delta, "A": A, "B": B, "C": C, "D": D, "z": z, "delta_bias": delta_bias})
    batch, dim, length = u.shape
    check_shape("delta", delta, "(batch, dim, length)", batch, dim, length)
    check_shape("z", z, "(batch, dim, length)", batch, dim, length)
    check_shape("A", A, "(dim, state)", dim, None)
    check_shape("D", D, "(dim,)", dim)
    check_shape("delta_bias", delta_bias, "(dim,)", dim)
    check_weights("B", B, batch, A.shape[1], length)
    check_weights("C", C, batch, A.shape[1], length)
    B, C = (weights.unsqueeze(1) if weights.dim() == 3 else weights for weights in (B, C))
    check_groups(dim, B.shape[1], C.shape[1])
    scan = choose(u.device)
    y, last_state = scan(
        u,
        delta.unsqueeze(1),
        A.unsqueeze(0),
        B.unsqueeze(1),
        C.unsqueeze(1),
        None if D is None else D.unsqueeze(0),
        None if delta_bias is None else delta_bias.unsqueeze(0),
        delta_softplus,
        None,
    )
    if z is not None:
        y = (y * F.silu(z)).to(u.dtype)
    return (y, last_state.squeeze(1)) if return_last_state else y


def route_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    routes: Tensor,
    D: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
) -> Tensor:
    """Scan the same input along several routes at once and add the outputs where they belong.

    It is :func:`selective_scan` of the input reordered along each route, put back in place and summed, without any
    reordered copy. All arguments are given by position, not by step: delta, B and C of a route are those that a
    pointwise projection of the input yields. TorchScript compiles it to plain torch operations, ONNX export to Scan.

    Args:
        u: Input (batch, dim, length); fastest on a CPU where channels are adjacent in memory, as in channels_last.
        delta: Step sizes of each route (batch, R, dim, length), before bias and softplus.
        A: Rates (R, dim, state).
        B: Input weights (batch, R, state, length).
        C: Output weights, shaped like B.
        routes: (R, length) integers, the position visited at each step: a permutation of the positions in each row, as
            :func:`four_ways` and :func:`both_ways` make them.
        D: Skip weights (R, dim).
        delta_bias: Bias of the steps (R, dim).
        delta_softplus: Pass the steps through softplus.

    Returns:
        (batch, dim, length) in u's dtype.

    Raises:
        ValueError: A shape or device does not fit, or a forced backend cannot run (UserError).
        TypeError: An argument is no floating-point tensor.
    """
    if torch.jit.is_scripting():
        B, C = B.unsqueeze(2), C.unsqueeze(2)
        return selective_scan_naive(u, delta, A, B, C, D, delta_bias, delta_softplus, routes)[0]
    check_tensors({"u": u, "delta": delta, "A": A, "B": B, "C": C, "D": D, "delta_bias": delta_bias})
    batch, dim, length = u.shape
    check_routes(routes, u)
    number = routes.shape[0]
    check_shape("delta", delta, "(batch, routes, dim, length)", batch, number, dim, length)
    check_shape("A", A, "(routes, dim, state)", number, dim, None)
    check_shape("D", D, "(routes, dim)", number, dim)
    check_shape("delta_bias", delta_bias, "(routes, dim)", number, dim)
    check_shape("B", B, "(batch, routes, state, length)", batch, number, A.shape[2], length)
    check_shape("C", C, "B's shape", *B.shape)
    if torch.onnx.is_in_onnx_export():
        return route_scan_onnx(u, delta, A, B, C, routes, D, delta_bias, delta_softplus)
    B, C = B.unsqueeze(2), C.unsqueeze(2)
    return choose(u.device)(u, delta, A, B, C, D, delta_bias, delta_softplus, routes)[0]

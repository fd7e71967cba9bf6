"""Selective scan (Mamba, arXiv 2312.00752) and the four-route 2-D scan; importing this needs torch alone."""

from __future__ import annotations

from torch import Tensor

from cuescan.scan.backends import available_backends, backend, choose
from cuescan.scan.checks import check_arguments
from cuescan.scan.routes import cross_merge, cross_scan

__all__ = ["available_backends", "backend", "cross_merge", "cross_scan", "selective_scan"]


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
    check_arguments(u, delta, A, B, C, D, z, delta_bias)
    grouped_B = B if B.dim() == 4 else B.unsqueeze(1)
    grouped_C = C if C.dim() == 4 else C.unsqueeze(1)
    scan = choose(u.device)
    y, last_state = scan(u, delta, A, grouped_B, grouped_C, D, z, delta_bias, delta_softplus)
    return (y, last_state) if return_last_state else y

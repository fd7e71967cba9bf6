"""Generalised mean over pixels, computed on logarithms."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def log_generalised_mean(log_p: Tensor, r: float = 4.0, weight: Tensor | None = None) -> Tensor:
    """Logarithm of the generalised mean of probabilities over the pixels of each map.

    ``GM_r(p) = (sum_i w_i p_i^r / sum_i w_i)^(1/r)``: the mean for r = 1, the maximum as r grows (PathMamba, Eq. 3;
    Jia et al., IEEE TMI 2017). Working on logarithms keeps p^r from underflowing, in half precision too.

    Args:
        log_p: (B, K, H, W) logarithms of probabilities; computed in float32.
        r: Exponent, positive.
        weight: (B, 1, H, W) weights in [0, 1] of the pixels, 0 for padding; None weighs all pixels the same.

    Returns:
        (B, K) in (-inf, 0].
    """
    if r <= 0:
        raise ValueError(f"r must be positive, got {r}")
    scaled = r * log_p.float().flatten(2)
    if weight is None:
        return (torch.logsumexp(scaled, dim=2) - math.log(scaled.shape[2])) / r
    flat = weight.float().flatten(2)
    masked = torch.where(flat > 0, scaled + flat.clamp_min(1e-12).log(), scaled.new_full((), -1e9))
    return (torch.logsumexp(masked, dim=2) - flat.sum(2).clamp_min(1e-12).log()) / r

"""Pairwise loss of BoxInst: neighbours of one colour belong together."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from cuescan.losses.stated_mean import stated_mean

DILATION = 2
THETA = 0.1
TAU = 0.3


def affinity_loss(logits: Tensor, image: Tensor, region: Tensor, valid: Tensor) -> Tensor:
    """Mean ``-log P(y_i = y_j)`` over neighbours of one colour of which at least one lies in a region.

    ``P(y_i = y_j) = p_i p_j + (1 - p_i)(1 - p_j)`` over pairs with ``exp(-||c_i - c_j|| / theta) >= tau``, each pixel's
    8 neighbours at dilation 2 (pairwise affinity term of BoxInst, Tian et al., CVPR 2021, tau = 0.3). BoxInst measures
    colours in Lab with theta = 2; our images may be of any kind, so distances between channels as they are count in
    units of the image's total standard deviation, and theta = 0.1, about the same for an ordinary photograph.

    Args:
        logits: (B, K, h, w), float32.
        image: (B, C, h, w), float32.
        region: (B, K, h, w) boolean.
        valid: (B, 1, h, w) boolean; pairs with an invalid pixel do not count.

    Returns:
        (B, K); 0 where no pair counts.
    """
    log_p, log_q = F.logsigmoid(logits), F.logsigmoid(-logits)
    colours = image / _total_deviation(image, valid)
    cost, counted = [], []
    positives, negatives, pixels = _pairs(log_p), _pairs(log_q), _pairs(colours)
    regions, valids = _pairs(region), _pairs(valid)
    for (p, p2), (q, q2), (c, c2), (r, r2), (v, v2) in zip(positives, negatives, pixels, regions, valids, strict=True):
        alike = torch.exp(-(c - c2).square().sum(1, keepdim=True).sqrt() / THETA) >= TAU
        cost.append(-torch.logaddexp(p + p2, q + q2).flatten(2))
        counted.append((alike & v & v2 & (r | r2)).flatten(2))
    return stated_mean(torch.cat(cost, dim=2), torch.cat(counted, dim=2), dim=(2,))


def _pairs(x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Both ends of all pairs of neighbours, each once: to the right, below, and along both diagonals."""
    d = DILATION
    yield x[..., :-d], x[..., d:]
    yield x[..., :-d, :], x[..., d:, :]
    yield x[..., :-d, :-d], x[..., d:, d:]
    yield x[..., :-d, d:], x[..., d:, :-d]


def _total_deviation(image: Tensor, valid: Tensor) -> Tensor:
    """Root of the variance over the valid pixels, summed over channels; (B, 1, 1, 1)."""
    mean = stated_mean(image, valid, dim=(2, 3))[:, :, None, None]
    variance = stated_mean((image - mean).square(), valid, dim=(2, 3)).sum(1)
    return variance.sqrt().clamp_min(1e-6)[:, None, None, None]

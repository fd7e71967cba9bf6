"""What stated regions and shares demand of a mask: one term each, on logits x with p = sigmoid(x).

Logarithms of probabilities are softplus(-x) = -log p and softplus(x) = -log(1 - p), so nothing saturates.
All maps are (B, K, h, w) and regions (B, K, R, h, w); ``valid`` is (B, 1, h, w).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from cuescan.losses.stated_mean import stated_mean

LEAST_SHARE = 1e-3  # a stated share below a thousandth, or above one minus it, is rounding
SMALLEST_FINDING = 0.01  # share of the image that something inside a place should cover


def emptiness(logits: Tensor, region: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """``-log(1 - p)`` over a region where nothing should be: its mean, and a quarter of that of the likeliest pixels.

    The mean alone hardly notices one more finding in a large region. As many pixels as a small finding covers, 1% of
    the grid, count as the likeliest ones.

    Returns:
        (B, K) values, and where they are stated: where the region has a valid pixel.
    """
    region = region & valid
    mean = stated_mean(F.softplus(logits), region, dim=(2, 3))
    top = torch.where(region, logits, logits.new_full((), -math.inf)).flatten(2)
    top = top.topk(math.ceil(SMALLEST_FINDING * top.shape[2]), dim=2).values
    counted = top > -math.inf
    peak = stated_mean(F.softplus(torch.where(counted, top, torch.zeros_like(top))), counted, dim=(2,))
    return mean + peak / 4, region.any(3).any(2)


def occupancy(logits: Tensor, rows: Tensor, valid: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``-log p`` over the most likely pixels of each region: something should be there.

    As many pixels as a small finding covers, 1% of the grid or the stated share if that is less. Unlike a generalised
    mean, whose value depends on the part of the region that is covered, this is 0 as soon as something that large is
    there, and so does not make a finding fill its place; unlike the maximum, it teaches more than one pixel.

    Args:
        logits: (B, K, h, w).
        rows: (B, K, R, h, w) regions.
        valid: (B, 1, h, w).
        share: (B, K) stated shares of the image, NaN if none.

    Returns:
        (B, K, R) values, and where they are stated.
    """
    pixels = logits.shape[2] * logits.shape[3]
    most = math.ceil(SMALLEST_FINDING * pixels)
    inside = (rows & valid.unsqueeze(2)).flatten(3)
    candidates = torch.where(inside, logits.unsqueeze(2).flatten(3), logits.new_full((), -math.inf))
    top = candidates.topk(most, dim=3).values
    limit = torch.nan_to_num(share * pixels, nan=math.inf).clamp_min(1)[:, :, None, None]
    counted = (top > -math.inf) & (torch.arange(most, device=logits.device) < limit)
    top = torch.where(counted, top, torch.zeros_like(top))
    return stated_mean(F.softplus(-top), counted, dim=(3,)), inside.any(3)


def projection(logits: Tensor, boxes: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``-log p`` of the most likely pixel in every row and in every column of each box.

    A tight box has no empty row or column (projection term of BoxInst, Tian et al., CVPR 2021). BoxInst compares the
    projections of mask and box by Dice, which also empties the outside; we have :func:`emptiness` for that and take
    the cross-entropy, whose gradient does not vanish where p is near 0.

    Returns:
        (B, K, R) values, and where they are stated.
    """
    inside = boxes & valid.unsqueeze(2)
    candidates = torch.where(inside, logits.unsqueeze(2), logits.new_full((), -math.inf))
    values = torch.zeros_like(candidates[..., 0, 0])
    for line in (3, 4):  # the dimension along which lines are compared: columns, then rows
        peak, hit = candidates.amax(line), inside.any(line)
        peak = torch.where(hit, peak, torch.zeros_like(peak))
        values = values + stated_mean(F.softplus(-peak), hit, dim=(3,)) / 2
    return values, inside.any(4).any(3)


def share_error(logits: Tensor, share: Tensor, allowed: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Huber loss (delta 1) of the log odds of the covered share of the valid pixels against those of the stated one.

    For small shares this is the logarithm of their ratio: a finding twice too large costs as much as one half as large.
    The odds are ``sum p / sum (1 - p)`` with both sums taken on logarithms, so that an empty map grows and a full one
    shrinks, however sure the network is. Outside the allowed region p counts as 0: :func:`emptiness` makes it so, and
    what is still there must not be made up for by a smaller finding.

    Returns:
        (B, K) values, and where they are stated.
    """
    target = torch.nan_to_num(share, nan=0.5).clamp(LEAST_SHARE, 1 - LEAST_SHARE)
    nothing = logits.new_full((), -1e9)  # finite: where no pixel is valid, the gradient is 0, not NaN
    log_p = torch.where(valid & allowed, F.logsigmoid(logits), nothing)
    log_q = torch.where(valid, F.logsigmoid(-logits).masked_fill(~allowed, 0.0), nothing)
    covered = log_p.flatten(2).logsumexp(2) - log_q.flatten(2).logsumexp(2)
    values = F.huber_loss(covered, target.logit(), reduction="none")
    return values, ~torch.isnan(share) & (valid & allowed).flatten(2).any(2)


def seeding(logits: Tensor, seeds: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``-log p`` over seeds, pixels that are taken for the finding: the core of each tight box.

    Returns:
        (B, K, R) values, and where they are stated.
    """
    seeds = (seeds & valid.unsqueeze(2)).flatten(3)
    cost = F.softplus(-logits).unsqueeze(2).flatten(3)
    return stated_mean(cost.expand_as(seeds), seeds, dim=(3,)), seeds.any(3)

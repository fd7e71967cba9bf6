"""What the networks give the losses: class maps, and the probabilities that they stand for."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class PathMambaMaps(NamedTuple):
    """What the loss supervises: class logits at the networks' own resolutions, each (B, K, h, w).

    ``pixel`` is Y' of the MIML branch (None without it), ``patch`` is Y'' of the decoder, ``sides`` one map per stage.
    """

    pixel: Tensor | None
    patch: Tensor
    sides: list[Tensor]


class TIFCMambaMaps(NamedTuple):
    """What the loss supervises, for every class's prompt, at the network's own resolution (stride 2).

    ``logits`` (B, K, h, w), ``features`` e_I (B, K, d, h, w), ``text`` e_T (B, K, d), and ``words``, logits (B, K, T)
    of the words that carry each prompt (None without a text segmenter or sentences).
    """

    logits: Tensor
    features: Tensor
    text: Tensor
    words: Tensor | None


def class_log_probabilities(logits: Tensor, exclusive: bool, background: bool) -> Tensor:
    """Log probability of each class at each pixel, in float32.

    Args:
        logits: (B, K, H, W).
        exclusive: Classes compete by a softmax; otherwise each has its own sigmoid.
        background: With ``exclusive``, a background of logit 0 competes too and comes first in the result.

    Returns:
        (B, K, H, W), or (B, 1 + K, H, W) with a competing background.
    """
    logits = logits.float()
    if not exclusive:
        return F.logsigmoid(logits)
    if background:
        logits = torch.cat([torch.zeros_like(logits[:, :1]), logits], dim=1)
    return F.log_softmax(logits, dim=1)


def background_log_probability(logits: Tensor, exclusive: bool) -> Tensor:
    """Log probability that a pixel has none of the classes, in float32.

    Args:
        logits: (B, K, H, W).
        exclusive: A background of logit 0 competes with the classes; otherwise they are independent.

    Returns:
        (B, 1, H, W).
    """
    costs = F.softplus(logits.float())
    if exclusive:
        costs = F.softplus(logits.float().logsumexp(1, keepdim=True))
    return -costs.sum(1, keepdim=True)

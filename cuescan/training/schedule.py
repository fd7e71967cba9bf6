"""The learning rate over a training, and which weights decay."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import nn

WARM_UP = 0.1


def cosine_factor(epoch: int, epochs: int) -> float:
    """What the learning rate is multiplied by: a cosine over the epochs, after a first epoch at a tenth."""
    if epoch == 0 and epochs > 1:
        return WARM_UP
    return (1 + math.cos(math.pi * epoch / epochs)) / 2


def polynomial_factor(epoch: int, epochs: int, power: float = 0.9) -> float:
    """What the learning rate is multiplied by: ``(1 - epoch / epochs)^power``."""
    return (1 - epoch / epochs) ** power


def decay_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """An optimiser's groups of the weights to train, without weight decay of biases, norms and other vectors."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    return [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": weight_decay},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]


def rate_groups(network: nn.Module, factor: Callable[[str], float]) -> list[dict[str, Any]]:
    """An optimiser's groups of the weights to train, by the factor of the learning rate that each weight's name has."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, weight in network.named_parameters():
        if weight.requires_grad:
            groups.setdefault(factor(name), []).append(weight)
    return [{"params": weights, "factor": rate} for rate, weights in groups.items()]

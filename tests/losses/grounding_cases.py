"""What the tests of the grounding loss share."""

from __future__ import annotations

import torch
from torch import Tensor

from cuescan.losses import GroundingLoss

NAN = float("nan")
UNUSED = [NAN] * 6
NAMES = ("outside", "inside", "projection", "ellipse", "share", "absent", "affinity")
PRESENT, ABSENT, UNKNOWN = (torch.tensor([[value]]) for value in (1.0, 0.0, NAN))
LEFT_HALF = [0, 0, 0.5, 1, 0, NAN]
BOX = [0.25, 0.25, 0.75, 0.75, 1, NAN]  # of 8 x 8 pixels the 4 x 4 in the middle


def places(*rows: list[float]) -> Tensor:
    """A place array (1, 1, 4, 6) of these rows and unused ones."""
    return torch.tensor([[list(rows) + [UNUSED] * (4 - len(rows))]])


def share(value: float) -> Tensor:
    """A place array that states a share and no region."""
    return places([NAN, NAN, NAN, NAN, NAN, value])


def only(**weights: float) -> GroundingLoss:
    """The loss with these terms alone, without a margin unless one is given."""
    margin = weights.pop("margin", 0.0)
    return GroundingLoss(**{**dict.fromkeys(NAMES, 0.0), **weights}, margin=margin)


def gradient(loss: GroundingLoss, logits: Tensor, *arguments: Tensor, **named: Tensor) -> tuple[float, Tensor]:
    """The loss and its gradient by the logits."""
    leaf = logits.clone().requires_grad_()
    value = loss(leaf, *arguments, **named)
    value.backward()
    return value.item(), leaf.grad

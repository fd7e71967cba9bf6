"""From image-level labels alone, each method learns where things are, better than any guess that sees no image."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cuescan.rivals import (
    CCAM,
    SCCAM,
    CausalLoss,
    ClassActivation,
    HistoSegNet,
    MaximumPoolingLoss,
    MeanPoolingLoss,
    SelfAttentionMIL,
    SelfAttentionMILLoss,
    SubCategoryLoss,
    WSSSTissue,
)

METHODS = {
    ClassActivation: (MeanPoolingLoss, 64, 20),
    CCAM: (CausalLoss, 64, 20),
    SelfAttentionMIL: (SelfAttentionMILLoss, 32, 30),
    SCCAM: (SubCategoryLoss, 64, 20),
    HistoSegNet: (MaximumPoolingLoss, 32, 40),
    WSSSTissue: (MeanPoolingLoss, 64, 20),
}
"""Loss, side of the images, steps."""


def batch(generator: torch.Generator, background: bool, side: int, size: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    """Images, labels (B, 2) and masks: a dark and a bright block on grey, or a dark and a bright part of the image."""
    masks, labels = torch.zeros(size, side, side, dtype=torch.long), torch.zeros(size, 2)
    for i in range(size):
        kinds = ((1, 2), (1,), (2,), ())[i % (4 if background else 3)]
        at = int(torch.randint(side // 4, side // 2, (), generator=generator))
        for kind in kinds:
            if background:
                columns = slice(0, side // 2) if kind == 1 else slice(side // 2, side)
                masks[i, at : at + side * 7 // 16, columns] = kind
            else:
                masks[i, :, at if kind == 2 and len(kinds) == 2 else 0 :] = kind
            labels[i, kind - 1] = 1
    grey = 0.5 + 0.05 * torch.randn(size, 3, side, side, generator=generator)
    return grey + torch.tensor([0.0, -0.3, 0.3])[masks][:, None], labels, masks


def mean_iou(predicted: Tensor, masks: Tensor, background: bool) -> float:
    kinds = range(0 if background else 1, 3)
    pairs = [((predicted == kind), (masks == kind)) for kind in kinds]
    return sum(((a & b).sum() / (a | b).sum()).item() for a, b in pairs) / len(pairs)


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("network_class", METHODS)
def test_masks_beat_every_guess(network_class, background):
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    loss_class, side, steps = METHODS[network_class]
    trunk = {"input_mean": [0.5] * 3, "input_std": [0.25] * 3}
    network, loss_fn = network_class(3, 2, background=background, trunk=trunk), loss_class()
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    network.deep_supervision = True
    for _ in range(steps):
        images, labels, _ = batch(generator, background, side)
        loss = loss_fn(network(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()
    network.deep_supervision = False
    images, _, masks = batch(generator, background, side, 12)
    with torch.no_grad():
        reached = mean_iou(network(images).argmax(1), masks, background)
    guesses = [mean_iou(torch.full_like(masks, kind), masks, background) for kind in range(3)]
    assert reached > max(guesses) + 0.15

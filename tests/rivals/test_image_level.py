"""From maps to the image level: pooling, and losses without labels that are not stated."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from cuescan.rivals import (
    CausalLoss,
    MeanPoolingLoss,
    SelfAttentionMILLoss,
    multi_label_loss,
)
from cuescan.rivals.c_cam import CausalMaps
from cuescan.rivals.pooling import mean_over_valid

NAN = float("nan")
LABELS = torch.tensor([[1.0, 0.0, NAN], [NAN, 1.0, 0.0]])


LOSSES = {
    "mean pooling": (MeanPoolingLoss(), lambda parts: parts[0], (4,)),
    "self-attention": (SelfAttentionMILLoss(), list, (16, 8, 4)),
    "causal": (CausalLoss(), lambda parts: CausalMaps(*parts), (4, 4)),
}
"""Loss, how its maps are put together, and their sides for an image of 32 x 32."""


def random_parts(sizes) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 3, size, size, generator=generator) for size in sizes]


def test_the_mean_leaves_out_padding():
    maps = torch.randn(2, 3, 4, 4)
    valid = torch.zeros(2, 1, 32, 32, dtype=torch.bool)
    valid[..., :16, :24] = True
    torch.testing.assert_close(mean_over_valid(maps, valid), maps[..., :2, :3].mean((2, 3)))
    torch.testing.assert_close(mean_over_valid(maps), maps.mean((2, 3)))


def test_multi_label_loss_is_the_mean_cross_entropy_of_the_stated_labels():
    logits = torch.randn(2, 3)
    pairs = [(0, 0, 1), (0, 1, 0), (1, 1, 1), (1, 2, 0)]
    by_hand = [-F.logsigmoid(logits[i, k] if y else -logits[i, k]).item() for i, k, y in pairs]
    assert multi_label_loss(logits, LABELS).item() == pytest.approx(sum(by_hand) / 4)
    assert multi_label_loss(logits, torch.full((2, 3), NAN)).item() == 0


def test_deep_supervision_sums_the_fused_and_each_side_by_the_generalised_mean():
    maps, labels, expected = random_parts((16, 8, 4)), torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]), 0.0
    fine = [F.interpolate(side.sigmoid(), size=(16, 16), mode="bilinear") for side in maps]
    fused = 0.2 * fine[0] + 0.35 * fine[1] + 0.45 * fine[2]
    for p in (fused, *(side.sigmoid() for side in maps)):
        expected += F.binary_cross_entropy((p**4).mean((2, 3)) ** 0.25, labels).item()
    assert SelfAttentionMILLoss()(maps, labels).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_labels_that_are_not_stated_have_no_gradient(name):
    loss, build, sizes = LOSSES[name]
    parts = [part.requires_grad_() for part in random_parts(sizes)]
    loss(build(parts), LABELS, torch.ones(2, 1, 32, 32, dtype=torch.bool)).backward()
    for part in parts:
        assert torch.equal(part.grad.abs().sum((2, 3)) > 0, ~torch.isnan(LABELS))


@pytest.mark.parametrize("name", LOSSES)
def test_maps_below_padding_have_no_gradient(name):
    loss, build, sizes = LOSSES[name]
    parts = [part.requires_grad_() for part in random_parts(sizes)]
    valid = torch.zeros(2, 1, 32, 32, dtype=torch.bool)
    valid[..., :16] = True
    loss(build(parts), LABELS, valid).backward()
    for part in parts:  # the fused map of self-attention is interpolated across the border, by half a pixel
        beyond = part.grad[..., part.shape[3] // 2 + (name == "self-attention") :]
        assert (beyond == 0).all() and (part.grad != 0).any()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("value", [-200.0, 200.0])
def test_losses_are_finite_at_the_ends_of_the_range(name, value):
    loss, build, sizes = LOSSES[name]
    parts = [torch.full_like(part, value, requires_grad=True) for part in random_parts(sizes)]
    result = loss(build(parts), LABELS)
    result.backward()
    assert math.isfinite(result.item()) and all(torch.isfinite(part.grad).all() for part in parts)


def test_an_exponent_of_zero_is_refused():
    with pytest.raises(ValueError, match="r must be positive, got 0"):
        SelfAttentionMILLoss(r=0)

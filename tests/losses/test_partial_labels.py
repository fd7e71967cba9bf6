"""Cross-entropy of labelled pixels, with what labels of parts say."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from cuescan.losses.partial_labels import PartialLabelLoss

NAN = math.nan


def logits(seed: int = 0, labels: int = 3, side: int = 6) -> torch.Tensor:
    return torch.randn(2, labels, side, side, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def target(seed: int = 1, side: int = 6) -> torch.Tensor:
    """Labels -1 (padding), 0, 1, 2 and 3 (ignore)."""
    return torch.randint(-1, 4, (2, 1, side, side), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("background", [True, False])
def test_without_parts_it_is_the_mean_over_labelled_pixels(background):
    ours, theirs, known = logits(), logits(), target()
    plain = known[:, 0].clone()
    plain[(plain > 2) | (plain < (0 if background else 1))] = -100
    loss = PartialLabelLoss(background)(ours, known)
    expected = cross_entropy(theirs, plain, ignore_index=-100)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)
    assert not ours.grad.permute(0, 2, 3, 1)[plain == -100].any()


def test_easy_examples_weigh_more():
    hard = torch.zeros(1, 3, 1, 2)
    hard[0, 1, 0] = torch.tensor([4.0, -4.0])
    known = torch.tensor([[[[1, 2]]]])
    hard[0, 2, 0] = 0
    plain, easy = (PartialLabelLoss(easy=flag)(hard, known) for flag in (False, True))
    assert easy < plain


def test_parts_deny_pixels_and_show_classes():
    nan = torch.full((1, 1, 4, 4), -1)
    x = logits(side=4)[:1].detach().requires_grad_()
    boxes = torch.tensor([[[0, 0, 4, 2], [0, 2, 4, 4]]]).float()
    labels = torch.tensor([[[1, 0], [1, 1]]]).float()
    loss = PartialLabelLoss(background=False)(x, nan, labels, boxes)
    log_p = x.detach().double().log_softmax(1)
    left = log_p[0, :, :, :2]
    denial = -torch.log(left[1].exp()).mean()  # neither background nor the second class
    right = log_p[0, 1:, :, 2:].exp().pow(4).mean((1, 2)).pow(1 / 4).log()
    assert loss.item() == pytest.approx((denial - right.mean()).item(), rel=1e-4)
    loss.backward()
    assert torch.isfinite(x.grad).all()
    assert PartialLabelLoss(background=False, parts=0)(x, nan, labels, boxes) == 0


def test_where_parts_deny_every_label_they_say_nothing():
    boxes, labels = torch.tensor([[[0, 0, 6, 6]]] * 2).float(), torch.zeros(2, 1, 2)
    nothing = torch.full((2, 1, 6, 6), 3)
    assert PartialLabelLoss(background=False)(logits(), nothing, labels, boxes) == 0
    assert PartialLabelLoss(background=True)(logits(), nothing, labels, boxes) > 0, "all is background"


def test_an_image_without_any_label_has_no_gradient():
    x = logits()
    loss = PartialLabelLoss(easy=True)(x, torch.full((2, 1, 6, 6), 3), torch.full((2, 1, 2), NAN), torch.zeros(2, 1, 4))
    loss.backward()
    assert loss == 0 and not x.grad.any()


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match="parts must be at least 0, got -1"):
        PartialLabelLoss(parts=-1)

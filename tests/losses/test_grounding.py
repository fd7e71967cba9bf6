"""The grounding loss as a whole."""

from __future__ import annotations

import pytest
import torch
from grounding_cases import BOX, LEFT_HALF, NAMES, NAN, PRESENT, gradient, only, places
from torch import Tensor
from torch.nn import functional as F

from cuescan.losses import GroundingLoss


@pytest.mark.parametrize("coloured", [False, True])
def test_a_box_and_its_share_draw_the_lesion(coloured: bool) -> None:
    """Free logits fill the box; with an image in which the lesion has a colour they find its outline."""
    centre = (torch.arange(24) + 0.5) / 24
    ellipse = ((centre - 11 / 24) * 24 / 6)[None] ** 2 + ((centre - 14 / 24) * 24 / 5)[:, None] ** 2 <= 1
    image = ellipse.float().expand(1, 3, 24, 24) if coloured else None
    place = places([5 / 24, 9 / 24, 17 / 24, 19 / 24, 1, ellipse.float().mean().item()])
    logits = torch.zeros(1, 1, 24, 24, requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=0.1)
    for _ in range(150):
        optimiser.zero_grad()
        GroundingLoss()(logits, place, PRESENT, image=image).backward()
        optimiser.step()
    found = logits[0, 0] > 0
    assert (found & ellipse).sum() / (found | ellipse).sum() > (0.95 if coloured else 0.7)


def test_says_nothing_where_the_sentence_says_nothing() -> None:
    logits = torch.randn(2, 3, 8, 8)
    nothing = torch.full((2, 3, 4, 6), NAN)
    image = torch.rand(2, 3, 8, 8)
    value, grad = gradient(GroundingLoss(), logits, nothing, torch.full((2, 3), NAN), image=image)
    assert value == 0 and (grad == 0).all()
    assert all(term == 0 for term in GroundingLoss().terms(logits, nothing, torch.full((2, 3), NAN)).values())


def test_terms_are_averaged_over_what_states_them() -> None:
    torch.manual_seed(0)
    logits, image = torch.randn(3, 2, 8, 8), torch.rand(3, 1, 8, 8).round()
    place = torch.full((3, 2, 4, 6), NAN)
    place[0, 1, 0] = torch.tensor([*BOX[:5], 0.2])
    place[2, 0, 0] = torch.tensor(LEFT_HALF)
    present = torch.tensor([[NAN, 1.0], [0.0, NAN], [NAN, NAN]])
    terms = GroundingLoss(margin=0.0).terms(logits, place, present, image=image)

    def alone(i: int, k: int) -> dict[str, Tensor]:
        one = (logits[i : i + 1, k : k + 1], place[i : i + 1, k : k + 1], present[i : i + 1, k : k + 1])
        return GroundingLoss(margin=0.0).terms(*one, image=image[i : i + 1])

    box, half, none = alone(0, 1), alone(2, 0), alone(1, 0)
    for name in ("projection", "ellipse", "share", "affinity"):
        torch.testing.assert_close(terms[name], box[name])
    for name in ("outside", "inside"):
        torch.testing.assert_close(terms[name], (box[name] + half[name]) / 2)
    torch.testing.assert_close(terms["absent"], none["absent"])


def every_statement() -> tuple[Tensor, Tensor]:
    """A box with a share, a place, a denied class and one of which nothing is said."""
    place = torch.cat([places([*BOX[:5], 0.2]), places(LEFT_HALF), places(), places()], dim=1)
    return place, torch.tensor([[1.0, 1.0, 0.0, NAN]])


def test_padding_takes_no_part() -> None:
    torch.manual_seed(0)
    logits, image = torch.randn(1, 4, 8, 8), torch.rand(1, 3, 8, 8).round()
    place, present = every_statement()
    valid = torch.zeros(1, 1, 8, 16, dtype=torch.bool)
    valid[..., :8] = True
    squeezed = place.clone()
    squeezed[..., [0, 2]] /= 2
    loss = GroundingLoss(margin=0.0, inside=0.0, outside=0.0, absent=0.0)  # these count parts of the grid
    wide, wide_image = (F.pad(x, (0, 8), value=5.0) for x in (logits, image))
    value, grad = gradient(loss, wide, squeezed, present, valid=valid, image=wide_image)
    assert value == pytest.approx(gradient(loss, logits, place, present, image=image)[0], rel=1e-5)
    assert (grad[..., 8:] == 0).all() and (grad[..., :8] != 0).any()
    grad = gradient(only(inside=1), wide, places().expand(1, 4, -1, -1), torch.ones(1, 4), valid=valid)[1]
    assert (grad[..., 8:] == 0).all() and (grad < 0).sum() == 8  # two pixels of 128 for each class
    for term in ("outside", "absent"):
        grad = gradient(only(**{term: 1}), wide, squeezed, present, valid=valid)[1]
        assert (grad[..., 8:] == 0).all() and (grad[..., :8] > 0).any()
    larger = F.interpolate(valid.float(), scale_factor=4) > 0
    assert gradient(loss, wide, squeezed, present, valid=larger, image=wide_image)[0] == pytest.approx(value)


def test_a_statement_about_the_padding_alone_costs_nothing() -> None:
    valid = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    for place in (places(BOX), places([*LEFT_HALF[:5], 0.2])):
        value, grad = gradient(GroundingLoss(), torch.randn(1, 1, 8, 8), place, PRESENT, valid=valid)
        assert value == 0 and (grad == 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("magnitude", [0.0, -100.0, 100.0, 6e4])
def test_half_precision_stays_finite(dtype: torch.dtype, magnitude: float) -> None:
    place, present = every_statement()
    logits = torch.full((1, 4, 16, 16), magnitude, dtype=dtype).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = GroundingLoss()(logits, place, present, image=torch.zeros(1, 3, 16, 16, dtype=dtype))
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite() and logits.grad.isfinite().all()
    assert logits.grad.abs().sum() > 0


def test_a_weight_of_zero_switches_a_term_off() -> None:
    torch.manual_seed(0)
    place, present = every_statement()
    logits, image = torch.randn(1, 4, 8, 8), torch.zeros(1, 3, 8, 8)
    terms = GroundingLoss(margin=0.0).terms(logits, place, present, image=image)
    assert tuple(terms) == NAMES and all(term > 0 for term in terms.values())
    for name in NAMES:
        assert tuple(only(**{name: 2.0}).terms(logits, place, present, image=image)) == (name,)
        value = only(**{name: 2.0})(logits, place, present, image=image)
        torch.testing.assert_close(value, 2 * terms[name])
    value, grad = gradient(only(), logits, place, present)
    assert value == 0 and (grad == 0).all()


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="share must be at least 0, got -1"):
        GroundingLoss(share=-1)
    with pytest.raises(ValueError, match="margin must be at least 0, got nan"):
        GroundingLoss(margin=NAN)
    with pytest.raises(ValueError, match=r"place must be \(2, 3, R, 6\) as the logits are, got \(2, 1, 4, 6\)"):
        GroundingLoss()(torch.zeros(2, 3, 4, 4), torch.zeros(2, 1, 4, 6), torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"present must be \(2, 3\) as the logits are, got \(2,\)"):
        GroundingLoss()(torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 6), torch.zeros(2))

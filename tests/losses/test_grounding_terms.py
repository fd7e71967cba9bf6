"""Each term of the grounding loss by hand and by what it does to free logits."""

from __future__ import annotations

import math

import pytest
import torch
from grounding_cases import ABSENT, BOX, LEFT_HALF, NAN, PRESENT, UNKNOWN, gradient, only, places, share
from torch.nn import functional as F

from cuescan.losses import GroundingLoss
from cuescan.losses.affinity import affinity_loss


def test_outside_a_place_nothing_should_be() -> None:
    logits = torch.zeros(1, 1, 4, 8)
    logits[..., 4:] = 2.0
    value, grad = gradient(only(outside=1), logits, places(LEFT_HALF), PRESENT)
    assert value == pytest.approx(1.25 * math.log(1 + math.exp(2)))
    assert (grad[..., :4] == 0).all()
    p = torch.sigmoid(torch.tensor(2.0)).item()
    of = grad[..., 4:].flatten().sort().values
    torch.testing.assert_close(of[:-1], torch.full((15,), p / 16))
    assert of[-1] == pytest.approx(p / 16 + p / 4)  # one pixel in a hundred counts once more, by a quarter


def test_a_place_has_a_margin_and_a_box_has_none() -> None:
    loss, logits = only(outside=1, margin=0.25), torch.zeros(1, 1, 8, 8)
    grad = gradient(loss, logits, places(LEFT_HALF), PRESENT)[1]
    assert (grad[..., :6] == 0).all() and (grad[..., 6:] > 0).all()
    grad = gradient(loss, logits, places(BOX), PRESENT)[1]
    assert (grad[..., 2:6, 2:6] == 0).all() and (grad != 0).sum() == 64 - 16
    grad = gradient(loss, logits, places(LEFT_HALF, [0.5, 0, 1, 1, 0, NAN]), PRESENT)[1]
    assert (grad == 0).all()  # the two places leave nothing outside


def test_something_inside_each_place() -> None:
    logits = torch.full((1, 1, 10, 20), -3.0)
    logits[..., 0, 0] = 4.0  # with 200 pixels, a small finding has two
    logits[..., 1, 1] = 1.0
    right = [0.5, 0, 1, 1, 0, NAN]
    value, grad = gradient(only(inside=1), logits, places(LEFT_HALF, right), PRESENT)
    left_cost = (math.log(1 + math.exp(-4)) + math.log(1 + math.exp(-1))) / 2
    assert value == pytest.approx((left_cost + math.log(1 + math.exp(3))) / 2)
    assert (grad <= 0).all() and (grad != 0).sum() == 4 and (grad[..., 10:] != 0).sum() == 2
    logits[..., 0, 0] = logits[..., 1, 1] = 40.0
    assert gradient(only(inside=1), logits, places(LEFT_HALF), PRESENT)[0] == pytest.approx(0, abs=1e-12)


def test_a_place_smaller_than_a_small_finding_and_a_finding_smaller_than_that() -> None:
    logits = torch.linspace(-1, 1, 400).reshape(1, 1, 20, 20)
    tiny = places([0.5, 0.5, 0.5, 0.5, 0, NAN])
    assert gradient(only(inside=1), logits, tiny, PRESENT)[0] == pytest.approx(F.softplus(-logits[0, 0, 10, 10]).item())
    faint = places([*LEFT_HALF[:5], 0.003])  # 1.2 of 400 pixels
    assert (gradient(only(inside=1), logits, faint, PRESENT)[1] != 0).sum() == 2
    assert (gradient(only(inside=1), logits, places(LEFT_HALF), PRESENT)[1] != 0).sum() == 4


def test_a_present_class_of_which_nothing_else_is_stated_is_somewhere() -> None:
    logits = torch.randn(1, 1, 8, 8)
    value, grad = gradient(only(inside=1), logits, places(), PRESENT)
    assert value == pytest.approx(F.softplus(-logits.max()).item()) and (grad < 0).sum() == 1
    for place, present in ((places(), UNKNOWN), (places(), ABSENT), (share(0.1), PRESENT)):
        assert (gradient(only(inside=1), logits, place, present)[1] == 0).all()


def test_every_row_and_column_of_a_box_is_hit() -> None:
    logits = torch.full((1, 1, 8, 8), -2.0)
    logits[0, 0, 3, 2:6] = 5.0  # one row of the box hits all of its columns
    logits[0, 0, :2] = 9.0  # outside of the box
    value, grad = gradient(only(projection=1), logits, places(BOX), PRESENT)
    hit, missed = math.log(1 + math.exp(-5)), math.log(1 + math.exp(2))
    assert value == pytest.approx(hit / 2 + (hit + 3 * missed) / 8)
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[2:6, 2:6] = True
    assert (grad[0, 0][~inside] == 0).all() and (grad[0, 0][inside] < 0).all()
    assert grad[0, 0, 4].sum() < 10 * grad[0, 0, 3].sum()  # the missed rows are what is pulled


def test_each_box_is_projected_by_itself() -> None:
    logits = torch.full((1, 1, 8, 8), -2.0)
    logits[..., :4, :4] = 6.0
    boxes = places([0, 0, 0.5, 0.5, 1, NAN], [0.5, 0.5, 1, 1, 1, NAN])
    hit, missed = math.log(1 + math.exp(-6)), math.log(1 + math.exp(2))
    assert gradient(only(projection=1), logits, boxes, PRESENT)[0] == pytest.approx((hit + missed) / 2)
    assert gradient(only(projection=1), logits, places(LEFT_HALF), PRESENT)[0] == 0  # no tight box


def test_the_core_of_a_box_is_seeded() -> None:
    value, grad = gradient(only(ellipse=1), torch.zeros(1, 1, 8, 8), places(BOX), PRESENT)
    assert value == pytest.approx(math.log(2))
    core = torch.zeros(8, 8, dtype=torch.bool)
    core[3:5, 3:5] = True
    assert ((grad[0, 0] < 0) == core).all()
    speck = places([0.5, 0.5, 0.51, 0.51, 1, NAN])
    assert (gradient(only(ellipse=1), torch.zeros(1, 1, 8, 8), speck, PRESENT)[1] < 0).any()


def test_the_stated_share_is_sought_from_both_sides() -> None:
    target = torch.tensor(0.1).logit().item()
    for logit in (-30.0, -4.0, -1.0, 3.0, 30.0):
        value, grad = gradient(only(share=1), torch.full((1, 1, 6, 6), logit), share(0.1), PRESENT)
        distance = abs(logit - target)
        assert value == pytest.approx(distance**2 / 2 if distance < 1 else distance - 0.5, rel=1e-4)
        assert (grad.sign() == math.copysign(1, logit - target)).all()
        assert grad.abs().sum() == pytest.approx(min(distance, 1), rel=1e-4)  # however sure the network is
    exact = torch.full((1, 1, 10, 10), -40.0)
    exact[..., 0, :] = 40.0
    assert gradient(only(share=1), exact, share(0.1), PRESENT)[0] == pytest.approx(0, abs=1e-6)


def test_what_lies_outside_the_stated_region_is_not_made_up_for() -> None:
    logits = torch.full((1, 1, 8, 8), 3.0)
    logits[..., :4] = -3.0
    value, grad = gradient(only(share=1), logits, places([*LEFT_HALF[:5], 0.25]), PRESENT)
    p = torch.sigmoid(torch.tensor(-3.0)).item() / 2  # of the whole image
    assert value == pytest.approx(abs(math.log(p / (1 - p)) - math.log(0.25 / 0.75)) - 0.5, rel=1e-5)
    assert (grad[..., :4] < 0).all() and (grad[..., 4:] == 0).all()


@pytest.mark.parametrize("stated", [0.0, 0.02, 0.3, 1.0])
@pytest.mark.parametrize("start", [-6.0, 6.0])
def test_free_logits_come_to_the_stated_share(stated: float, start: float) -> None:
    logits = (start + 0.1 * torch.randn(1, 1, 16, 16)).requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.2)
    for _ in range(120):
        optimiser.zero_grad()
        only(share=1)(logits, share(stated), PRESENT).backward()
        optimiser.step()
    assert logits.sigmoid().mean().item() == pytest.approx(stated, rel=0.05, abs=5e-3)


def test_no_polyp_leaves_nothing() -> None:
    logits = torch.randn(1, 1, 4, 4)
    value, grad = gradient(GroundingLoss(), logits, places(BOX), ABSENT)
    cost = F.softplus(logits)  # its mean and a quarter of the most likely pixel's, one in a hundred; no other term
    assert value == pytest.approx((cost.mean() + cost.max() / 4).item(), rel=1e-6)
    torch.testing.assert_close(grad, logits.sigmoid() * (1 / 16 + (logits == logits.max()) / 4))


def test_neighbours_of_one_colour_belong_together() -> None:
    logits = torch.full((1, 1, 8, 8), -4.0)
    logits[..., :4, :] = 4.0
    p = 1 / (1 + math.exp(-4))
    plain = -math.log(2 * p * (1 - p))
    everywhere, valid = torch.ones(1, 1, 8, 8, dtype=torch.bool), torch.ones(1, 1, 8, 8, dtype=torch.bool)
    flat = torch.zeros(1, 3, 8, 8)
    # of the pairs 2 rows apart those from rows 2 and 3 cross the edge: 8 straight, 6 + 6 oblique ones each
    crossing, pairs = 2 * (8 + 6 + 6), 2 * 48 + 2 * 36
    same = -math.log(p * p + (1 - p) * (1 - p))
    value = affinity_loss(logits, flat, everywhere, valid).item()
    assert value == pytest.approx((crossing * plain + (pairs - crossing) * same) / pairs, rel=1e-5)
    step = flat.clone()
    step[:, 0, :4] = 1.0  # the edge of the mask is an edge of the image
    assert affinity_loss(logits, step, everywhere, valid).item() == pytest.approx(same, rel=1e-5)
    torch.testing.assert_close(
        affinity_loss(logits, 50 * step + 7, everywhere, valid), affinity_loss(logits, step, everywhere, valid)
    )


def test_affinity_counts_pairs_with_an_end_in_a_box_and_needs_the_image() -> None:
    logits, image = torch.randn(1, 1, 8, 8), torch.zeros(1, 3, 32, 32)
    corner = places([0, 0, 0.25, 0.25, 1, NAN])
    value, grad = gradient(only(affinity=1), logits, corner, PRESENT, image=image)
    assert value > 0 and (grad[..., :4, :4] != 0).sum() >= 12
    assert (grad[..., 4:, :] == 0).all() and (grad[..., :, 4:] == 0).all()
    for place, named in ((places(LEFT_HALF), {"image": image}), (corner, {})):
        value, grad = gradient(only(affinity=1), logits, place, PRESENT, **named)
        assert value == 0 and (grad == 0).all()


def test_affinity_carries_a_seed_to_the_edge_of_its_colour() -> None:
    image = torch.zeros(1, 3, 16, 16)
    image[..., 5:12, 4:10] = 1.0
    box = places([3 / 16, 3 / 16, 13 / 16, 13 / 16, 1, NAN])
    logits = torch.zeros(1, 1, 16, 16, requires_grad=True)
    loss = only(affinity=1, ellipse=1, outside=1)
    optimiser = torch.optim.Adam([logits], lr=0.1)
    seeds = torch.zeros(16, 16, dtype=torch.bool)
    seeds[6:10, 6:10] = True
    for _ in range(150):
        optimiser.zero_grad()
        loss(logits, box, PRESENT, image=image).backward()
        optimiser.step()
    found = logits[0, 0] > 0
    assert found[5:12, 4:10].all()

import pytest
import torch

from cuescan.losses import area_loss, smoothness_loss

NAN = float("nan")


def test_hand_computed_areas() -> None:
    mask = torch.zeros(1, 3, 2, 2)
    mask[0, 0, 0] = 1  # half of the image
    mask[0, 1] = 0.1
    mask[0, 2] = 0.7
    positive, negative = area_loss(mask, 0.25, torch.tensor([[1.0, 0.0, NAN]]))
    assert positive.item() == pytest.approx(0.25) and negative.item() == pytest.approx(0.1)
    assert area_loss(mask)[0].item() == pytest.approx((0.25 + 0.15 + 0.45) / 3) and area_loss(mask)[1].item() == 0


def test_areas_are_pushed_towards_the_target_and_to_nothing() -> None:
    mask = torch.tensor([0.6, 0.1, 0.3, 0.3]).reshape(1, 4, 1, 1).repeat(1, 1, 4, 4).requires_grad_()
    sum(area_loss(mask, 0.25, torch.tensor([[1.0, 1.0, 0.0, NAN]]))).backward()
    too_large, too_small, absent, left_out = mask.grad[0]
    assert (too_large > 0).all() and (too_small < 0).all() and (absent > 0).all() and (left_out == 0).all()


def test_padding_has_no_area() -> None:
    mask = torch.rand(2, 2, 4, 8, requires_grad=True)
    valid = torch.ones(2, 1, 4, 8, dtype=torch.bool)
    valid[..., 3:] = False
    positive, _ = area_loss(mask, 0.4, valid=valid)
    assert positive.item() == pytest.approx(area_loss(mask[..., :3], 0.4)[0].item(), rel=1e-5)
    positive.backward()
    assert (mask.grad[..., 3:] == 0).all() and (mask.grad[..., :3] != 0).all()


def test_no_mask_costs_nothing() -> None:
    mask = torch.rand(2, 2, 4, 4, requires_grad=True)
    loss = sum(area_loss(mask, 0.25, torch.full((2, 2), NAN)))
    loss.backward()
    assert loss.item() == 0 and (mask.grad == 0).all()


def test_the_target_is_checked() -> None:
    with pytest.raises(ValueError, match=r"target must lie in \[0, 1\], got 25"):
        area_loss(torch.rand(1, 1, 2, 2), 25)


def test_hand_computed_variation() -> None:
    x = torch.tensor([[0.0, 1.0, 3.0], [0.0, 0.0, 0.0]]).reshape(1, 1, 2, 3)
    assert smoothness_loss(x).item() == pytest.approx((1 + 2) / 4 + (1 + 3) / 3)
    assert smoothness_loss(torch.rand(1, 2, 1, 1)).item() == 0


def test_variation_is_pushed_down() -> None:
    x = torch.zeros(1, 1, 5, 5)
    x[..., 2, 2] = 1
    x.requires_grad_()
    smoothness_loss(x).backward()
    assert x.grad[0, 0, 2, 2] > 0 and x.grad[0, 0, 2, 1] < 0 and x.grad[0, 0, 0, 0] == 0


def test_the_edge_of_the_padding_is_no_variation() -> None:
    x = torch.rand(2, 3, 6, 8, requires_grad=True)
    valid = torch.zeros(2, 1, 6, 8)
    valid[:, :, 1:5, 2:6] = 1
    loss = smoothness_loss(x, valid)
    assert loss.item() == pytest.approx(smoothness_loss(x[..., 1:5, 2:6]).item(), rel=1e-5)
    loss.backward()
    assert (x.grad[:, :, valid[0, 0] == 0] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_single(dtype: torch.dtype) -> None:
    mask = torch.full((1, 1, 300, 300), 0.5, dtype=dtype)  # its sum overflows float16
    assert area_loss(mask, 0.25)[0].item() == pytest.approx(0.25)
    steps = torch.arange(300).remainder(2).expand(1, 1, 300, 300).to(dtype)
    assert smoothness_loss(steps).item() == pytest.approx(1)

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cuescan.rivals.grad_cam import grad_cam_of_linear, grad_cams, gradients_in_float32


@pytest.mark.parametrize("pool", [F.adaptive_avg_pool2d, F.adaptive_max_pool2d])
def test_the_closed_form_is_what_autograd_gives(pool) -> None:
    torch.manual_seed(0)
    features, head = torch.randn(2, 6, 5, 7, requires_grad=True), nn.Linear(6, 3)
    scores = head(pool(features, 1).flatten(1))
    (expected,) = grad_cams([features], scores)
    torch.testing.assert_close(grad_cam_of_linear(features, head.weight).detach(), expected)


def test_each_image_and_class_has_its_own_gradients() -> None:
    torch.manual_seed(0)
    features = torch.randn(3, 4, 6, 5)
    tail = nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 2, 1))
    layer = features.clone().requires_grad_()
    (maps,) = grad_cams([layer], tail(layer).mean((2, 3)))
    for image in range(3):
        for number in range(2):
            alone = features[image : image + 1].clone().requires_grad_()
            tail(alone)[0, number].mean().backward()
            weight = alone.grad[0].mean((1, 2))
            torch.testing.assert_close(maps[image, number], (weight[:, None, None] * features[image]).sum(0))


@pytest.mark.parametrize("switched_off", [torch.no_grad, torch.inference_mode])
def test_gradients_are_there_and_single_whatever_the_caller_switched(switched_off) -> None:
    torch.manual_seed(0)
    first, tail = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3)
    image = torch.rand(1, 3, 9, 9)

    def maps() -> torch.Tensor:
        found = first(image)
        tail(found)  # under mixed precision, this leaves cast weights behind
        with gradients_in_float32(image.device):
            layer = found.float().clone().requires_grad_()
            return grad_cams([layer], tail(layer).sum((2, 3)))[0]

    expected = maps()
    with switched_off():
        torch.testing.assert_close(maps(), expected)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = maps()
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, expected, rtol=0.05, atol=0.05)

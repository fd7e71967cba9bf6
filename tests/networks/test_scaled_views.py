"""A network's answer averaged over sizes of the image."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from cuescan.networks.scaled_views import ScaledViews


class Edges(nn.Module):
    """A stand-in whose answer depends on the size at which it sees an image."""

    def forward(self, image: Tensor) -> Tensor:
        if min(image.shape[2:]) < 32:
            raise ValueError("too small")
        slope = image[:, :1] - image[:, :1].roll(1, 3)
        return torch.cat([10 * slope, image[:, 1:2], -5 * slope], 1)


def test_one_view_of_the_usual_size_is_the_network():
    image = torch.rand(2, 3, 40, 48) + 0.1
    probabilities = ScaledViews(Edges(), [1.0])(image).exp()
    torch.testing.assert_close(probabilities, Edges()(image).softmax(1))


def test_views_are_averaged_as_probabilities_and_sum_to_one():
    image = torch.rand(1, 3, 40, 48) + 0.1
    probabilities = ScaledViews(Edges(), [1.0, 1.5])(image).exp()
    larger = Edges()(interpolate(image, size=(60, 72), mode="bilinear")).softmax(1)
    expected = (Edges()(image).softmax(1) + interpolate(larger, size=(40, 48), mode="bilinear")) / 2
    torch.testing.assert_close(probabilities, expected)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(1, 40, 48))


def test_black_surroundings_are_not_looked_at():
    image = torch.rand(1, 3, 40, 48) + 0.1
    padded = nn.functional.pad(image, [8, 8, 4, 12])
    views = ScaledViews(Edges(), [1.0, 2.0])
    torch.testing.assert_close(views(padded)[:, :, 4:44, 8:56], views(image))


@pytest.mark.parametrize("scale", [0.25, 0.5])
def test_views_of_small_images_are_as_large_as_networks_need(scale):
    assert ScaledViews(Edges(), [scale])(torch.rand(1, 3, 33, 40)).shape == (1, 3, 33, 40)

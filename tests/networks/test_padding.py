"""What nnU-Net pads an image with before inference changes nothing within it."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from cuescan.networks import PathMamba
from cuescan.networks.grid import content_box, segment_content
from cuescan.networks.trunk_unet import TrunkUNet
from cuescan.rivals import ClassActivation

AROUND = (23, 40, 9, 31)  # left, right, above, below


@pytest.mark.parametrize(
    "network",
    [
        lambda: PathMamba(3, 2),
        lambda: PathMamba(3, 2, exclusive=True, background=False, borders="replicate", image_scale=0.5),
        lambda: TrunkUNet(3, 2),
        lambda: ClassActivation(3, 2),
    ],
)
def test_an_image_is_segmented_as_without_its_padding(network) -> None:
    torch.manual_seed(0)
    net, image = network().eval(), torch.rand(2, 3, 50, 68)
    with torch.no_grad():
        alone, padded = net(image), net(F.pad(image, AROUND))
    left, right, above, below = AROUND
    assert padded.shape == (2, 3, 50 + above + below, 68 + left + right)
    assert torch.equal(padded[:, :, above:-below, left:-right], alone)
    assert torch.equal(padded[:, :, 0, left:-right], alone[:, :, 0])


def test_the_loss_sees_padded_images_as_they_are() -> None:
    net = PathMamba(3, 2)
    net.deep_supervision = True
    assert net(F.pad(torch.rand(1, 3, 32, 32), (0, 32, 0, 32))).patch.shape[2:] == (16, 16)


def test_each_image_of_a_batch_has_its_own_padding() -> None:
    torch.manual_seed(0)
    net = TrunkUNet(3, 2).eval()
    one, other = torch.rand(1, 3, 48, 64), torch.rand(1, 3, 64, 40)
    with torch.no_grad():
        both = net(torch.cat([F.pad(one, (0, 0, 16, 0)), F.pad(other, (0, 24))]))
        assert torch.equal(both[:1, :, 16:], net(one)) and torch.equal(both[1:, :, :, :40], net(other))


def test_the_box_holds_what_any_channel_shows() -> None:
    image = torch.zeros(2, 64, 80)
    image[1, 5, 7] = image[0, 50, 60] = -0.1
    assert content_box(image) == (5, 51, 7, 61)


def test_sides_that_would_be_too_small_are_kept() -> None:
    image = torch.zeros(1, 64, 80)
    assert content_box(image) == (0, 64, 0, 80)
    image[:, 10:30, 10:50] = 1
    assert content_box(image) == (0, 64, 10, 50)


def test_without_padding_nothing_is_copied() -> None:
    image = torch.rand(1, 3, 40, 40)
    assert segment_content(lambda x: x, image).data_ptr() == image.data_ptr()

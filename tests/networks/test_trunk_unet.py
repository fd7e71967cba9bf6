"""The U-Net on a pretrained trunk."""

from __future__ import annotations

import pytest
import torch

from cuescan.networks import PathMamba
from cuescan.networks.trunk_unet import TrunkUNet


@pytest.mark.parametrize("size", [(32, 32), (33, 70), (64, 48)])
@pytest.mark.parametrize(("scale", "background"), [(0.5, True), (1.0, False), (1.5, True)])
def test_logits_are_of_the_images_size(size, scale, background):
    net = TrunkUNet(3, 2, background, image_scale=scale).eval()
    logits = net(torch.rand(2, 3, *size))
    assert logits.shape == (2, 3, *size) and torch.isfinite(logits).all()
    assert background or (logits.argmax(1) > 0).all()


def test_scale_varies_in_training_alone_and_follows_the_seed():
    net, image = TrunkUNet(3, 2), torch.rand(1, 3, 64, 64)
    net.trunk.eval()

    def run(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return net(image)

    assert torch.equal(run(0), run(0)) and not torch.allclose(run(0), run(1), atol=1e-4)
    net.eval()
    assert torch.equal(run(0), run(1))


def test_every_weight_learns():
    net = TrunkUNet(3, 2)
    net(torch.rand(2, 3, 64, 64)).square().mean().backward()
    weights = {name: weight for name, weight in net.named_parameters() if not name.startswith("trunk.layer")}
    assert "trunk.conv1.weight" in weights
    assert [name for name, weight in weights.items() if weight.grad is None or not weight.grad.any()] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 100}, "width must be a multiple of 32, got 100"),
        ({"image_scale": 0}, "image_scale must be positive and scale_jitter at least 0, got 0 and 0.3"),
        ({"trunk": {"stages": 3}}, "trunk: stages must be 4, got 3"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        TrunkUNet(3, 2, **arguments)


def test_an_image_that_is_too_small_is_refused():
    with pytest.raises(ValueError, match="image must be at least 32 x 32 pixels, got 31 x 64"):
        TrunkUNet(3, 2)(torch.rand(1, 3, 31, 64))


def test_path_mamba_takes_a_whole_number_as_scale_when_scripted():
    net, image = PathMamba(3, 2, image_scale=2).eval(), torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(torch.jit.script(net)(image), net(image), atol=1e-4, rtol=1e-4)


def test_path_mamba_shrinks_large_images_in_both_branches():
    net, image = PathMamba(3, 2, image_scale=0.5), torch.rand(1, 3, 130, 96)
    net.deep_supervision = True
    maps = net(image)
    assert maps.patch.shape[2:] == (20, 12) and maps.pixel.shape[2:] == (10, 6), "of 144 x 96 pixels, as 80 x 48"
    net.deep_supervision = False
    assert net.eval()(image).shape == (1, 3, 130, 96)

import pytest
import torch

from cuescan.losses import DeepContrastLoss
from cuescan.networks import PathMamba, PathMambaMaps


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("size", ["T", "S", "B"])
def test_every_size_gives_logits(size: str) -> None:
    with torch.no_grad():
        assert PathMamba(3, 4, size=size)(torch.rand(1, 3, 32, 32)).shape == (1, 5, 32, 32)


@pytest.mark.parametrize("shape", [(32, 32), (33, 47), (50, 35), (64, 96)])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_any_shape_and_channel_count(shape: tuple[int, int], channels: int) -> None:
    with torch.no_grad():
        logits = PathMamba(channels, 2)(torch.rand(2, channels, *shape))
    assert logits.shape == (2, 3, *shape) and torch.isfinite(logits).all()


@pytest.mark.parametrize("stages", [3, 4])
def test_with_replicated_borders_a_uniform_image_has_uniform_pixel_maps(stages: int) -> None:
    """The pixel branch cannot tell where it is: nothing of the image differs, and nothing lies beyond it."""
    network = PathMamba(3, 2, borders="replicate", context=2, trunk={"stages": stages}).eval()
    with_zeros = PathMamba(3, 2, context=2, trunk={"stages": stages}).eval()
    with_zeros.load_state_dict(network.state_dict())
    image = torch.full((1, 3, 64, 96), 0.3)
    spread, with_zeros_spread = (float(each.maps(image).pixel.std((2, 3)).max()) for each in (network, with_zeros))
    assert spread < 1e-6 < 1e-4 < with_zeros_spread


@pytest.mark.parametrize("image_scale", [0.5, 2.0])
def test_an_enlarged_image_comes_back_at_its_own_size(image_scale: float) -> None:
    with torch.no_grad():
        assert PathMamba(3, 2, image_scale=image_scale)(torch.rand(1, 3, 70, 66)).shape == (1, 3, 70, 66)


def test_maps_for_the_loss_and_a_gradient_for_every_parameter() -> None:
    for miml in (True, False):
        for cmb in (True, False):
            for contrast in (True, False):
                net = PathMamba(3, 2, miml=miml, cmb=cmb, contrast=contrast)
                net.deep_supervision = True
                maps = net(torch.rand(2, 3, 64, 64))
                assert isinstance(maps, PathMambaMaps) and len(maps.sides) == 3 and (maps.pixel is not None) == miml
                DeepContrastLoss(xi=net.xi)(maps, torch.tensor([[1.0, 0.0], [0.0, 1.0]])).backward()
                assert [name for name, p in net.named_parameters() if p.grad is None] == []


def test_each_switch_changes_what_it_should() -> None:
    def names(**switches: bool) -> set[str]:
        return {name for name, _ in PathMamba(3, 2, **switches).named_parameters()}

    full = names()
    assert not any(name.startswith(("trunk", "class_head")) for name in names(miml=False))
    assert not any("scan" in name for name in names(cmb=False))
    assert any("pixel_scan" in name for name in full) and not any("pixel_scan" in name for name in names(miml=False))
    assert names(contrast=False) == full
    image = torch.rand(1, 3, 64, 64)
    net = PathMamba(3, 2).eval()
    with torch.no_grad():
        gated = net(image)
        for module in net.modules():
            if hasattr(module, "contrast"):
                module.contrast = False
        assert not torch.allclose(gated, net(image))


def test_context_lets_a_pixel_see_its_neighbours_and_no_further() -> None:
    """A change of one feature reaches dilation cells away in the neck, and with no context only its own cell."""
    features = torch.rand(1, 512, 9, 9)
    changed = features.clone()
    changed[..., 4, 4] += 1
    for context, rows in ((0, [4]), (1, [3, 4, 5]), (2, [2, 4, 6])):
        neck = PathMamba(3, 2, context=context).neck
        with torch.no_grad():
            difference = (neck(changed) - neck(features)).abs().sum((0, 1))
        assert difference.sum(1).nonzero().flatten().tolist() == rows
    with pytest.raises(ValueError, match="context must be at least 0, got -1"):
        PathMamba(3, 2, context=-1)


def test_the_mask_is_the_weighted_mean_of_both_branches() -> None:
    net = PathMamba(3, 2, xi=0.3)
    pixel, patch = torch.randn(1, 2, 4, 4), torch.randn(1, 2, 4, 4)
    logits = net.combine(PathMambaMaps(pixel, patch, []), (4, 4))
    expected = 0.3 * torch.sigmoid(pixel) + 0.7 * torch.sigmoid(patch)
    torch.testing.assert_close(torch.sigmoid(logits[:, 1:]), expected, atol=1e-4, rtol=1e-4)
    assert (logits[:, 0] == 0).all()


def test_smoothing_is_the_mean_probability_of_what_lies_in_the_window() -> None:
    maps = PathMambaMaps(torch.randn(1, 2, 7, 9), torch.randn(1, 2, 7, 9), [])
    arguments = {"exclusive": True, "background": False}
    plain, smooth = (PathMamba(3, 2, **arguments, smoothing=side).combine(maps, (7, 9))[0, 1:] for side in (0, 5))
    for y, x in ((0, 0), (3, 4), (6, 8)):
        window = plain[:, max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].exp()
        torch.testing.assert_close(smooth[:, y, x].exp(), window.mean((1, 2)))
    with pytest.raises(ValueError, match="smoothing must be 0 or an odd number of pixels, got 4"):
        PathMamba(3, 2, smoothing=4)


def test_competing_classes_share_each_pixel() -> None:
    maps = PathMambaMaps(torch.randn(1, 3, 4, 4), torch.randn(1, 3, 4, 4), [])
    total = PathMamba(3, 3, exclusive=True).combine(maps, (4, 4)).exp().sum(1)
    torch.testing.assert_close(total, torch.ones_like(total))
    total = PathMamba(3, 3, exclusive=True, background=False).combine(maps, (4, 4))[:, 1:].exp().sum(1)
    torch.testing.assert_close(total, torch.ones_like(total))


@pytest.mark.parametrize("exclusive", [True, False])
def test_without_a_background_label_0_is_never_predicted(exclusive: bool) -> None:
    net = PathMamba(3, 2, background=False, exclusive=exclusive)
    low = torch.full((1, 2, 4, 4), -80.0)
    assert (net.combine(PathMambaMaps(low, low, []), (4, 4)).half().argmax(1) > 0).all()


def test_padding_to_whole_tokens_does_not_shift_the_image() -> None:
    net = PathMamba(3, 2).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        whole, cut = net(image), net(image[..., :60, :60])
    assert (whole[..., :32, :32] - cut[..., :32, :32]).abs().mean() < 0.05


def test_half_precision_autocast_stays_finite() -> None:
    net = PathMamba(3, 2)
    net.deep_supervision = True
    with torch.autocast("cpu", torch.bfloat16):
        loss = DeepContrastLoss()(net(torch.rand(2, 3, 64, 64)), torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
    loss.backward()
    assert torch.isfinite(loss) and all(torch.isfinite(p.grad).all() for p in net.parameters())


def test_equal_seeds_give_equal_networks() -> None:
    outputs = []
    for _ in range(2):
        torch.manual_seed(7)
        outputs.append(PathMamba(3, 2).state_dict())
    assert all(torch.equal(outputs[0][key], outputs[1][key]) for key in outputs[0])


def test_the_loss_falls_and_a_mask_appears_from_image_labels_alone() -> None:
    """Bright squares are the class: after a few steps the class's logit is higher on them than beside them."""
    net = PathMamba(1, 1, miml=False)
    net.deep_supervision = True
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(0)
    loss_fn = DeepContrastLoss()
    losses = []
    for _ in range(40):
        image = 0.2 * torch.rand(8, 1, 32, 32, generator=generator)
        labels = (torch.arange(8) % 2).float().unsqueeze(1)
        image[1::2, :, 8:20, 8:20] += 0.8
        loss = loss_fn(net(image), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    net.deep_supervision = False
    with torch.no_grad():
        logits = net(image)[1, 1]
    assert logits[10:18, 10:18].mean() > logits[24:, 24:].mean() + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": "XL"}, "size must be one of T, S, B, got 'XL'"),
        ({"xi": 1.1}, r"xi must lie in \[0, 1\], got 1.1"),
        ({"image_scale": 0}, "image_scale must be positive, got 0"),
        ({"borders": "reflect"}, "borders must be zeros or replicate, got 'reflect'"),
        ({"num_classes": 0}, "num_classes must be at least 1, got 3 and 0"),
        ({"trunk": {"stages": 2}}, "stages must be 3 or 4, got 2"),
        ({"trunk": {"frozen": 4}}, r"frozen must lie in \[0, stages=3\], got 4"),
        ({"trunk": {"input_mean": [0.5]}}, "input_mean must have 3 values, one per channel, got 1"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PathMamba(**{"in_channels": 3, "num_classes": 2, **arguments})


def test_a_small_image_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 x 32 pixels, got 31 x 40"):
        PathMamba(3, 2)(torch.rand(1, 3, 31, 40))

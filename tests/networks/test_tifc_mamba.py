"""TIFCMamba: what goes in, what comes out, and that each part does what it is there for."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor

from cuescan.networks import TIFCMamba, TIFCMambaMaps
from cuescan.networks.confine import OUTSIDE_LOGIT, confine
from cuescan.networks.fusion import BiDF, ChannelScan, pooling_weights
from cuescan.networks.text_segmenter import TextSegmenter

TEXT = 16
NAN = math.nan


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def network(**arguments) -> TIFCMamba:
    return TIFCMamba(3, arguments.pop("num_classes", 1), TEXT, **arguments).eval()


def place_of(*rows: tuple, classes: int = 1, number: int = 0) -> Tensor:
    place = torch.full((1, classes, 4, 6), NAN)
    for index, row in enumerate(rows):
        place[0, number, index] = torch.tensor(row)
    return place


@pytest.mark.parametrize("shape", [(32, 32), (33, 50), (70, 41)])
@pytest.mark.parametrize("classes", [1, 3])
def test_logits_for_any_size(shape: tuple[int, int], classes: int) -> None:
    net = network(num_classes=classes)
    logits = net(torch.rand(2, 3, *shape), torch.rand(2, classes, TEXT))
    assert logits.shape == (2, 1 + classes, *shape)
    assert (logits[:, 0] == 0).all()


@pytest.mark.parametrize("size", ["T", "S", "B"])
def test_sizes(size: str) -> None:
    with torch.no_grad():
        assert network(size=size)(torch.rand(1, 3, 32, 32)).shape == (1, 2, 32, 32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": "X"}, "size must be one of T, S, B, got 'X'"),
        ({"num_classes": 0}, "num_classes must be at least 1, got 0"),
    ],
)
def test_refuses(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network(**arguments)


def test_refuses_a_small_image() -> None:
    with pytest.raises(ValueError, match="image must be at least 32 x 32 pixels, got 31 x 40"):
        network()(torch.rand(1, 3, 31, 40))


def test_default_prompts_are_those_in_the_buffer() -> None:
    net, image = network(), torch.rand(2, 3, 40, 40)
    net.prompts.copy_(torch.randn(1, TEXT))
    torch.testing.assert_close(net(image), net(image, net.prompts[None].expand(2, -1, -1)))
    assert "prompts" in net.state_dict()


def test_each_class_has_its_own_prompt() -> None:
    net, image, text = network(num_classes=2), torch.rand(1, 3, 40, 40), torch.randn(1, 2, TEXT)
    swapped = net(image, text.flip(1))
    torch.testing.assert_close(swapped[:, [0, 2, 1]], net(image, text), atol=1e-5, rtol=1e-5)


def test_logits_are_scaled_cosines() -> None:
    net = network()
    net.deep_supervision = True
    maps = net(torch.rand(2, 3, 48, 48), torch.randn(2, 1, TEXT))
    assert isinstance(maps, TIFCMambaMaps)
    assert maps.features.shape == (2, 1, TEXT, 24, 24)
    cosine = torch.cosine_similarity(maps.features, maps.text[..., None, None], dim=2)
    torch.testing.assert_close(maps.logits, 10 * cosine - 2.5)
    assert maps.words is None


def test_words_are_scored_for_every_class() -> None:
    net = network(num_classes=2, token_dim=24)
    net.deep_supervision = True
    maps = net(torch.rand(2, 3, 32, 32), torch.randn(2, 2, TEXT), None, torch.randn(2, 9, 24))
    assert maps.words.shape == (2, 2, 9)
    alone = net.text_segmenter(torch.zeros(1, 9, 24), torch.zeros(1, TEXT))
    assert alone.shape == (1, 9)


@pytest.mark.parametrize(("space", "channel"), [(False, False), (True, False), (False, True), (True, True)])
def test_fusion_switches(space: bool, channel: bool) -> None:
    fusion = BiDF(8, TEXT, 4, space=space, channel=channel)
    assert (fusion.space is not None, fusion.channel is not None) == (space, channel)
    image, text, place = torch.randn(1, 8, 12, 10), torch.randn(1, TEXT), torch.zeros(1, 6, 12, 10)
    out = fusion(image, text, place)
    moved = image.clone()
    moved[..., 0, 0] += 5
    changed = (fusion(moved, text, place) - out).abs().amax((0, 1)) > 1e-5
    assert changed[0, 0]
    assert changed[-1, -1] == (space or channel)  # without a scan, a pixel stays alone
    assert not torch.allclose(fusion(image, -text, place), out)  # the text counts in any case


def test_the_place_reaches_the_mask() -> None:
    net, image, text = network(), torch.rand(1, 3, 64, 64), torch.randn(1, 1, TEXT)
    upper, lower = place_of((0, 0, 0.5, 0.5, 0, NAN)), place_of((0.5, 0.5, 1, 1, 0, NAN))
    assert not torch.allclose(net(image, text, upper), net(image, text, lower))
    off = copy.deepcopy(net)
    off.grounding = False
    torch.testing.assert_close(off(image, text, upper), off(image, text))
    assert not torch.allclose(net(image, text, upper), off(image, text, upper))


def test_nothing_stated_equals_no_place() -> None:
    net, image = network(), torch.rand(1, 3, 40, 40)
    torch.testing.assert_close(net(image, None, place_of()), net(image))


def test_every_weight_learns() -> None:
    net = network(token_dim=24).train()
    net.deep_supervision = True
    place = place_of((0.1, 0.1, 0.6, 0.6, 1, 0.2)).expand(2, -1, -1, -1)
    maps = net(torch.rand(2, 3, 64, 64), torch.randn(2, 1, TEXT), place, torch.randn(2, 9, 24))
    (maps.logits.square().mean() + maps.words.square().mean()).backward()
    outside = {"log_temperature", "text_segmenter.masked_word"}  # the alignment loss uses them
    assert {name for name, weight in net.named_parameters() if weight.grad is None} == outside
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_finite_under_autocast(dtype: torch.dtype) -> None:
    net = network().train()
    net.deep_supervision = True
    place = place_of((0.1, 0.1, 0.6, 0.6, 1, 0.2))
    with torch.autocast("cpu", dtype):
        maps = net(torch.rand(1, 3, 48, 48), torch.randn(1, 1, TEXT), place)
    maps.logits.mean().backward()
    assert maps.logits.dtype == torch.float32
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


@pytest.mark.parametrize(("number", "size"), [(8, 8), (8, 24), (8, 13), (8, 3), (8, 1)])
def test_pooling_weights_average_by_area(number: int, size: int) -> None:
    weights = pooling_weights(number, size, torch.zeros(1))
    torch.testing.assert_close(weights.sum(1), torch.ones(number))
    if size % number == 0:
        x = torch.rand(1, 1, size)
        torch.testing.assert_close((weights @ x[0, 0])[None, None], torch.nn.functional.adaptive_avg_pool1d(x, number))


def test_the_channel_scan_mixes_channels() -> None:
    scan, x = ChannelScan(4), torch.randn(1, 6, 9, 9)
    changed = x.clone()
    changed[:, 0] = torch.randn(9, 9)
    assert not torch.allclose(scan(x)[:, 5], scan(changed)[:, 5])


def test_the_text_segmenter_reads_both_directions() -> None:
    segmenter = TextSegmenter(8, TEXT)
    states, word = torch.randn(1, 7, 8), torch.randn(1, TEXT)
    for position in (0, 6):
        moved = states.clone()
        moved[:, position] += 3
        assert ((segmenter(moved, word) - segmenter(states, word)).abs() > 1e-6).all()


def test_confine_to_a_box_and_a_share() -> None:
    logits = torch.randn(1, 1, 20, 30)
    bounded = confine(logits, place_of((0.5, 0.0, 1.0, 0.5, 1, 0.1)))
    inside = torch.zeros(20, 30, dtype=torch.bool)
    inside[:10, 15:] = True
    assert (bounded[0, 0][~inside] == OUTSIDE_LOGIT).all()
    assert (bounded > 0).sum() == 60  # a tenth of 600 pixels
    order = logits[0, 0][inside].argsort()
    assert torch.equal(bounded[0, 0][inside].argsort(), order)  # the most certain ones


def test_confine_says_nothing_where_nothing_is_stated() -> None:
    logits = torch.randn(2, 1, 20, 30)
    torch.testing.assert_close(confine(logits, place_of().expand(2, -1, -1, -1)), logits)
    torch.testing.assert_close(
        confine(logits[:1], place_of((0, 0, 0.3, 0.3, 0, NAN))), logits[:1]
    )  # a place is no bound


def test_confine_empties_a_denied_class() -> None:
    logits = torch.full((1, 2, 8, 8), 9.0)
    place = place_of((0, 0, 0, 0, 1, NAN), classes=2)
    assert (confine(logits, place)[0, 0] < 0).all()
    assert (confine(logits, place)[0, 1] == 9).all()

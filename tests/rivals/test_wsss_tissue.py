from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cuescan.networks.grid import resize
from cuescan.rivals import WSSSTissue
from cuescan.rivals.activations import logits_of_shares
from cuescan.rivals.wsss_tissue import (
    GATE,
    LAYER_WEIGHTS,
    LayerMaps,
    attention_gamma,
    joint_shares,
    progressive_dropout_attention,
)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_attention_begins_in_the_fourth_epoch_and_drops_more_and_more() -> None:
    assert [attention_gamma(epoch) for epoch in range(3)] == [None] * 3
    for epoch in range(3, 60):
        gamma = 1.0
        for _ in range(epoch):
            gamma = max(gamma * 0.98, 0.65)
        assert attention_gamma(epoch) == pytest.approx(gamma)


def test_attention_is_the_mean_of_the_maps_without_what_is_above_gamma() -> None:
    features, maps = torch.randn(2, 5, 4, 6), torch.randn(2, 3, 4, 6)
    found = progressive_dropout_attention(features, maps, 0.7)
    for image in range(2):
        attention = torch.zeros(4, 6)
        for class_map in maps[image].clamp_min(0):
            kept = class_map.clone()
            kept[class_map > 0.7 * class_map.max()] = 0
            attention += kept / 3
        torch.testing.assert_close(found[image], features[image] * attention)


def test_at_gamma_one_nothing_is_dropped() -> None:
    features, maps = torch.ones(1, 1, 4, 4), torch.rand(1, 3, 4, 4)
    torch.testing.assert_close(progressive_dropout_attention(features, maps, 1.0), maps.mean(1, keepdim=True))


def test_maps_of_all_classes_share_one_range() -> None:
    maps = torch.tensor([[-1.0, 0.0], [1.0, 3.0]]).view(1, 2, 1, 2)
    torch.testing.assert_close(joint_shares(maps, False).flatten(), torch.tensor([0.0, 0.25, 0.5, 1.0]))
    torch.testing.assert_close(joint_shares(maps, True).flatten(), torch.tensor([0.0, 0.0, 1 / 3, 1.0]))


def by_hooks(network: WSSSTissue, image: Tensor) -> list[Tensor]:
    """Grad-CAM of each class at the three layers, one backward pass per image and class."""
    rows = []
    for one in image:
        found = []
        for number in range(network.num_classes):
            shallow, deep = network.trunk.stages(one[None])
            features = network.trunk.joined(shallow, deep)
            for layer in (shallow, deep, features):
                layer.retain_grad()
            network.classifier(features)[0, number].mean().backward()
            found.append([(y.grad.mean((2, 3), keepdim=True) * y).sum(1)[0] for y in (shallow, deep, features)])
        rows.append([torch.stack(maps) for maps in zip(*found, strict=True)])
    return [torch.stack(maps).detach() for maps in zip(*rows, strict=True)]


@pytest.mark.parametrize("switched_off", [torch.no_grad, torch.inference_mode])
def test_three_layers_have_the_maps_that_autograd_gives(switched_off) -> None:
    network = WSSSTissue(3, 2).eval()
    image = torch.rand(2, 3, 48, 64)
    expected = by_hooks(network, image)
    with switched_off():
        maps = network.maps(image)
    assert [layer.shape[2:] for layer in maps.layers] == [(6, 8), (3, 4), (6, 8)]
    for layer, reference in zip(maps.layers, expected, strict=True):
        torch.testing.assert_close(joint_shares(layer, False), joint_shares(reference, False), rtol=1e-3, atol=1e-4)
    with torch.no_grad():
        image_logits = network.classifier(network.trunk(image)).mean((2, 3))
    torch.testing.assert_close(maps.image_logits, image_logits)


@pytest.mark.parametrize("background", [True, False])
def test_masks_weigh_the_layers_and_leave_out_what_the_classifier_does_not_find(background) -> None:
    network = WSSSTissue(3, 2, background=background)
    layers = [torch.randn(1, 2, 6, 8), torch.randn(1, 2, 3, 4), torch.randn(1, 2, 6, 8)]
    sure = torch.full((1, 2), 5.0)
    shares = sum(
        weight * joint_shares(resize(layer, 48, 64), background)
        for weight, layer in zip(LAYER_WEIGHTS, layers, strict=True)
    )
    assert sum(LAYER_WEIGHTS) == pytest.approx(1) and LAYER_WEIGHTS[2] == 0.6
    expected = logits_of_shares(shares, background, 0.2)
    torch.testing.assert_close(network.logits(LayerMaps(layers, sure), (48, 64)), expected)
    unsure = torch.tensor([[5.0, torch.logit(torch.tensor(GATE)) - 0.01]])
    assert (network.logits(LayerMaps(layers, unsure), (48, 64)).argmax(1) != 2).all()


def test_attention_acts_while_the_network_learns_only() -> None:
    network, image = WSSSTissue(3, 2).eval(), torch.rand(1, 3, 48, 48)
    with torch.no_grad():
        mask = network(image)
        network.deep_supervision = True
        plain = network(image)
        network.gamma = 0.7
        assert not torch.allclose(network(image), plain)
        network.deep_supervision = False
        assert torch.equal(network(image), mask)


def test_predicting_leaves_no_gradients_behind() -> None:
    network = WSSSTissue(3, 2).eval()
    assert not network(torch.rand(1, 3, 48, 48)).requires_grad
    assert all(weight.grad is None for weight in network.parameters())


def test_a_trunk_of_three_stages_is_refused() -> None:
    with pytest.raises(ValueError, match="the trunk's stages must be 4: maps are taken at its last two"):
        WSSSTissue(3, 2, trunk={"stages": 3})

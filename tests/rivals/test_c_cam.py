"""The two chains of C-CAM."""

from __future__ import annotations

import pytest
import torch

from cuescan.rivals import CCAM
from cuescan.rivals.c_cam import GRID, CausalMaps


@pytest.fixture
def network() -> CCAM:
    torch.manual_seed(0)
    return CCAM(3, 2, anatomy=0.5)


def test_the_global_context_goes_to_where_a_class_is_found(network):
    left, top = torch.zeros(2, 1, GRID, GRID)
    left[..., : GRID // 2], top[:, : GRID // 2] = 1, 1
    coarse = torch.stack([left, top], 1).expand(4, 2, GRID, GRID)
    found = torch.tensor([[True, False]]).expand(4, 2)
    for _ in range(300):
        network.sample(coarse, found)
    torch.testing.assert_close(network.context[0], left[0], atol=0.01, rtol=0)
    assert (network.context[1] == 1).all()  # never found: nothing is known of it


def test_only_training_changes_the_global_context(network):
    before = network.context.clone()
    with torch.no_grad():
        network.eval()(torch.rand(2, 3, 48, 48))
        assert torch.equal(network.context, before)
        network.classifier.bias.fill_(5.0)
        network.train()(torch.rand(2, 3, 48, 48))
    assert not torch.equal(network.context, before)


def test_a_class_gets_no_pixel_where_its_anatomy_forbids_it(network):
    network.context[0, :, GRID // 2 :] = 0
    maps = torch.full((1, 2, 8, 8), 3.0)
    maps[:, 1] = -3
    mask = network.logits(CausalMaps(maps, maps), (64, 64)).argmax(1)[0]
    assert (mask[:, :24] == 1).all() and (mask[:, 40:] == 0).all()


def test_attention_weighs_the_contexts_of_the_classes(network):
    network.context[0], network.context[1] = 0.2, 0.8
    with torch.no_grad():
        cause = network.category_causality(torch.rand(3, 2, GRID, GRID))
    assert cause.shape == (3, 1, GRID, GRID)
    assert (cause > 0.2).all() and (cause < 0.8).all()


def test_coarse_masks_hold_only_classes_that_are_found(network):
    plain = torch.stack([torch.full((4, 4), -2.0), torch.linspace(0, 3, 16).view(4, 4)])[None]
    coarse, found = network.coarse_masks(plain)
    assert found.tolist() == [[False, True]]
    assert (coarse[:, 0] == 0).all() and coarse[:, 1].max() == 1


def test_the_share_of_anatomy_is_checked():
    with pytest.raises(ValueError, match=r"anatomy must lie in \[0, 1\), got 1"):
        CCAM(3, 2, anatomy=1)

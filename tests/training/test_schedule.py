import pytest
from torch import nn

from cuescan.training.schedule import cosine_factor, rate_groups


def test_cosine_falls_from_its_second_epoch_to_the_last():
    factors = [cosine_factor(epoch, 10) for epoch in range(10)]
    assert factors[0] == 0.1 and factors[5] == pytest.approx(0.5)
    assert factors[1:] == sorted(factors[1:], reverse=True) and factors[-1] > 0


def test_weights_are_grouped_by_their_rate_and_frozen_ones_left_out():
    network = nn.ModuleDict({"trunk": nn.Linear(2, 2), "head": nn.Linear(2, 1)})
    network["trunk"].bias.requires_grad_(False)
    groups = rate_groups(network, lambda name: 0.1 if name.startswith("trunk.") else 1.0)
    named = {group["factor"]: group["params"] for group in groups}
    assert named[0.1][0] is network["trunk"].weight and len(named[0.1]) == 1
    assert [weight is own for weight, own in zip(named[1.0], network["head"].parameters(), strict=True)] == [True, True]
    assert len(rate_groups(network, lambda name: 1.0)) == 1

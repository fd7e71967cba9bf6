import copy

import pytest
import torch
from torch import nn

from cuescan.training.weight_average import WeightAverage


def line(seed: int = 0) -> nn.Linear:
    torch.manual_seed(seed)
    return nn.Linear(3, 2)


def step(network: nn.Module, optimizer: torch.optim.Optimizer, number: int) -> None:
    generator = torch.Generator().manual_seed(number)
    optimizer.zero_grad()
    network(torch.rand(4, 3, generator=generator)).square().sum().backward()
    optimizer.step()


def weights(network: nn.Module) -> list[torch.Tensor]:
    return [weight.detach().clone() for weight in network.parameters()]


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD])
def test_average_is_the_exponential_mean_of_the_weights_after_each_step(kind):
    network = line()
    optimizer = kind(network.parameters(), 0.1)
    average = WeightAverage(optimizer, 0.5)
    expected = None
    for number in range(12):
        step(network, optimizer, number)
        decay = min(0.5, (2 + number) / (11 + number))
        now = weights(network)
        pairs = now if expected is None else zip(expected, now, strict=True)
        expected = now if expected is None else [decay * old + (1 - decay) * new for old, new in pairs]
    trained = weights(network)
    average.show(True)
    for shown, mean in zip(weights(network), expected, strict=True):
        torch.testing.assert_close(shown, mean)
    average.show(True)
    average.show(False)
    assert all(torch.equal(a, b) for a, b in zip(weights(network), trained, strict=True))


def test_training_is_the_same_with_an_average_as_without():
    plain, averaged = line(), line()
    optimizers = [torch.optim.Adam(network.parameters(), 0.1) for network in (plain, averaged)]
    average = WeightAverage(optimizers[1], 0.9)
    for number in range(3):
        average.show(False)
        for network, optimizer in zip((plain, averaged), optimizers, strict=True):
            step(network, optimizer, number)
        average.show(True)
    average.show(False)
    assert all(torch.equal(a, b) for a, b in zip(weights(plain), weights(averaged), strict=True))


def test_a_state_saved_while_averages_are_shown_goes_on_exactly():
    network = line()
    optimizer = torch.optim.Adam(network.parameters(), 0.1)
    average = WeightAverage(optimizer, 0.9)
    for number in range(3):
        step(network, optimizer, number)
    average.show(True)
    kept = copy.deepcopy((network.state_dict(), optimizer.state_dict()))

    other = line(seed=1)
    restored = torch.optim.Adam(other.parameters(), 0.5)
    continued = WeightAverage(restored, 0.9)
    other.load_state_dict(kept[0])
    restored.load_state_dict(kept[1])
    for one, steps, mean in ((network, optimizer, average), (other, restored, continued)):
        mean.show(False)
        step(one, steps, 7)
        mean.show(True)
    assert all(torch.equal(a, b) for a, b in zip(weights(network), weights(other), strict=True))


def test_weights_without_a_gradient_keep_their_value():
    network = nn.ModuleList([line(), line(1)])
    optimizer = torch.optim.Adam(network.parameters(), 0.1)
    average = WeightAverage(optimizer, 0.9)
    before = weights(network[1])
    step(network[0], optimizer, 0)
    average.show(True)
    assert all(torch.equal(a, b) for a, b in zip(weights(network[1]), before, strict=True))
    average.show(False)
    step(network[1], optimizer, 1)  # its first step comes late


def test_without_a_decay_nothing_is_kept():
    network = line()
    optimizer = torch.optim.Adam(network.parameters(), 0.1)
    average = WeightAverage(optimizer, 0)
    step(network, optimizer, 0)
    trained = weights(network)
    average.show(True)
    assert all(torch.equal(a, b) for a, b in zip(weights(network), trained, strict=True))
    assert all("average" not in state for state in optimizer.state.values())


def test_decay_is_checked():
    with pytest.raises(ValueError, match=r"decay must lie in \[0, 1\), got 1"):
        WeightAverage(torch.optim.Adam(line().parameters()), 1)

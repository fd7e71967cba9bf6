"""The four routes: each one's order, and that merging undoes scanning."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from cuescan.scan import cross_merge, cross_scan


def test_order_of_each_route():
    image = torch.tensor([[0, 1, 2], [3, 4, 5]]).view(1, 1, 2, 3)
    assert cross_scan(image)[0, :, 0].tolist() == [
        [0, 1, 2, 3, 4, 5],
        [0, 3, 1, 4, 2, 5],
        [5, 4, 3, 2, 1, 0],
        [5, 2, 4, 1, 3, 0],
    ]


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 7), st.integers(1, 7))
def test_merging_a_scanned_map_gives_four_times_the_map(batch, channels, height, width):
    x = torch.randint(-9, 9, (batch, channels, height, width))
    routes = cross_scan(x)
    assert routes.shape == (batch, 4, channels, height * width)
    assert torch.equal(cross_merge(routes, height, width), 4 * x)


def test_each_route_is_put_back_by_itself():
    x = torch.randn(2, 3, 4, 5)
    for route in range(4):
        alone = torch.zeros(2, 4, 3, 20)
        alone[:, route] = cross_scan(x)[:, route]
        assert torch.equal(cross_merge(alone, 4, 5), x)


def test_gradients_flow_through_both():
    x = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda value: cross_merge(cross_scan(value) ** 2, 3, 4), x)

"""Routes: the order of each, and a scan along them against scans of reordered copies, put back and summed."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import assert_close

from cuescan.scan import backend, both_ways, four_ways, route_scan, selective_scan

CPU = torch.device("cpu")
OPTIONAL = ("D", "delta_bias")


def make_arguments(routes, batch=2, dim=3, state=2, without=(), dtype=torch.float64, seed=0):
    """Random arguments of ``route_scan`` that require gradients."""
    generator = torch.Generator().manual_seed(seed)
    number, length = routes.shape
    shapes = {
        "u": (batch, dim, length),
        "delta": (batch, number, dim, length),
        "A": (number, dim, state),
        "B": (batch, number, state, length),
        "C": (batch, number, state, length),
        "D": (number, dim),
        "delta_bias": (number, dim),
    }
    values = {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in shapes.items()}
    values["A"] = -values["A"].exp()
    return {n: None if n in without else value.to(dtype).requires_grad_() for n, value in values.items()}


def scans_of_copies(routes, u, delta, A, B, C, D, delta_bias, delta_softplus):
    """The definition: along each route, reorder, scan, put back; then sum."""
    total = torch.zeros_like(u)
    for r, route in enumerate(routes.long()):
        bias, skip = (None if value is None else value[r] for value in (delta_bias, D))
        copies = u[..., route], delta[:, r][..., route], A[r], B[:, r][..., route], C[:, r][..., route]
        total = total.index_add(2, route, selective_scan(*copies, skip, None, bias, delta_softplus))
    return total


def gradients(y, arguments):
    weigh = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    given = {name: value for name, value in arguments.items() if value is not None}
    return dict(zip(given, torch.autograd.grad((y.double() * weigh).sum(), list(given.values())), strict=True))


def assert_equals_copies(routes, arguments, softplus, ratio=1e-12):
    y = route_scan(**arguments, routes=routes, delta_softplus=softplus)
    expected = scans_of_copies(routes, **arguments, delta_softplus=softplus)
    assert y.dtype == arguments["u"].dtype
    assert_close(y, expected, ratio, "y")
    wanted = gradients(expected, arguments)
    for name, gradient in gradients(y, arguments).items():
        assert_close(gradient, wanted[name], ratio, f"gradient of {name}")


def test_order_of_each_route_over_a_map():
    routes = four_ways(2, 3, CPU)  # positions 0 1 2
    assert routes.dtype == torch.int32  #       3 4 5
    assert routes.tolist() == [[0, 1, 2, 3, 4, 5], [0, 3, 1, 4, 2, 5], [5, 4, 3, 2, 1, 0], [5, 2, 4, 1, 3, 0]]


def test_order_of_each_route_over_a_sequence():
    assert both_ways(4, CPU).tolist() == [[0, 1, 2, 3], [3, 2, 1, 0]]
    assert both_ways(4, CPU).dtype == torch.int32


@given(st.integers(1, 9), st.integers(1, 9))
def test_every_route_visits_every_position_once(height, width):
    positions = torch.arange(height * width, dtype=torch.int32)
    for routes, number in ((four_ways(height, width, CPU), 4), (both_ways(height * width, CPU), 2)):
        assert routes.shape == (number, height * width)
        assert torch.equal(routes.sort(dim=1).values, positions.expand(number, -1))


@settings(max_examples=25)
@given(
    st.integers(1, 2), st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4),
    st.sets(st.sampled_from(OPTIONAL)), st.booleans(), st.integers(0, 99),
)  # fmt: skip
def test_naive_equals_scans_of_copies(batch, dim, state, height, width, without, softplus, seed):
    routes = four_ways(height, width, CPU)
    arguments = make_arguments(routes, batch, dim, state, tuple(without), seed=seed)
    with backend("naive"):
        assert_equals_copies(routes, arguments, softplus)


@settings(max_examples=25)
@given(st.integers(1, 3), st.integers(1, 9), st.sampled_from([torch.int32, torch.int64]), st.integers(0, 99))
def test_any_permutations_will_do(number, length, dtype, seed):
    generator = torch.Generator().manual_seed(seed)
    routes = torch.stack([torch.randperm(length, generator=generator) for _ in range(number)]).to(dtype)
    with backend("naive"):
        assert_equals_copies(routes, make_arguments(routes, seed=seed), True)


def test_a_route_alone_is_a_selective_scan():
    routes = both_ways(7, CPU)[:1]
    arguments = make_arguments(routes, without=OPTIONAL)
    alone = {name: value for name, value in arguments.items() if value is not None}
    alone |= {"delta": alone["delta"][:, 0], "A": alone["A"][0]}
    with backend("naive"):
        assert torch.equal(route_scan(**arguments, routes=routes), selective_scan(**alone))


@pytest.mark.parametrize("without", [(), OPTIONAL])
def test_scripted_equals_eager(without):
    scripted = torch.jit.script(route_scan)
    routes = four_ways(3, 2, CPU)
    arguments = make_arguments(routes, without=without, dtype=torch.float32)
    y = scripted(**arguments, routes=routes, delta_softplus=True)
    with backend("naive"):
        expected = route_scan(**arguments, routes=routes, delta_softplus=True)
    assert torch.equal(y, expected)
    wanted = gradients(expected, arguments)
    for name, gradient in gradients(y, arguments).items():
        assert_close(gradient, wanted[name], 1e-6, name)


def test_exported_and_compiled_equal_eager():
    class Scan(torch.nn.Module):
        def forward(self, u, delta, A, B, C):
            return route_scan(u, delta, A, B, C, four_ways(3, 2, u.device), delta_softplus=True)

    values = [value.detach().float() for value in make_arguments(four_ways(3, 2, CPU)).values()][:5]
    with backend("naive"):
        expected = Scan()(*values)
        assert_close(torch.export.export(Scan(), tuple(values)).module()(*values), expected, 1e-6)
        assert_close(torch.compile(Scan(), backend="aot_eager", fullgraph=True)(*values), expected, 1e-6)

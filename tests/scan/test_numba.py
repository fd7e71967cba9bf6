"""The numba backend against the float64 recurrence: outputs, last state and all gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference import assert_close, make_arguments, to_float64

from cuescan.scan import available_backends, backend, both_ways, four_ways, route_scan, selective_scan

pytest.importorskip("numba")
OPTIONAL = ("D", "z", "delta_bias")
PRECISION = {torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 1e-2}  # about 4 units of the output's rounding
SUMS = 1e-5  # float32 sums over the whole length, which may cancel: gradients of A, D and delta_bias


def outputs_and_gradients(arguments, softplus=True):
    y, last = selective_scan(**arguments, delta_softplus=softplus, return_last_state=True)
    generator = torch.Generator().manual_seed(7)
    weigh_y = torch.randn(y.shape, generator=generator).to(y.dtype).double()
    weigh_last = torch.randn(last.shape, generator=generator).double()
    given = {name: value for name, value in arguments.items() if value is not None}
    loss = (y.double() * weigh_y).sum() + (last.double() * weigh_last).sum()
    return y, last, dict(zip(given, torch.autograd.grad(loss, list(given.values())), strict=True))


def assert_equals_reference(arguments, softplus=True):
    dtype = arguments["u"].dtype
    with backend("numba"):
        y, last, gradients = outputs_and_gradients(arguments, softplus)
    # float64 of the same rounded values, and the same rounded gradient of y
    expected_y, expected_last, expected = outputs_and_gradients(to_float64(arguments), softplus)
    assert y.dtype == dtype
    assert last.dtype == torch.float32
    assert_close(y, expected_y, PRECISION[dtype], "y")
    assert_close(last, expected_last, PRECISION[torch.float32], "last state")
    for name, gradient in gradients.items():
        assert gradient.dtype == arguments[name].dtype
        precision = max(PRECISION[dtype], SUMS if name in ("A", "D", "delta_bias") else 0)
        summands = expected["delta"].transpose(0, 1).flatten(1) if name == "delta_bias" else None
        assert_close(gradient, expected[name], precision, f"gradient of {name}", summands)


@pytest.mark.parametrize("length", [1, 2, 15, 63, 64, 65, 197, 600])
@pytest.mark.parametrize("groups", [None, 1, 2, 4])
def test_lengths_and_groups(length, groups):
    assert_equals_reference(make_arguments(length=length, groups=groups))


@pytest.mark.parametrize("state", [1, 3, 4, 8, 16, 64])
def test_state_sizes(state):
    assert_equals_reference(make_arguments(length=65, state=state))


@pytest.mark.parametrize("without", [(), ("D",), ("z",), ("delta_bias",), OPTIONAL])
@pytest.mark.parametrize("softplus", [False, True])
def test_absent_options(without, softplus):
    arguments = make_arguments(length=33, without=without)
    if not softplus:
        arguments["delta"] = arguments["delta"].detach().abs().requires_grad_()
    assert_equals_reference(arguments, softplus)


@pytest.mark.parametrize("dtype", PRECISION)
def test_dtypes(dtype):
    assert_equals_reference(make_arguments(length=197, dtype=dtype))


def test_mixed_dtypes():
    arguments = make_arguments(length=65)
    for name in ("u", "B", "z"):
        arguments[name] = arguments[name].detach().half().requires_grad_()
    with backend("numba"):
        y, _, gradients = outputs_and_gradients(arguments)
    assert y.dtype == gradients["u"].dtype == gradients["z"].dtype == torch.float16
    assert gradients["delta"].dtype == torch.float32
    assert_close(y, outputs_and_gradients(to_float64(arguments))[0], PRECISION[torch.float16])


def test_non_contiguous_tensors():
    arguments = {}
    for name, value in make_arguments(length=65).items():
        spread = torch.stack([value.detach(), value.detach()], dim=-1).transpose(0, -1).contiguous().transpose(0, -1)
        arguments[name] = spread[..., 0].requires_grad_()
    assert not arguments["u"].is_contiguous()
    assert_equals_reference(arguments)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 3), st.sampled_from([(1, 1), (5, 1), (9, 3), (24, 2)]), st.integers(1, 300), st.integers(1, 9),
    st.sets(st.sampled_from(OPTIONAL)), st.integers(0, 99),
)  # fmt: skip
@example(1, (1, 1), 245, 1, set(), 0)  # the gradients of delta cancel in that of its bias
def test_any_shape(batch, dim_groups, length, state, without, seed):
    dim, groups = dim_groups
    assert_equals_reference(make_arguments(batch, dim, length, state, groups, tuple(without), seed=seed))


def test_more_channels_than_a_work_item():
    assert_equals_reference(make_arguments(batch=2, dim=76, length=70, groups=2))


def test_float64_is_computed_in_float64():
    arguments = make_arguments(dtype=torch.float64)
    with backend("numba"):
        got = selective_scan(**arguments)
    with backend("naive"):
        assert torch.equal(got, selective_scan(**arguments))


def test_same_bits_for_any_number_of_threads():
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            with backend("numba"):
                y, last, gradients = outputs_and_gradients(make_arguments(3, 48, 2000, state=16, groups=4))
            results.append([y, last, *gradients.values()])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(one, two) for one, two in zip(results[0], other, strict=True))


def test_extreme_steps_forget_or_keep_the_state():
    arguments = make_arguments(length=40, without=("z", "delta_bias"))
    for extreme in (-1e4, 1e4):
        arguments["delta"] = torch.full((2, 8, 40), extreme, requires_grad=True)
        assert_equals_reference(arguments)


def test_nan_is_not_swallowed():
    for name in ("u", "delta", "A", "B", "C", "D", "z", "delta_bias"):
        arguments = make_arguments(length=40)
        with torch.no_grad():
            arguments[name].view(-1)[0] = float("nan")
        with backend("numba"):
            assert selective_scan(**arguments, delta_softplus=True).isnan().any(), name


def test_compiles_into_one_graph():
    arguments = make_arguments(length=20)

    def double(**given):
        return 2 * selective_scan(**given, delta_softplus=True)

    compiled = torch.compile(double, backend="aot_eager", fullgraph=True)
    compiled(**arguments).sum().backward()
    got = arguments["A"].grad.clone()
    arguments["A"].grad = None
    double(**arguments).sum().backward()
    assert torch.equal(got, arguments["A"].grad)


def test_elementary_functions():
    numba = pytest.importorskip("numba")
    from cuescan.scan import lanes, lanes_memory, numba_functions

    @numba.njit
    def apply(x, e, p, s):
        for row in range(len(x)):
            value = lanes_memory.get(x, row)
            soft = numba_functions.softplus(value)
            lanes_memory.put(lanes.exp2(value), e, row)
            lanes_memory.put(soft, p, row)
            lanes_memory.put(numba_functions.softplus_slope(value, soft), s, row)

    def applied(values):
        x = np.resize(values.astype(np.float32), (-(-values.size // lanes.LANES), lanes.LANES))
        results = np.empty((3, *x.shape), np.float32)
        apply(x, *results)
        return x.reshape(-1)[: values.size].astype(np.float64), results.reshape(3, -1)[:, : values.size]

    x, (e, p, s) = applied(np.linspace(-80, 80, 100_001))
    np.testing.assert_allclose(e, np.exp2(x), rtol=2e-7)
    np.testing.assert_allclose(p, np.logaddexp(0, x), rtol=1e-5)  # e**x itself is off by |x| / 2**24
    np.testing.assert_allclose(p[np.abs(x) < 10], np.logaddexp(0, x[np.abs(x) < 10]), rtol=1e-6)
    np.testing.assert_allclose(s, 1 / (1 + np.exp(-x)), rtol=1e-5)
    np.testing.assert_allclose(s[np.abs(x) < 10], 1 / (1 + np.exp(-x[np.abs(x) < 10])), rtol=2e-6)

    _, (e, p, s) = applied(np.array([-1e30, 0, 1e30, np.nan]))
    np.testing.assert_allclose(e, [2.0**-126, 1, 2.0**127, np.nan])
    np.testing.assert_allclose(p, [0, np.log(2), 1e30, np.nan], rtol=2e-7, atol=1e-37)
    np.testing.assert_allclose(s, [0, 0.5, 1, np.nan], rtol=2e-7, atol=1e-37)


def route_arguments(routes, batch=2, dim=24, state=4, seed=0):
    """Random arguments of route_scan that require gradients, u and delta with neighbouring channels."""
    generator = torch.Generator().manual_seed(seed)
    number, length = routes.shape
    normal = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    values = {
        "u": normal(batch, length, dim).transpose(1, 2),
        "delta": normal(batch, number, length, dim).transpose(2, 3) - 1,
        "A": -torch.exp(normal(number, dim, state)),
        "B": normal(batch, number, state, length),
        "C": normal(batch, number, state, length),
        "D": normal(number, dim),
        "delta_bias": normal(number, dim) * 0.5,
    }
    return {name: value.requires_grad_() for name, value in values.items()}


def assert_routes_equal_reference(routes, **options):
    arguments = route_arguments(routes, **options)
    found = {}
    for kind, values in (("float32", arguments), ("float64", to_float64(arguments))):
        y = route_scan(**values, routes=routes, delta_softplus=True)
        weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(3))
        gradients = torch.autograd.grad((y * weights.to(y.dtype)).sum(), list(values.values()))
        found[kind] = {"y": y, **dict(zip(values, gradients, strict=True))}
    for name, got in found["float32"].items():
        precision = SUMS if name in ("A", "D", "delta_bias") else PRECISION[torch.float32]
        assert_close(got, found["float64"][name], precision, name)


@pytest.mark.parametrize("dim", [1, 16, 24, 48])
@pytest.mark.parametrize("height_width", [(1, 1), (5, 7), (9, 16), (14, 14)])
def test_four_routes(dim, height_width):
    assert_routes_equal_reference(four_ways(*height_width, torch.device("cpu")), dim=dim)


@pytest.mark.parametrize("batch", [1, 40])  # few work items: every route has an output of its own; many: they share
def test_both_directions(batch):
    assert_routes_equal_reference(both_ways(70, torch.device("cpu")), batch=batch, dim=8, state=16)


def test_routes_in_any_layout_and_any_permutation():
    generator = torch.Generator().manual_seed(1)
    routes = torch.stack([torch.randperm(90, generator=generator) for _ in range(3)])
    assert_routes_equal_reference(routes, dim=16)
    arguments = route_arguments(routes, dim=16)
    packed = {name: value.detach().contiguous() for name, value in arguments.items()}
    expected = route_scan(**arguments, routes=routes, delta_softplus=True)
    assert torch.allclose(route_scan(**packed, routes=routes, delta_softplus=True), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("layout", ["channels adjacent", "positions adjacent"])
@pytest.mark.parametrize("state", [3, 4])
def test_operator_keeps_torchs_contract(layout, state):
    assert "numba" in available_backends()  # which registers the operator
    routes = both_ways(20, torch.device("cpu"))
    given = route_arguments(routes, dim=6, state=state)
    if layout == "positions adjacent":
        given = {name: value.detach().contiguous().requires_grad_() for name, value in given.items()}
    given["B"], given["C"] = given["B"].unsqueeze(2), given["C"].unsqueeze(2)
    arguments = (*given.values(), True, routes)
    torch.library.opcheck(torch.ops.cuescan.scan_numba, arguments)
    with torch.no_grad():
        y, last_state, states = torch.ops.cuescan.scan_numba(*arguments)
        arguments = (*arguments, states, torch.ones_like(y), torch.ones_like(last_state))
        torch.library.opcheck(torch.ops.cuescan.scan_numba_backward, arguments)

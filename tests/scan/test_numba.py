"""The numba backend against the float64 recurrence: outputs, last state and all gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import assert_close, make_arguments, to_float64

from cuescan.scan import backend, selective_scan

pytest.importorskip("numba")
OPTIONAL = ("D", "z", "delta_bias")
PRECISION = {torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 1e-2}  # about 4 units of the output's rounding


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
        assert_close(gradient, expected[name], PRECISION[dtype], f"gradient of {name}")


@pytest.mark.parametrize("length", [1, 2, 63, 65, 197, 256, 257, 600])
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
                y, last, gradients = outputs_and_gradients(make_arguments(batch=3, dim=48, length=300, groups=4))
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
    from cuescan.scan import numba_functions as functions

    @numba.njit
    def apply(x, e, p, s):
        for i in range(x.size):
            e[i], p[i], s[i] = functions.exp(x[i]), functions.softplus(x[i]), functions.sigmoid(x[i])

    x = np.linspace(-87.2, 88.3, 100_001).astype(np.float32)
    e, p, s = np.empty((3, x.size), np.float32)
    apply(x, e, p, s)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(e, np.exp(exact), rtol=2e-7)
    np.testing.assert_allclose(p, np.logaddexp(0, exact), rtol=4e-7)
    np.testing.assert_allclose(s, 1 / (1 + np.exp(-exact)), rtol=4e-7)

    x = np.array([-np.inf, -1e30, 0, 1e30, np.inf, np.nan], np.float32)
    e, p, s = np.empty((3, x.size), np.float32)
    apply(x, e, p, s)
    np.testing.assert_array_equal(e, np.float32([0, 0, 1, np.inf, np.inf, np.nan]))
    np.testing.assert_array_equal(p, np.float32([0, 0, np.log(2), 1e30, np.inf, np.nan]))
    np.testing.assert_array_equal(s, np.float32([0, 0, 0.5, 1, 1, np.nan]))

"""The recurrence that defines the scan, against loops over scalars and finite differences."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import NAMES, assert_close, make_arguments, scan_by_loops

from cuescan.scan import backend, selective_scan

OPTIONAL = ("D", "z", "delta_bias")


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 2), st.sampled_from([(4, 1), (4, 2), (6, 3)]), st.integers(1, 9), st.integers(1, 5),
    st.sets(st.sampled_from(OPTIONAL)), st.booleans(), st.integers(0, 99),
)  # fmt: skip
def test_equals_loops_over_scalars(batch, dim_groups, length, state, without, softplus, seed):
    dim, groups = dim_groups
    arguments = make_arguments(batch, dim, length, state, groups, tuple(without), torch.float64, seed)
    with backend("naive"):
        y, last = selective_scan(**arguments, delta_softplus=softplus, return_last_state=True)
    arrays = [None if arguments[name] is None else arguments[name].detach().numpy() for name in NAMES]
    expected_y, expected_last = scan_by_loops(*arrays, softplus)
    assert y.dtype == last.dtype == torch.float64
    assert_close(y, torch.from_numpy(expected_y), 1e-12)
    assert_close(last, torch.from_numpy(expected_last), 1e-12)


@pytest.mark.parametrize("softplus", [False, True])
def test_gradients_are_those_of_finite_differences(softplus):
    arguments = make_arguments(1, 4, 3, 2, 2, dtype=torch.float64)
    call = lambda *values: selective_scan(*values, delta_softplus=softplus, return_last_state=True)  # noqa: E731
    assert torch.autograd.gradcheck(call, [arguments[name] for name in NAMES])


def test_state_is_float32_for_half_inputs():
    arguments = make_arguments(dtype=torch.float16)
    with backend("naive"):
        y, last = selective_scan(**arguments, delta_softplus=True, return_last_state=True)
    assert y.dtype == torch.float16
    assert last.dtype == torch.float32

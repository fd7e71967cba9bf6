"""Each wrong argument is refused by a message with its name, the rule and the value."""

from __future__ import annotations

import re

import pytest
import torch
from reference import make_arguments

from cuescan.scan import backend, both_ways, route_scan, selective_scan

ones = torch.ones
DTYPES = "float16, bfloat16, float32 or float64"
WRONG = [
    ("u", ones(2, 8), ValueError, "u must be (batch, dim, length), none of them 0, got (2, 8)"),
    ("delta", ones(2, 8, 19), ValueError, "delta must be (batch, dim, length) = (2, 8, 20), got (2, 8, 19)"),
    ("A", ones(7, 4), ValueError, "A must be (dim, state) = (8, any), got (7, 4)"),
    ("A", ones(8, 0), ValueError, "A must be (dim, state) = (8, any), got (8, 0)"),
    ("A", ones(8, 4, dtype=torch.complex64), TypeError, f"A must be {DTYPES}, got torch.complex64"),
    ("B", ones(2, 3, 20), ValueError, "B must be (batch, state, length) = (2, 4, 20), got (2, 3, 20)"),
    ("B", ones(2, 2, 4, 9), ValueError, "B must be (batch, groups, state, length) = (2, any, 4, 20), got (2, 2, 4, 9)"),
    ("B", ones(20), ValueError, "B must be (batch, groups, state, length) = (2, any, 4, 20), got (20,)"),
    ("B", ones(2, 3, 4, 20), ValueError, "B's groups must divide u's dim 8, got 3"),
    ("C", ones(2, 4, 4, 20), ValueError, "C must have as many groups as B, 2, got 4"),
    ("C", ones(2, 4, 20), ValueError, "C must have as many groups as B, 2, got 1"),
    ("C", None, TypeError, "C must be a tensor, got NoneType"),
    ("D", ones(8, 1), ValueError, "D must be (dim,) = (8), got (8, 1)"),
    ("D", 1.0, TypeError, "D must be a tensor, got float"),
    ("z", ones(1, 8, 20), ValueError, "z must be (batch, dim, length) = (2, 8, 20), got (1, 8, 20)"),
    ("z", ones(2, 8, 20, device="meta"), ValueError, "z must be on u's device cpu, got meta"),
    ("delta_bias", ones(4), ValueError, "delta_bias must be (dim,) = (8), got (4,)"),
]
ROUTES = both_ways(20, torch.device("cpu"))
WRONG_OF_ROUTES = [
    ("u", None, TypeError, "u must be a tensor, got NoneType"),
    ("delta", ones(2, 8, 20), ValueError, "delta must be (batch, routes, dim, length) = (2, 2, 8, 20), got (2, 8, 20)"),
    ("delta", ones(2, 4, 8, 20), ValueError,
     "delta must be (batch, routes, dim, length) = (2, 2, 8, 20), got (2, 4, 8, 20)"),
    ("A", ones(8, 4), ValueError, "A must be (routes, dim, state) = (2, 8, any), got (8, 4)"),
    ("B", ones(2, 4, 20), ValueError, "B must be (batch, routes, state, length) = (2, 2, 4, 20), got (2, 4, 20)"),
    ("B", None, TypeError, "B must be a tensor, got NoneType"),
    ("C", ones(2, 2, 5, 20), ValueError, "C must be B's shape = (2, 2, 4, 20), got (2, 2, 5, 20)"),
    ("D", ones(16), ValueError, "D must be (routes, dim) = (2, 8), got (16,)"),
    ("delta_bias", ones(2, 4), ValueError, "delta_bias must be (routes, dim) = (2, 8), got (2, 4)"),
    ("routes", ROUTES[0], ValueError, "routes must be (routes, length) = (any, 20), got (20,)"),
    ("routes", ROUTES[:, :19], ValueError, "routes must be (routes, length) = (any, 20), got (2, 19)"),
    ("routes", ROUTES[:0], ValueError, "routes must be (routes, length) = (any, 20), got (0, 20)"),
    ("routes", ROUTES.float(), TypeError, "routes must be int32 or int64, got torch.float32"),
    ("routes", ROUTES.tolist(), TypeError, "routes must be a tensor, got list"),
    ("routes", ROUTES.to("meta"), ValueError, "routes must be on u's device cpu, got meta"),
    ("routes", ROUTES + 1, ValueError, "routes must hold positions 0 ... 19, got 1 ... 20"),
    ("routes", ROUTES - 1, ValueError, "routes must hold positions 0 ... 19, got -1 ... 18"),
]  # fmt: skip


def arguments_of_routes():
    values = make_arguments(without=("z",))
    del values["z"]
    values["delta"] = values["delta"].unsqueeze(1).repeat(1, 2, 1, 1)
    return {name: value.repeat(2, *[1] * value.dim()) if name in ("A", "D", "delta_bias") else value
            for name, value in values.items()} | {"routes": ROUTES}  # fmt: skip


@pytest.mark.parametrize(("name", "value", "error", "message"), WRONG)
def test_wrong_arguments_are_refused(name, value, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        selective_scan(**{**make_arguments(), name: value})


@pytest.mark.parametrize(("name", "value", "error", "message"), WRONG_OF_ROUTES)
def test_wrong_arguments_with_routes_are_refused(name, value, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        route_scan(**{**arguments_of_routes(), name: value})


def test_the_right_ones_are_not():
    with backend("naive"):
        assert route_scan(**arguments_of_routes()).shape == selective_scan(**make_arguments()).shape == (2, 8, 20)


def test_empty_input_is_refused():
    with pytest.raises(ValueError, match=r"^u must be \(batch, dim, length\), none of them 0, got \(2, 8, 0\)$"):
        selective_scan(**make_arguments(length=0))

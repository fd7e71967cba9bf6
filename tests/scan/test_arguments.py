"""Each wrong argument is refused by a message with its name, the rule and the value."""

from __future__ import annotations

import re

import pytest
import torch
from reference import make_arguments

from cuescan.scan import selective_scan

ones = torch.ones
WRONG = [
    ("u", ones(2, 8), ValueError, "u must be (batch, dim, length), none of them 0, got (2, 8)"),
    ("delta", ones(2, 8, 19), ValueError, "delta must have u's shape (2, 8, 20), got (2, 8, 19)"),
    ("A", ones(7, 4), ValueError, "A must be (dim, state) with u's dim 8 and state >= 1, got (7, 4)"),
    ("A", ones(8, 4, dtype=torch.complex64), TypeError,
     "A must be float16, bfloat16, float32 or float64, got torch.complex64"),
    ("B", ones(2, 3, 20), ValueError,
     "B must be (batch, state, length) or (batch, groups, state, length) with batch 2, state 4, length 20, "
     "got (2, 3, 20)"),
    ("B", ones(2, 3, 4, 20), ValueError, "B's groups must divide u's dim 8, got 3"),
    ("C", ones(2, 4, 4, 20), ValueError,
     "C must have as many groups as B, whose shape is (2, 2, 4, 20), got (2, 4, 4, 20)"),
    ("C", None, TypeError, "C must be a tensor, got NoneType"),
    ("D", ones(8, 1), ValueError, "D must be (dim,) with u's dim 8, got (8, 1)"),
    ("z", ones(1, 8, 20), ValueError, "z must have u's shape (2, 8, 20), got (1, 8, 20)"),
    ("delta_bias", ones(4), ValueError, "delta_bias must be (dim,) with u's dim 8, got (4,)"),
    ("z", ones(2, 8, 20, device="meta"), ValueError, "z must be on u's device cpu, got meta"),
    ("D", 1.0, TypeError, "D must be a tensor, got float"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "error", "message"), WRONG)
def test_wrong_arguments_are_refused(name, value, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        selective_scan(**{**make_arguments(), name: value})


def test_empty_input_is_refused():
    with pytest.raises(ValueError, match=r"^u must be \(batch, dim, length\), none of them 0, got \(2, 8, 0\)$"):
        selective_scan(**make_arguments(length=0))

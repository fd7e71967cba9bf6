"""benchmarks/fusion.py: the command runs, its rows agree with one another, and the two forms of attention agree."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fusion_blocks import BIDF, EFFICIENT, PLAIN, WIDTH, Attention, attention_bytes, block, contestant, parameters
from measuring.contest import compare, weights_of
from torch import nn

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "fusion.py"
MODES = ("forward", "forward and backward")


def run(report: Path, *arguments: str) -> tuple[dict, str]:
    """The command on a small image; what it wrote and printed."""
    words = [sys.executable, str(SCRIPT), "--quick", "--threads", "1", "--json", str(report), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(report.read_text()), done.stdout


def test_the_command(tmp_path):
    found, printed = run(tmp_path / "fusion.json", "--limit-gb", "0.012")  # plain: 8 MB forward, 16 MB with backward
    assert found["packages"]["torch"] == torch.__version__.split("+")[0]
    assert found["processor"] in printed
    assert found["parameters"] == {name: parameters(name) for name in (BIDF, EFFICIENT, PLAIN)}
    rows = {(row["mode"], row["block"]): row for row in found["rows"]}
    assert set(rows) == {(mode, name) for mode in MODES for name in (BIDF, EFFICIENT, PLAIN)}
    assert {(row["side"], row["grid"]) for row in found["rows"]} == {(96, 24)}
    assert "seconds" not in rows.pop((MODES[1], PLAIN))
    assert "attention, plain        not run: needs 0.0159 GB or more" in printed
    for (mode, _), row in rows.items():
        ours = rows[mode, BIDF]
        assert len(row["seconds"]["all"]) == found["rounds"] == 2
        assert row["seconds"]["min"] > 0
        assert math.isclose(
            row["times_ours"]["of_medians"], row["seconds"]["median"] / ours["seconds"]["median"], rel_tol=1e-9
        )
        if row["bytes"] is not None:
            assert row["bytes"] > 0
            assert row["bytes_over_ours"] == row["bytes"] / ours["bytes"]
    plain, efficient = rows[MODES[0], PLAIN]["bytes"], rows[MODES[0], EFFICIENT]["bytes"]
    if plain is not None:
        assert plain > max(efficient, attention_bytes(PLAIN, 96, 2) / 2)


def test_both_forms_of_attention_agree():
    efficient, plain = (contestant(name, 64, "cpu") for name in (EFFICIENT, PLAIN))
    compare(efficient, [plain], weights_of(efficient), "64 pixels")
    assert parameters(EFFICIENT) == parameters(PLAIN)


@pytest.mark.parametrize("plain", [False, True])
def test_attention_is_that_of_torch(plain):
    torch.manual_seed(0)
    ours = Attention(12, 20, 3, plain)
    theirs = nn.MultiheadAttention(12, 3, kdim=20, vdim=20, batch_first=True)
    key, value = ours.key_value.weight.chunk(2)
    with torch.no_grad():
        theirs.q_proj_weight.copy_(ours.query.weight)
        theirs.k_proj_weight.copy_(key)
        theirs.v_proj_weight.copy_(value)
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key_value.bias]))
        theirs.out_proj.load_state_dict(ours.out_projection.state_dict())
    tokens, context = torch.randn(2, 7, 12), torch.randn(2, 5, 20)
    torch.testing.assert_close(ours(tokens, context), theirs(tokens, context, context)[0])


@pytest.mark.parametrize("name", [BIDF, EFFICIENT, PLAIN])
def test_every_input_and_weight_counts(name):
    made = contestant(name, 32, "cpu")
    y = made.run(**made.leaves)
    assert y.shape == (1, WIDTH, 8, 8)
    for leaf, gradient in zip(
        made.leaves, torch.autograd.grad(y.square().sum(), list(made.leaves.values())), strict=True
    ):
        if not leaf.endswith("key_value.bias"):  # a key's bias changes no weight of attention
            assert gradient.abs().max() > 0, leaf


def test_projections_are_those_of_bidf():
    ours, theirs = (dict(block(name).named_parameters()) for name in (BIDF, EFFICIENT))
    shared = [name for name in ours if not name.startswith(("space", "channel"))]
    assert {name: ours[name].shape for name in shared} == {name: theirs[name].shape for name in shared}

"""benchmarks/scan.py: the command prints and writes every table, and shows no time where results disagree."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from measuring.contest import Contestant, Disagreement, compare
from measuring.processes import peak, reset_peak
from measuring.timing import in_turns, ratios, summary
from scan_tables.peers import given, make, ours, why_not
from scan_tables.settings import MAMBA_PY, NAIVE, REFERENCE, Size

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "scan.py"
FAST = ours("cpu")[0]

RIGHT = """
import torch

def pscan(A, X):
    states = [X[:, 0]]
    for t in range(1, X.shape[1]):
        states.append(A[:, t] * states[-1] + X[:, t])
    return torch.stack(states, 1)

class MambaBlock:
    def selective_scan(self, x, delta, A, B, C, D):
        states = pscan(torch.exp(delta.unsqueeze(-1) * A), (delta * x).unsqueeze(-1) * B.unsqueeze(2))
        return (states @ C.unsqueeze(-1)).squeeze(3) + D * x
"""
WRONG = RIGHT.replace("torch.stack(states, 1)", "1.01 * torch.stack(states, 1)")


def run(*arguments: object, fake: tuple[Path, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The command on tiny sizes, with a mambapy of its own if ``fake`` gives a folder for it and its source."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if fake is not None:
        package = fake[0] / "mambapy"
        package.mkdir()
        for name in ("__init__", "pscan", "mamba"):
            (package / f"{name}.py").write_text(fake[1])
        environment["PYTHONPATH"] = str(fake[0])
    words = [sys.executable, str(SCRIPT), "--sizes", "tiny", "--threads", "1", *map(str, arguments)]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=900)


def test_every_table(tmp_path):
    figure, report = tmp_path / "new" / "figure.png", tmp_path / "report.json"
    done = run("--json", report, "--figure", figure, fake=(tmp_path, RIGHT))
    assert done.returncode == 0, done.stdout + done.stderr
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert [line[:2] for line in done.stdout.splitlines() if line[1:2] == "."] == ["A.", "B.", "C.", "D.", "E.", "F."]
    assert "steps: " in done.stderr  # progress

    found = json.loads(report.read_text())
    tables = found["tables"]
    assert found["disagreement"] is None
    assert (found["threads"], found["sizes"], found["device"]) == (1, "tiny", "cpu")
    assert found["packages"]["torch"] == torch.__version__.split("+")[0]
    assert found["processor"] in done.stdout

    everyone = {FAST, MAMBA_PY, REFERENCE, NAIVE}
    for mode in ("forward", "forward and backward"):
        rows = {row["contestant"]: row for row in tables["A"] if row["mode"] == mode}
        assert set(rows) == everyone
        assert rows[FAST]["times_ours"] is None
        medians = {name: row["seconds"]["median"] for name, row in rows.items()}
        assert math.isclose(rows[MAMBA_PY]["times_ours"]["of_medians"], medians[MAMBA_PY] / medians[FAST])
        assert all(len(row["seconds"]["all"]) == found["rounds"] for row in rows.values())
    assert {row["contestant"] for row in tables["B"]} <= everyone
    assert all(row["times_arguments"] > 0 for row in tables["B"])
    ways = {row["contestant"] for row in tables["C"]}
    assert ways == {"fused", "unfused", "flip and stack", "flips, joined"}
    assert {row["length"] for row in tables["D"]} == {16, 32, 64}
    for row in tables["E"]:
        assert 0 < row["share_of_multiply_adds"] < 1
        assert 0 < row["share_of_bandwidth"] < 1
    (step,) = tables["F"]
    assert 0 < step["share_of_scans"] < 1
    assert step["seconds"]["min"] > 0


def test_no_time_is_shown_where_results_disagree(tmp_path):
    report = tmp_path / "report.json"
    done = run("--only", "A", "--json", report, fake=(tmp_path, WRONG))
    assert done.returncode == 1, done.stderr
    reason = f"y of {MAMBA_PY} and of {FAST} differ by "
    assert f"The results disagree, so no time is shown: {reason}" in done.stdout
    assert "paired" not in done.stdout
    found = json.loads(report.read_text())
    assert found["disagreement"].startswith(reason)
    assert found["tables"] == {}


def test_a_missing_peer_takes_one_line(tmp_path):
    done = run("--only", "A", fake=(tmp_path, "raise ImportError('mambapy is blocked')"))
    assert done.returncode == 0, done.stderr
    assert f"  {MAMBA_PY} is not timed: ImportError: mambapy is blocked (pip install mambapy)" in done.stdout
    assert sum(MAMBA_PY in line for line in done.stdout.splitlines()) == 1


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("peer", [MAMBA_PY, REFERENCE, NAIVE])
def test_peers_compute_the_scan(peer, groups):
    if peer == MAMBA_PY:
        pytest.importorskip("mambapy")
        assert not why_not(peer)
    size = Size(2, 6, 11, 3, groups)
    tensors = given(size, "cpu")
    (expected,) = make(FAST, size, tensors)
    dy = torch.linspace(-1, 1, 2 * 6 * 11).view(2, 6, 11)
    compare(expected, make(peer, size, tensors), dy, str(size))


@pytest.mark.parametrize(
    ("factor", "what"),
    [
        (lambda x: 1.001 * x, "y"),
        (lambda x: 2 * x - x.detach(), "the gradient of u"),
        (lambda x: x * math.nan, "y"),
    ],
)
def test_disagreement_is_found(factor, what):
    leaves = {"u": torch.ones(2, 3, 5, requires_grad=True)}
    right = Contestant("right", leaves, lambda u: u.sin())
    wrong = Contestant("wrong", leaves, lambda u: factor(u.sin()))
    compare(right, [right], torch.ones(2, 3, 5), "a size")
    with pytest.raises(Disagreement, match=f"^{what} of wrong and of right differ by .* at a size$"):
        compare(right, [right, wrong], torch.ones(2, 3, 5), "a size")


def test_calls_take_turns(monkeypatch):
    monkeypatch.setattr("measuring.timing.SPAN", 0)
    order: list[str] = []
    calls = {name: lambda name=name: order.append(name) for name in "AB"}
    times = in_turns(calls, 3, "cpu", "turns")
    assert "".join(order).endswith("ABABAB")
    assert {name: len(each) for name, each in times.items()} == {"A": 3, "B": 3}


def test_ratios_pair_the_rounds():
    assert ratios([2.0, 30.0, 4.0], [1.0, 10.0, 4.0]) == {"of_medians": 1.0, "paired": 2.0}
    assert summary([3.0, 1.0, 2.0])["quartiles"] == [1.5, 2.5]
    assert summary([3.0])["quartiles"] == [3.0, 3.0]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux resets the peak")
def test_peak_memory_sees_what_is_freed_again():
    reset_peak()
    before = peak()
    torch.ones(2**24).sum()
    assert 60 * 2**20 < peak() - before < 80 * 2**20

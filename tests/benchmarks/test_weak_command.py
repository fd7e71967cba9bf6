"""benchmarks/weak.py as a command: a real run from images to the table, and what it says before and instead."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from weak_tables import work

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "weak.py"
TINY = """
title: Tiny
data: {set: synthetic, cases: 8, test_cases: 2, size: 48, folds: 2}
budget: {epochs: 1, iterations: 1}
options: {batch_size: 2, lr: 1.0e-3, workers: 0, validation_cases: 1}
tta: false
environment: {nnUNet_def_n_proc: 1}
methods:
  PathMamba: PathMambaTrainer
"""


def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", **variables}
    words = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600)


@pytest.fixture
def tiny(tmp_path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def test_from_images_to_the_table(tiny, tmp_path):
    output = tmp_path / "out"
    words = (tiny, "-o", output, "--device", "cpu")
    done = run(*words, CUESCAN_LR="0.7")  # a variable of the shell must not reach the trainings
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = json.loads((output / "results.json").read_text())
    (row,) = found["rows"]
    assert (row["method"], row["seed"], row["fold"], row["stage"]) == ("PathMamba", 0, 0, 1)
    assert set(row["scores"]["cases"]) == {"tissue_0000", "tissue_0001"}
    assert row["scores"]["predictions"] == row["predictions"]
    assert row["minutes"] > 0
    assert found["versions"]["nnunetv2"]
    assert found["machine"]["processor"]
    plans = json.loads((output / row["training"]).parent.joinpath("plans.json").read_text())
    assert plans["cuescan"]["options"]["lr"] == 1e-3
    assert plans["cuescan"]["options"]["seed"] == 0
    table = (output / "table.md").read_text(encoding="utf-8")
    assert table.strip() in done.stdout
    steps = [json.loads(path.read_text()) for path in (output / "steps").rglob("*.json")]
    assert [step["done"] for step in steps] == [True] * 6
    assert f"| PathMamba | image labels | {row['scores']['mean']['dice']:.3f} |" in table
    assert (output / "figure.png").read_bytes().startswith(b"\x89PNG")

    logs = {path: path.stat().st_mtime_ns for path in output.rglob("*.log")}
    again = run(*words)
    assert again.returncode == 0, again.stderr
    assert "$" not in again.stdout
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*.log")} == logs
    assert (output / "table.md").read_text(encoding="utf-8") == table

    tiny.write_text(TINY.replace("epochs: 1", "epochs: 2"))
    refused = run(*words)
    assert refused.returncode == 2
    assert "this folder was begun with other settings (budget: epochs was 1, now 2)" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_list_runs_nothing(tiny, tmp_path):
    done = run(tiny, "-o", tmp_path / "out", "--device", "cpu", "--list")
    assert done.returncode == 0, done.stderr
    assert "[4/6] train PathMamba, seed 0, fold 0\n  $ nnUNet_results=" in done.stdout
    assert f"export nnUNet_raw={tmp_path / 'out' / 'nnUNet_raw'}" in done.stdout
    assert not (tmp_path / "out").exists()


def test_without_a_file(tmp_path):
    words = ("--set", "synthetic", "--methods", "PathMambaTrainer", "SupervisedTrainer", "--epochs", 3, "--seeds", 4, 5)
    done = run(*words, "--option", "lr=1e-3", "--list", "--device", "cpu", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "CUESCAN_EPOCHS=3 CUESCAN_LR=1e-3 CUESCAN_SEED=4" in done.stdout
    assert "train SupervisedTrainer, seed 5, fold 0" in done.stdout


def test_a_part_of_a_file(tmp_path):
    words = (SCRIPT.parent / "configs" / "quick.yaml", "--list", "--device", "cpu", "-o", tmp_path / "out")
    done = run(*words, "--methods", "PathMamba", "--seeds", 1)
    assert "train PathMamba, seed 1" in done.stdout
    assert "PathMamba, seed 0" not in done.stdout
    assert "nnU-Net on masks" not in done.stdout
    wrong = run(*words, "--methods", "PathMmba")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "the configuration has 'PathMamba', 'nnU-Net on masks', did you mean 'PathMamba'?" in wrong.stderr


def test_a_later_stage_is_run_alone_with_what_it_needs(tmp_path):
    words = (SCRIPT.parent / "configs" / "glas.yaml", "--list", "--device", "cpu", "-o", tmp_path / "out")
    done = run(*words, "--methods", "PathMamba, whole images + pretrained U-Net", "--seeds", 0)
    assert done.returncode == 0, done.stderr
    assert "train PathMamba, whole images, seed 0" in done.stdout
    assert "score PathMamba, whole images + pretrained U-Net, seed 0" in done.stdout
    assert "+ third" not in done.stdout and "score PathMamba, whole images, seed 0" not in done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "give a configuration file, or --set and --methods"),
        (("x.yaml", "--epochs", "3"), "--epochs: the configuration file says this; change it there"),
        (("x.yaml",), "x.yaml: cannot be read (No such file or directory); check the path"),
        (("--set", "synthetic", "--methods", "PathMambaTrainer", "--option", "lr"), "--option lr: has no value"),
    ],
)
def test_wrong_words(words, told):
    done = run(*words)
    assert done.returncode == 2
    assert told in done.stderr


def test_help_has_examples():
    assert "python benchmarks/weak.py benchmarks/configs/glas.yaml --list" in run("--help").stdout


def test_a_stopped_command_leaves_no_process(tmp_path, monkeypatch):
    monkeypatch.setattr(work, "POLL", 0.05)
    code = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); " \
           "print('begun', flush=True); time.sleep(60)"  # fmt: skip
    log, seconds = tmp_path / "log", []
    processes = work.Subprocess({**os.environ}, lambda name: sys.executable)

    def note(passed: float) -> None:
        seconds.append(passed)
        if log.read_text().rstrip().endswith("begun"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        processes(["python", "-c", code], {}, log, note)
    assert seconds == sorted(seconds)
    if os.name == "posix":
        running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
        assert "import time; time.sleep(60)" not in running

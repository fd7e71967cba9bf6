"""Runs to report on: a fold as nnU-Net leaves it, and a benchmark.

The path lets tests import the tiny data set under pytest's importlib mode.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "nnunet")]

from reported_runs import Place, make_place, scored  # noqa: E402

from cuescan.cli import main  # noqa: E402


@pytest.fixture
def place(tmp_path, monkeypatch) -> Place:
    """Data set 1 with masks and a fold of it; case number n has n rows of its prediction wrong."""
    return make_place(tmp_path, monkeypatch)


@pytest.fixture
def weak_place(tmp_path, monkeypatch) -> Place:
    """The same with masks that are all ``ignore``, as a data set of cues alone has them."""
    return make_place(tmp_path, monkeypatch, masks=False)


@pytest.fixture
def benchmark(tmp_path) -> Path:
    """The folder of a benchmark of three methods, with three seeds and two folds each."""
    folder = tmp_path / "benchmark"
    folder.mkdir()
    rows = [
        {
            "method": method, "label": label, "trainer": trainer, "learns_from": source, "stage": stage, "seed": seed,
            "fold": fold, "scores": scored(level + 0.01 * seed + 0.001 * fold), "minutes": 10.0,
        }
        for method, label, trainer, source, stage, level in (
            ("PathMamba", "PathMamba", "PathMambaTrainer", "labels", 1, 0.6),
            ("PathMamba", "PathMamba, second stage", "nnUNetTrainer", "pseudo-labels", 2, 0.7),
            ("nnU-Net", "nnU-Net", "nnUNetTrainer", "masks", 1, 0.8),
        )
        for seed in (0, 1, 2)
        for fold in (0, 1)
    ]  # fmt: skip
    document = {
        "title": "Weak supervision on <GlaS>", "machine": {"processor": "a CPU", "gpu": None}, "device": "cpu",
        "commit": "42379cd", "versions": {"torch": "2.15.0"},
        "data": {"dataset": "Dataset601_GlaS", "source": str(tmp_path / "glas")},
        "seeds": [0, 1, 2], "rows": rows, "planned": 20,
        "published": [{"method": "OEEM", "source": "MICCAI 2022", "tests": "80 images", "scores": {"iou": 0.7756}}],
    }  # fmt: skip
    (folder / "results.json").write_text(json.dumps(document))
    Image.fromarray(np.zeros((30, 60, 3), np.uint8)).save(folder / "figure.png")
    return folder


@pytest.fixture
def report(tmp_path) -> Callable[..., str]:
    """Run ``cuescan report`` and return the page."""

    def run(*arguments, status: int = 0) -> str:
        output = tmp_path / "page.html"
        assert main(["report", *map(str, arguments), "-o", str(output)]) == status
        return output.read_text(encoding="utf-8")

    return run

"""A weak model of five folds, as a training leaves it.

The paths let tests import helpers under pytest's importlib mode.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(Path(__file__).parent), str(TESTS / "nnunet"), str(TESTS / "monai")]

from weak_folds import WeakFolds, make_folds  # noqa: E402


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> WeakFolds:
    """A workplace with data set 1, its splits, and a model of each fold; do not change it."""
    place = WeakFolds(tmp_path_factory.mktemp("weak_folds"))
    with place.entered() as patch:
        make_folds(place, patch)
    return place


@pytest.fixture
def place(made, tmp_path) -> WeakFolds:
    """A copy of it, with its folders as this process's environment."""
    copy = made.copied(tmp_path / "place")
    with copy.entered():
        yield copy


@pytest.fixture
def label(place, capsys):
    """Run ``cuescan pseudo-label`` in this process; return the new data set's folder and its record."""
    from cuescan.cli import main

    def run(*options: str, number: int = 2) -> tuple[Path, dict]:
        status = main(["pseudo-label", "-d", "1", "-o", str(number), "-device", "cpu", *options])
        assert status == 0, capsys.readouterr().err
        (folder,) = place.raw.glob(f"Dataset{number:03d}_*")
        return folder, json.loads((folder / "pseudo_label.json").read_text())

    return run


@pytest.fixture
def refused(place, capsys):
    """Run ``cuescan pseudo-label`` with options that it refuses; return its one sentence."""
    from cuescan.cli import main

    def run(*options: str) -> str:
        before = sorted(place.raw.rglob("*"))
        status = main(["pseudo-label", "-d", "1", "-o", "2", "-device", "cpu", *options])
        error = capsys.readouterr().err
        assert status == 2 and "Traceback" not in error
        assert sorted(place.raw.rglob("*")) == before, "something was written"
        (sentence,) = [line for line in error.splitlines() if line.startswith("cuescan: error: ")]
        return sentence.removeprefix("cuescan: error: ")

    return run

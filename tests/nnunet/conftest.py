"""A planned tiny data set; the path lets tests import this folder's helpers under pytest's importlib mode."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import tiny_dataset as tiny  # noqa: E402
import tiny_encoder  # noqa: E402
import tiny_sentences  # noqa: E402
from nnunet_workplace import Workplace  # noqa: E402


@pytest.fixture(scope="session")
def workplace(tmp_path_factory) -> Workplace:
    """A workplace with one planned data set, number 1, that has masks; do not change the data set."""
    place = Workplace(tmp_path_factory.mktemp("workplace"))
    tiny.make_raw(place.raw)
    place.run("cuescan", "plan", "-d", "1")
    return place


@pytest.fixture
def active(workplace, monkeypatch, tmp_path):
    """The workplace as this process's environment, with results of its own."""
    for key in [key for key in os.environ if key.startswith("CUESCAN_")]:
        monkeypatch.delenv(key)
    for key, value in workplace.environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))
    return workplace


@pytest.fixture(scope="session")
def encoder(tmp_path_factory) -> Path:
    """The folder of a tiny text and image encoder."""
    return tiny_encoder.make_encoder(tmp_path_factory.mktemp("encoders") / "tiny_clip")


@pytest.fixture(scope="session")
def planned_sentences(workplace) -> None:
    """Data set 5 of the workplace, with sentences; do not change it."""
    tiny_sentences.make_raw(workplace.raw)
    workplace.run("cuescan", "plan", "-d", "5")


@pytest.fixture
def sentences(planned_sentences, active, encoder, monkeypatch):
    """The workplace as this process's environment, with data set 5 and the tiny encoder."""
    monkeypatch.setenv("CUESCAN_ENCODER", str(encoder))
    return active

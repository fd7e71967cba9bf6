"""Trained bundles; the path lets tests import this folder's helpers under pytest's importlib mode."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from tiny_bundles import NAMES, Bundle, trained_bundle  # noqa: E402


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    """Tiny images gain nothing by threads, which wait by spinning beside other load."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def pathmamba(tmp_path_factory) -> Bundle:
    """A copy of the bundle after one epoch by its own command; do not change it."""
    return trained_bundle("pathmamba", tmp_path_factory.mktemp("pathmamba"))


@pytest.fixture(scope="session")
def tifcmamba(tmp_path_factory) -> Bundle:
    """The same for the other bundle."""
    return trained_bundle("tifcmamba", tmp_path_factory.mktemp("tifcmamba"))


@pytest.fixture(params=NAMES)
def bundle(request) -> Bundle:
    """Each of them."""
    return request.getfixturevalue(request.param)

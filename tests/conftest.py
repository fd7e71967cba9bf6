"""Fixtures that every part's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("cuescan", deadline=None)  # a busy machine is no failure
settings.load_profile("cuescan")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real images that are not part of the repository: CUESCAN_DATA, or ../shared/data beside the checkout."""
    checkout = Path(__file__).resolve().parents[1]
    folder = Path(os.environ.get("CUESCAN_DATA") or checkout.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real images: {folder} is not there (set CUESCAN_DATA to a folder with glas/, consep/, ...)")
    return folder

"""Trained bundles, and models of nnU-Net to be converted.

The paths let tests import helpers under pytest's importlib mode.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "nnunet")]

import tiny_encoder  # noqa: E402
from nnunet_models import Place, make_model  # noqa: E402
from nnunet_workplace import Workplace  # noqa: E402


@pytest.fixture(scope="session")
def nnunet(tmp_path_factory) -> Place:
    """A workplace with a model of each network, as the trainers write them, and TIFCMamba's encoder; do not change."""
    place = Place(Workplace(tmp_path_factory.mktemp("nnunet")))
    with place.entered() as patch:
        patch.setattr("cuescan.nnunet.planner.preprocess_dataset", place.pretend_to_preprocess)
        encoder = tiny_encoder.make_encoder(place.preprocessed / "Dataset005_Tiny" / "cuescan_encoders" / "small_1")
        place.models = {"PathMamba": make_model(place, 1), "TIFCMamba": make_model(place, 5, encoder)}
    return place


@pytest.fixture
def active(nnunet):
    """The same, with its folders as this process's environment."""
    with nnunet.entered():
        yield nnunet

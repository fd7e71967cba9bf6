"""The metadata of a model say what that model takes and gives."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cuescan.monai.metadata import fitted
from cuescan.monai.model_card import ModelCard
from cuescan.share import share_path

CARD = ModelCard("PathMamba", ["gland"], True, ["zscore"], (64, 48), {}, {})


@pytest.fixture(scope="module")
def known() -> dict:
    return json.loads((share_path("bundles") / "pathmamba" / "configs" / "metadata.json").read_text())


def test_channels_classes_and_patch_are_the_models(known):
    found = fitted(known, CARD)
    image, pred = (
        found["network_data_format"][side][name] for side, name in (("inputs", "image"), ("outputs", "pred"))
    )
    assert image["num_channels"] == 1 and image["channel_def"] == {"0": "channel 0"}
    assert pred["channel_def"] == {"0": "background", "1": "gland"}
    assert image["spatial_shape"] == pred["spatial_shape"] == [64, 48]
    assert found["pred_classes"] == "0: background, 1: gland" and found["eval_metrics"] == {}
    assert known["network_data_format"]["inputs"]["image"]["num_channels"] == 3


def test_z_scores_are_not_said_to_lie_between_0_and_1(known):
    def values(card: ModelCard) -> list:
        return fitted(known, card)["network_data_format"]["inputs"]["image"]["value_range"]

    assert values(replace(CARD, channel_names=["rgb_to_0_1"] * 3)) == [0, 1]
    assert values(CARD)[0] < 0 < 1 < values(CARD)[1]

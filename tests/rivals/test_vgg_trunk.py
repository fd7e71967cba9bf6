"""VGG-16's stages and their weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from cuescan.errors import UserError
from cuescan.rivals import SelfAttentionMIL
from cuescan.rivals.vgg_trunk import VGGTrunk, load_vgg_weights

PLAN = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool", 512, 512, 512, "pool")


@pytest.fixture(scope="module")
def vgg() -> nn.Sequential:
    """The network as others number its layers."""
    torch.manual_seed(0)
    layers, before = [], 3
    for entry in PLAN:
        if entry == "pool":
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(before, entry, 3, padding=1), nn.ReLU()]
            before = entry
    return nn.Sequential(*layers)


@pytest.fixture(scope="module")
def saved(vgg, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "vgg16.safetensors"
    state = {f"features.{key}": value for key, value in vgg.state_dict().items()}
    save_file({**state, "pre_logits.fc1.weight": torch.zeros(2), "head.fc.weight": torch.zeros(2)}, path)
    return path


def test_the_numbering_is_timm_s(vgg):
    import timm

    with torch.device("meta"):
        theirs = timm.create_model("vgg16").features.state_dict()
    assert {key: value.shape for key, value in theirs.items()} == {k: v.shape for k, v in vgg.state_dict().items()}


@pytest.mark.parametrize("stages", [1, 3, 5])
def test_without_normalisation_the_features_are_those_of_the_file_s_network(vgg, saved, stages):
    trunk = VGGTrunk(3, stages, norm=False)
    load_vgg_weights(trunk, saved)
    image = torch.rand(1, 3, 35, 50)
    ends = [number for number, layer in enumerate(vgg) if isinstance(layer, nn.MaxPool2d)]
    with torch.no_grad():
        for features, end in zip(trunk(image), ends, strict=False):
            torch.testing.assert_close(features, vgg[:end](image))
    assert len(trunk(image)) == stages


def test_images_are_standardised_first(vgg, saved):
    trunk = VGGTrunk(3, 1, norm=False, input_mean=[0.1, 0.2, 0.3], input_std=[0.5, 0.6, 0.7])
    load_vgg_weights(trunk, saved)
    image = torch.rand(1, 3, 32, 32)
    mean, std = torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1), torch.tensor([0.5, 0.6, 0.7]).view(1, 3, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(trunk(image)[0], vgg[:4]((image - mean) / std))


def test_gray_images_get_the_same_response_as_gray_rgb(vgg, saved):
    trunk = VGGTrunk(1, 1)
    load_vgg_weights(trunk, saved)
    gray = torch.rand(1, 1, 32, 32)
    expected = F.conv2d(gray.expand(-1, 3, -1, -1), vgg[0].weight, vgg[0].bias, padding=1)
    torch.testing.assert_close(trunk.stages[0][0](gray), expected, rtol=1e-3, atol=1e-4)


def test_weights_of_another_network_are_refused_by_name(tmp_path):
    save_file({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "resnet50.safetensors")
    with pytest.raises(UserError, match="resnet50.safetensors: trunk weights do not fit VGG-16 .*vgg16 keys"):
        SelfAttentionMIL(3, 2).load_trunk(tmp_path / "resnet50.safetensors")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stages": 6}, r"stages must lie in \[1, 5\], got 6"),
        ({"input_mean": [0.5]}, "input_mean must have 3 values, one per channel, got 1"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        VGGTrunk(3, **arguments)

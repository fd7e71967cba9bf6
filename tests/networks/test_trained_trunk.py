"""The trunk of a trained network as the start of another."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cuescan.errors import UserError
from cuescan.networks import PathMamba, trunk_arguments
from cuescan.networks.trunk_unet import TrunkUNet

SEES = {"input_mean": [0.7, 0.5, 0.7], "input_std": [0.2, 0.2, 0.1], "norm_eps": 1e-3, "stride_in_first_conv": True}


def checkpoint(path: Path, network: torch.nn.Module, trunk: dict, **content: object) -> Path:
    plan = {"network": type(network).__name__, "network_arguments": {"size": "T", "trunk": trunk}}
    kept = {"network_weights": network.state_dict(), "init_args": {"plans": {"cuescan": plan}}}
    torch.save(kept | content, path / "checkpoint_final.pth")
    return path / "checkpoint_final.pth"


@pytest.fixture
def trained(tmp_path: Path) -> tuple[PathMamba, Path]:
    trunk = SEES | {"stages": 4, "frozen": 2, "frozen_norm": True}
    network = PathMamba(3, 2, trunk=trunk)
    network.trunk.bn1.running_var += 3
    return network, checkpoint(tmp_path, network, trunk)


def test_another_network_sees_images_with_the_trunk_as_it_was_trained(trained: tuple[PathMamba, Path]) -> None:
    network, path = trained
    arguments = trunk_arguments(path, 3)
    assert arguments == SEES | {"frozen_norm": True}, "which stages a network has, and freezes, is its own matter"
    other = TrunkUNet(3, 2, trunk=arguments)
    other.load_trunk(path)
    image = torch.rand(1, 3, 64, 64)
    for ours, theirs in zip(network.trunk.pyramid(image), other.trunk.pyramid(image), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_fewer_stages_leave_out_the_later_ones(trained: tuple[PathMamba, Path]) -> None:
    network, path = trained
    other = PathMamba(3, 5, trunk=trunk_arguments(path, 3))
    other.load_trunk(path)
    assert torch.equal(other.trunk.layer2[0].conv1.weight, network.trunk.layer2[0].conv1.weight)


def test_stages_that_were_not_trained_are_listed(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, PathMamba(3, 2), {})
    with pytest.raises(
        UserError, match=r"checkpoint_final.pth: trunk weights do not fit ResNet-50 \(missing: .*layer3"
    ):
        TrunkUNet(3, 2).load_trunk(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"init_args": {"plans": {}}}, "no cuescan trainer wrote this checkpoint; give one that did"),
        ({"network_weights": {"stem.weight": torch.ones(1)}}, "its network does not stand on a ResNet; give a"),
        ({"network_weights": {"trunk.0.weight": torch.ones(1)}}, "its network does not stand on a ResNet; give a"),
        ({"code": Path("x")}, "not a checkpoint of tensors and plain values only, so loading it could run code"),
    ],
)
def test_other_checkpoints_are_refused(tmp_path: Path, content: dict, message: str) -> None:
    path = checkpoint(tmp_path, PathMamba(3, 2), SEES, **content)
    with pytest.raises(UserError, match=f"checkpoint_final.pth: {message}"):
        trunk_arguments(path, 3)


def test_other_channels_are_refused(trained: tuple[PathMamba, Path]) -> None:
    with pytest.raises(UserError, match="its images have 3 channels, these 1; give another trunk"):
        trunk_arguments(trained[1], 1)

"""The trunk of a network that a cuescan trainer has trained, as a start for another network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from cuescan.errors import UserError
from cuescan.training.checkpoint import load_checkpoint

OWN = ("input_mean", "input_std", "norm_eps", "stride_in_first_conv", "frozen_norm")
"""Arguments of a trunk that its weights were trained with; which stages it has, and which are frozen, may differ."""


def is_checkpoint(source: str | Path) -> bool:
    """Whether a source of weights is a trainer's checkpoint."""
    return str(source).endswith(".pth")


def trained_weights(path: str | Path) -> dict[str, Tensor]:
    """Weights of the trunk in a checkpoint of nnU-Net's format; no code in it is run.

    Raises:
        UserError: The file cannot be read safely, or its network does not stand on a ResNet.
    """
    return _trunk(load_checkpoint(path), path)


def trained_arguments(path: str | Path, in_channels: int) -> dict[str, Any]:
    """How the trunk in a checkpoint sees images.

    Args:
        path: The checkpoint.
        in_channels: Channels of the images that the new network will see.

    Raises:
        UserError: The file cannot be read safely, no cuescan trainer wrote it, its network does not stand on a ResNet,
            or its images had other channels.
    """
    content = load_checkpoint(path)
    plan = content.get("init_args", {}).get("plans", {}).get("cuescan")
    if plan is None:
        raise UserError(f"{path}: no cuescan trainer wrote this checkpoint; give one that did, or a .safetensors file")
    channels = _trunk(content, path)["conv1.weight"].shape[1]
    if channels != in_channels:
        raise UserError(f"{path}: its images have {channels} channels, these {in_channels}; give another trunk")
    arguments = plan["network_arguments"].get("trunk", {})
    return {name: arguments[name] for name in OWN if name in arguments}


def _trunk(content: Mapping[str, Any], path: str | Path) -> dict[str, Tensor]:
    state = content.get("network_weights", {})
    trunk = {key.removeprefix("trunk."): value for key, value in state.items() if key.startswith("trunk.")}
    if "conv1.weight" not in trunk:
        raise UserError(f"{path}: its network does not stand on a ResNet; give a checkpoint of PathMambaTrainer, say")
    return trunk

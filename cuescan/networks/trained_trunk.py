"""The trunk of a network that a cuescan trainer has trained, as a start for another network."""

from __future__ import annotations

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
        UserError: The file cannot be read safely, or its network has no trunk.
    """
    state = load_checkpoint(path).get("network_weights", {})
    trunk = {key.removeprefix("trunk."): value for key, value in state.items() if key.startswith("trunk.")}
    if not trunk:
        raise UserError(
            f"{path}: its network has no trunk; give the checkpoint of PathMambaTrainer or another on ResNet"
        )
    return trunk


def trained_arguments(path: str | Path, in_channels: int) -> dict[str, Any]:
    """How the trunk in a checkpoint sees images.

    Args:
        path: The checkpoint.
        in_channels: Channels of the images that the new network will see.

    Raises:
        UserError: The file cannot be read safely, no cuescan trainer wrote it, or its images had other channels.
    """
    plan = load_checkpoint(path).get("init_args", {}).get("plans", {}).get("cuescan")
    if plan is None:
        raise UserError(f"{path}: no cuescan trainer wrote this checkpoint; give one that did, or a .safetensors file")
    channels = trained_weights(path)["conv1.weight"].shape[1]
    if channels != in_channels:
        raise UserError(f"{path}: its images have {channels} channels, these {in_channels}; give another trunk")
    arguments = plan["network_arguments"].get("trunk", {})
    return {name: arguments[name] for name in OWN if name in arguments}

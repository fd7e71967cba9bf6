"""Reading pretrained weights, and fitting them to a trunk."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from cuescan.errors import UserError
from cuescan.networks.trained_trunk import is_checkpoint, trained_weights


def read_weights(source: str | Path, architecture: str) -> tuple[dict[str, Tensor], bool]:
    """Read an ImageNet network's weights.

    Args:
        source: A ``.safetensors`` file, the ``.pth`` checkpoint of a cuescan trainer, or ``"timm"`` to let timm fetch
            its own (downloads on first use).
        architecture: timm's name of the network.

    Returns:
        The weights in float32 without counters, and whether they expect blue before red. What is infinite, as a
        variance that half precision cannot hold, becomes the largest number of its precision: near what it was, where
        infinity would silence a channel.

    Raises:
        UserError: The file does not exist, cannot be read, or holds no weights of a trunk.
    """
    if source == "timm":
        import timm

        state, bgr = timm.create_model(architecture, pretrained=True, num_classes=0).state_dict(), False
    elif is_checkpoint(source):
        state, bgr = trained_weights(source), False
    else:
        from safetensors.torch import load_file

        bgr = read_metadata(Path(source)).get("preprocessing", "").startswith("BGR")
        state = load_file(source)
    return {key: _finite(value) for key, value in state.items() if not key.endswith("num_batches_tracked")}, bgr


def _finite(value: Tensor) -> Tensor:
    if not value.is_floating_point():
        return value.float()
    most = torch.finfo(value.dtype).max
    return value.clamp(-most, most).float()


def adapt_channels(weight: Tensor, in_channels: int, bgr: bool) -> Tensor:
    """Fit the first convolution of an RGB network to another channel count, keeping the size of its response."""
    if in_channels == weight.shape[1]:
        return weight.flip(1) if bgr else weight
    return weight.mean(1, keepdim=True).repeat(1, in_channels, 1, 1) * (weight.shape[1] / in_channels)


def fit_weights(module: nn.Module, state: Mapping[str, Tensor], source: str | Path, name: str, keys: str) -> None:
    """Load weights that have to be the module's own, each one.

    Args:
        module: Takes the weights.
        state: By name.
        source: Where they are from, for the message.
        name: Of the network, for the message.
        keys: What names a file should have, for the message.

    Raises:
        UserError: The keys or shapes do not match; the message lists them.
    """
    own = {key: value for key, value in module.state_dict().items() if not key.endswith("num_batches_tracked")}
    missing, unexpected = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
        for key in sorted(own.keys() & state.keys())
        if state[key].shape != own[key].shape
    ]
    if missing or unexpected or shapes:
        raise UserError(
            f"{source}: trunk weights do not fit {name} (missing: {missing}; unexpected: {unexpected}; "
            f"other shapes: {shapes}); give a file with {keys}"
        )
    module.load_state_dict(state, strict=False)


def read_metadata(path: Path) -> dict[str, str]:
    """Metadata of a safetensors file, without reading its tensors.

    Raises:
        UserError: The file does not exist or is no safetensors file.
    """
    remedy = "set the trunk to a .safetensors file with ImageNet weights, or leave it unset for random weights"
    if not path.is_file():
        raise UserError(f"{path}: no such file with trunk weights; {remedy}")
    try:
        with path.open("rb") as stream:
            (size,) = struct.unpack("<Q", stream.read(8))
            if size > 100_000_000:
                raise ValueError("header too long")
            return json.loads(stream.read(size)).get("__metadata__", {}) or {}
    except (ValueError, struct.error, AttributeError) as error:
        raise UserError(f"{path}: not a safetensors file ({error}); {remedy}") from error

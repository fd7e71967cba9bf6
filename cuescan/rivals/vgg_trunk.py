"""VGG-16's first stages, for the methods that were published on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from cuescan.networks.pretrained import adapt_channels, fit_weights, read_weights

WIDTHS = (64, 128, 256, 512, 512)
DEPTHS = (2, 2, 3, 3, 3)


class VGGTrunk(nn.Module):
    """First stages of VGG-16 (Simonyan and Zisserman, ICLR 2015), each of 3x3 convolutions with ReLU.

    ``stages`` are called one by one, so that a network can work between them; ``pool`` halves the resolution after
    each. Called as a whole, the trunk gives the maps of all stages before pooling.

    Args:
        in_channels: Channels of the image.
        stages: Number of stages, 1 to 5.
        norm: Normalise batches after each convolution; ImageNet's weights are those without it.
        input_mean: Per-channel mean that is subtracted from the image, or None. Length ``in_channels``.
        input_std: Per-channel divisor, or None. Length ``in_channels``.

    Shapes:
        image (B, in_channels, H, W) -> [(B, widths[i], H // 2^i, W // 2^i)].
    """

    input_mean: Tensor
    input_std: Tensor

    def __init__(
        self,
        in_channels: int,
        stages: int = 3,
        norm: bool = True,
        input_mean: Sequence[float] | None = None,
        input_std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if not 1 <= stages <= len(WIDTHS):
            raise ValueError(f"stages must lie in [1, {len(WIDTHS)}], got {stages}")
        self.in_channels, self.widths = in_channels, WIDTHS[:stages]
        self.register_buffer("input_mean", _row("mean", input_mean, 0.0, in_channels), persistent=False)
        self.register_buffer("input_std", _row("std", input_std, 1.0, in_channels), persistent=False)
        self.pool = nn.MaxPool2d(2)
        parts: list[nn.Sequential] = []
        before = in_channels
        for width, depth in zip(self.widths, DEPTHS[:stages], strict=True):
            layers: list[nn.Module] = []
            for _ in range(depth):
                layers.append(nn.Conv2d(before, width, 3, padding=1))
                layers.extend([nn.BatchNorm2d(width)] if norm else [])
                layers.append(nn.ReLU())
                before = width
            parts.append(nn.Sequential(*layers))
        self.stages = nn.ModuleList(parts)

    def standardised(self, image: Tensor) -> Tensor:
        """The image as the first stage expects it."""
        return (image - self.input_mean) / self.input_std

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map an image to the features of each stage (see the class for shapes)."""
        x = self.standardised(image)
        maps: list[Tensor] = []
        for stage in self.stages:
            x = stage(self.pool(x) if maps else x)
            maps.append(x)
        return maps


def load_vgg_weights(trunk: VGGTrunk, source: str | Path) -> None:
    """Load the convolutions of VGG-16 into ``trunk``; normalisation is left as it is.

    Args:
        trunk: The trunk.
        source: A ``.safetensors`` file with timm's or torchvision's vgg16 keys, or ``"timm"`` to let timm fetch its
            ImageNet weights (downloads on first use).

    Raises:
        UserError: The keys or shapes do not match; the message lists them.
    """
    convolutions = nn.ModuleDict()
    position = 0  # each convolution is followed by a ReLU, each stage by a pooling
    for stage in trunk.stages:
        for layer in stage.children():
            if isinstance(layer, nn.Conv2d):
                convolutions[str(position)] = layer
                position += 2
        position += 1
    network = nn.ModuleDict({"features": convolutions})
    state, bgr = read_weights(source, "vgg16")
    later = tuple(f"features.{number}." for number in range(position, 31))
    state = {
        key: value for key, value in state.items() if not key.startswith((*later, "pre_logits.", "head.", "class"))
    }
    if "features.0.weight" in state:
        first = state["features.0.weight"]
        state["features.0.weight"] = adapt_channels(first, trunk.in_channels, bgr)
    fit_weights(network, state, source, "VGG-16", "timm's or torchvision's vgg16 keys")


def _row(name: str, values: Sequence[float] | None, default: float, channels: int) -> Tensor:
    row = [default] * channels if values is None else list(values)
    if len(row) != channels:
        raise ValueError(f"input_{name} must have {channels} values, one per channel, got {len(row)}")
    return torch.tensor(row).view(1, -1, 1, 1)

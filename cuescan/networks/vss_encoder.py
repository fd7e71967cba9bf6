"""A hierarchical encoder of visual state space blocks."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cuescan.networks.grid import resize
from cuescan.networks.trunk import ResNetTrunk
from cuescan.networks.vss import LayerNorm2d, VSSBlock


class VSSEncoder(nn.Module):
    """Stages of VSS blocks at strides 4, 8, 16, ..., optionally fed by a pretrained ResNet-50 trunk.

    Source: VMamba (Liu et al., arXiv:2401.10166, section 4.2), with an overlapping stem of two 3x3 convolutions.
    The stem sees the image twice: as it is, for colours, and each channel standardised over the image, for contrasts,
    without which a network from random weights does not get to see faint structures under a strong common colour.
    TIFCMamba (MICCAI 2025) does not say how its encoder is initialised; no pretrained VSS weights ship in any package,
    so we let the features of a pretrained trunk (strides 8 and 16) join the tokens of the second and third stage.

    Args:
        in_channels: Channels of the image.
        dims: Channels of the stages, finest first; at least 3 with a trunk.
        depths: VSS blocks per stage.
        state: State size N of the scans.
        trunk: Arguments of :class:`cuescan.networks.trunk.ResNetTrunk`, or None for no trunk.
        input_mean: Per-channel mean that the stem subtracts from the image, or None.
        input_std: Per-channel divisor for the stem, or None.

    Shapes:
        image (B, in_channels, H, W) -> maps [(B, dims[0] / 2, ceil(H / 2), ceil(W / 2)), then the stages
        (B, dims[i], ceil(H / s), ceil(W / s)) with s = 4, 8, 16, ...].
    """

    input_mean: Tensor  # TorchScript reads these two, hence no postponed annotations in this file
    input_std: Tensor

    def __init__(
        self,
        in_channels: int,
        dims: Sequence[int],
        depths: Sequence[int],
        state: int,
        trunk: dict[str, Any] | None = None,
        input_mean: Sequence[float] | None = None,
        input_std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        for name, values, default in (("input_mean", input_mean, 0.0), ("input_std", input_std, 1.0)):
            row = [default] * in_channels if values is None else list(values)
            if len(row) != in_channels:
                raise ValueError(f"{name} must have {in_channels} values, one per channel, got {len(row)}")
            self.register_buffer(name, torch.tensor(row).view(1, -1, 1, 1), persistent=False)
        widths = [dims[0] // 2, *dims]
        self.stem = nn.Sequential(
            nn.Conv2d(2 * in_channels, widths[0], 3, stride=2, padding=1), LayerNorm2d(widths[0]), nn.GELU()
        )
        self.downsamplings = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), LayerNorm2d(b))
            for a, b in zip(widths[:-1], dims, strict=True)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(VSSBlock(dim, state) for _ in range(depth)))
            for dim, depth in zip(dims, depths, strict=True)
        )
        self.trunk = None if trunk is None else ResNetTrunk(in_channels, **trunk)
        self.join_fine = None if trunk is None else nn.Conv2d(512, dims[1], 1)
        self.join_coarse = None if self.trunk is None or self.trunk.layer3 is None else nn.Conv2d(1024, dims[2], 1)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Encode an image (see the class for shapes)."""
        fine: Tensor | None = None
        coarse: Tensor | None = None
        if self.trunk is not None:
            fine, coarse = self.trunk.stages(image)
        tokens = self.stem(torch.cat([(image - self.input_mean) / self.input_std, F.instance_norm(image)], dim=1))
        maps: list[Tensor] = [tokens]
        for i, (downsample, stage) in enumerate(zip(self.downsamplings, self.stages)):  # noqa: B905, TorchScript
            tokens = downsample(tokens)
            height, width = tokens.shape[2], tokens.shape[3]
            if i == 1 and self.join_fine is not None and fine is not None:
                tokens = tokens + resize(self.join_fine(fine), height, width)
            if i == 2 and self.join_coarse is not None and coarse is not None:
                tokens = tokens + resize(self.join_coarse(coarse), height, width)
            tokens = stage(tokens)
            maps.append(tokens)
        return maps

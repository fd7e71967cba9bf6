"""A U-Net on a pretrained trunk, for second stages and supervised bounds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cuescan.networks.grid import check_size, crop, pad_to_tokens, rescale, resize, segment_content
from cuescan.networks.path_mamba import ABSENT_LOGIT
from cuescan.networks.trunk import ResNetTrunk, load_trunk_weights

NORM_GROUPS = 16


def _block(before: int, after: int, dilation: int = 1) -> nn.Sequential:
    around = nn.Conv2d(before, after, 3, padding=dilation, dilation=dilation, bias=False)
    return nn.Sequential(around, nn.GroupNorm(NORM_GROUPS, after), nn.ReLU())


class TrunkUNet(nn.Module):
    """ResNet-50's first stages with a light decoder that joins conv4_x, conv3_x and conv2_x.

    The form is U-Net's (Ronneberger et al., MICCAI 2015): from the coarsest map upwards, each step enlarges, adds the
    projected map of the next finer stage (as feature pyramids do, Lin et al., CVPR 2017) and convolves. Two dilated
    convolutions on the coarsest map widen what a pixel sees. Classes compete for a pixel.

    Args:
        in_channels: Channels of the image.
        num_classes: Classes K, background not counted.
        background: Whether pixels of no class exist. If false, label 0 is never predicted.
        width: Channels of the decoder at strides 16 and 8, a multiple of 32; half of it at stride 4.
        image_scale: Factor by which images are enlarged first. Below 1 it saves time and shows more of the surroundings
            at once: right for large structures.
        scale_jitter: In training, each batch is enlarged by a further factor ``exp(u)``, u uniform in
            ``[-scale_jitter, scale_jitter]``.
        trunk: Further arguments of :class:`cuescan.networks.trunk.ResNetTrunk`.

    Shapes:
        image (B, in_channels, H, W), H and W at least 32 -> logits (B, 1 + K, H, W), background first.

    Raises:
        ValueError: An argument is out of range, or an image is too small.

    Example:
        >>> TrunkUNet(in_channels=3, num_classes=2)(torch.rand(1, 3, 64, 48)).shape
        torch.Size([1, 3, 64, 48])
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        background: bool = True,
        width: int = 128,
        image_scale: float = 1.0,
        scale_jitter: float = 0.3,
        trunk: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if width < 1 or width % (2 * NORM_GROUPS):
            raise ValueError(f"width must be a multiple of {2 * NORM_GROUPS}, got {width}")
        if image_scale <= 0 or scale_jitter < 0:
            raise ValueError(
                f"image_scale must be positive and scale_jitter at least 0, got {image_scale} and {scale_jitter}"
            )
        self.background = background
        self.image_scale, self.scale_jitter = float(image_scale), float(scale_jitter)
        self.deep_supervision = False  # what nnU-Net's trainers set; there is nothing to supervise below the output
        half = width // 2
        self.trunk = ResNetTrunk(in_channels, **{"stages": 4, **(trunk or {})})
        if self.trunk.layer3 is None:
            raise ValueError("trunk: stages must be 4, got 3")
        self.coarse = nn.Sequential(nn.Conv2d(1024, width, 1, bias=False), nn.GroupNorm(NORM_GROUPS, width), nn.ReLU())
        self.context = nn.Sequential(_block(width, width, 2), _block(width, width, 4))
        self.project_middle, self.middle = nn.Conv2d(512, width, 1), _block(width, width)
        self.reduce, self.project_fine, self.fine = (
            nn.Conv2d(width, half, 1),
            nn.Conv2d(256, half, 1),
            _block(half, half),
        )
        self.head = nn.Conv2d(half, num_classes + background, 1)

    def load_trunk(self, source: str | Path) -> None:
        """Load pretrained trunk weights: a .safetensors file, or "timm" (see :func:`load_trunk_weights`)."""
        load_trunk_weights(self.trunk, source)

    def forward(self, image: Tensor) -> Tensor:
        """Segment an image (see the class for shapes), without the zeros around it."""
        check_size(image)
        return segment_content(self.segment, image)

    def segment(self, image: Tensor) -> Tensor:
        """Logits (B, 1 + K, H, W) of an image, of all that it shows."""
        height, width = image.shape[2], image.shape[3]
        factor = self.image_scale
        if self.training and self.scale_jitter > 0:
            factor *= math.exp(float(torch.rand(()) * 2 - 1) * self.scale_jitter)
        scaled = rescale(image, factor)
        logits = self.decoded(pad_to_tokens(scaled, least=1))
        logits = resize(crop(logits, scaled.shape[2], scaled.shape[3]), height, width)
        if self.background:
            return logits
        return torch.cat([torch.full_like(logits[:, :1], ABSENT_LOGIT), logits], dim=1)

    def decoded(self, image: Tensor) -> Tensor:
        """Logits of an image whose sides are multiples of 16, without a background where there is none."""
        fine, middle, coarse = self.trunk.pyramid(image)
        x = self.coarse(coarse)
        x = x + self.context(x)
        x = self.middle(resize(x, middle.shape[2], middle.shape[3]) + self.project_middle(middle))
        x = self.fine(resize(self.reduce(x), fine.shape[2], fine.shape[3]) + self.project_fine(fine))
        return resize(self.head(x), image.shape[2], image.shape[3])

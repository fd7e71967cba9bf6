"""SA-MIL: pixels as instances of the image, with attention between them (Medical Image Analysis 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cuescan.losses.deep_contrast import image_level_cross_entropy
from cuescan.losses.generalised_mean import log_generalised_mean
from cuescan.networks.grid import resize, valid_share
from cuescan.rivals.activations import NO_BACKGROUND_LOGIT
from cuescan.rivals.classifier import MapNetwork
from cuescan.rivals.criss_cross import CrissCrossAttention
from cuescan.rivals.vgg_trunk import VGGTrunk, load_vgg_weights

SIDE_WEIGHTS = (0.2, 0.35, 0.45)
RECURRENCE = 2
LEAST = 1e-6


def fused_probabilities(sides: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """Weighted mean of the stages' probabilities (B, K, *size): 0.2, 0.35 and 0.45, finest first."""
    probabilities = [resize(side.float().sigmoid(), size[0], size[1]) for side in sides]
    return sum(weight * p for weight, p in zip(SIDE_WEIGHTS, probabilities, strict=True))  # type: ignore[return-value]


class SelfAttentionMIL(MapNetwork):
    """VGG-16's first three stages, each with criss-cross attention and a side output; their mean is the mask.

    Source: Li et al., "Weakly supervised histopathology image segmentation with self-attention", Medical Image
    Analysis 2023, and its released network. After each stage's convolutions the attention is applied twice with the
    same weights, then the resolution is halved, and a 1x1 convolution gives the stage's map. A pixel belongs to a class
    from probability 0.5 on.

    As published: stages, batch normalisation in them, attention, side outputs, weights 0.2, 0.35, 0.45. Different: one
    map per class, where the paper knows tumour or none; the attention's softmax runs over row and column together, as
    CCNet has it (the released network takes it along one image axis).

    Args:
        in_channels: Channels of the image, at least 1.
        num_classes: Classes K, background not counted.
        background: Whether pixels of no class exist.
        image_scale: Factor by which the network sees the image enlarged.
        trunk: Further arguments of :class:`cuescan.rivals.vgg_trunk.VGGTrunk`.

    Shapes:
        As :class:`cuescan.rivals.classifier.MapNetwork`; the loss takes the three side maps (B, K, h, w), logits at
        strides 2, 4 and 8.
    """

    trunk_class = VGGTrunk

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        background: bool = True,
        image_scale: float = 1.0,
        trunk: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(in_channels, num_classes, background, image_scale)
        self.trunk = VGGTrunk(in_channels, **{**(trunk or {}), "stages": len(SIDE_WEIGHTS)})
        self.attentions = nn.ModuleList(CrissCrossAttention(width) for width in self.trunk.widths)
        self.heads = nn.ModuleList(nn.Conv2d(width, num_classes, 1) for width in self.trunk.widths)

    def load_trunk(self, source: str | Path) -> None:
        """Load VGG-16's convolutions: a .safetensors file, or "timm" (see :func:`load_vgg_weights`)."""
        load_vgg_weights(self.trunk, source)

    def maps(self, image: Tensor) -> list[Tensor]:
        """The side maps, finest first."""
        x = self.trunk.standardised(image)
        sides: list[Tensor] = []
        for stage, attend, head in zip(self.trunk.stages, self.attentions, self.heads, strict=True):
            x = stage(x)
            for _ in range(RECURRENCE):
                x = attend(x)
            x = self.trunk.pool(x)
            sides.append(head(x))
        return sides

    def logits(self, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
        """Logits (B, 1 + K, *size) of the fused probabilities; the background has probability 0.5 against each."""
        p = fused_probabilities(maps, size).clamp(LEAST, 1 - LEAST)
        if not self.background:
            return torch.cat([torch.full_like(p[:, :1], NO_BACKGROUND_LOGIT), p.log()], dim=1)
        return torch.cat([torch.zeros_like(p[:, :1]), p.logit()], dim=1)


class SelfAttentionMILLoss(nn.Module):
    """Cross-entropy of the pooled fused probabilities plus those of every side, unweighted ("deep supervision").

    Pooling is the generalised mean over pixels. We pool each map at its own resolution and the fused one at
    the finest; the released code enlarges all to the image first, which hardly changes a mean.

    Args:
        r: Exponent of the generalised mean (the paper's 4).
    """

    def __init__(self, r: float = 4.0) -> None:
        super().__init__()
        if r <= 0:
            raise ValueError(f"r must be positive, got {r}")
        self.r = r

    def forward(self, sides: Sequence[Tensor], labels: Tensor, valid: Tensor | None = None) -> Tensor:
        """Compute the loss.

        Args:
            sides: Maps of :class:`SelfAttentionMIL` with ``deep_supervision`` set, finest first.
            labels: (B, K) with 1 present, 0 absent, NaN not stated.
            valid: (B, 1, H, W) boolean, false where the image was padded; None if nowhere.

        Returns:
            Scalar, float32.
        """
        finest = (sides[0].shape[2], sides[0].shape[3])
        logarithms = [fused_probabilities(sides, finest).clamp_min(LEAST).log()]
        logarithms += [F.logsigmoid(side.float()) for side in sides]
        losses = [image_level_cross_entropy(self._pool(log_p, valid), labels) for log_p in logarithms]
        return torch.stack(losses).sum()

    def _pool(self, log_p: Tensor, valid: Tensor | None) -> Tensor:
        return log_generalised_mean(log_p, self.r, None if valid is None else valid_share(valid, log_p))

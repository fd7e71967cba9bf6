"""PathMamba: segmentation from image-level labels by a pixel branch and contrastive Mamba blocks (MICCAI 2024)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cuescan.networks.contrastive_mamba import ContrastiveMambaBlock
from cuescan.networks.decoder import MLPDecoder, resize
from cuescan.networks.trunk import ResNetTrunk, load_trunk_weights
from cuescan.networks.vss import LayerNorm2d

SIZES: dict[str, dict[str, Any]] = {
    "T": {"dims": (48, 96, 192), "depths": (1, 1, 2), "state": 8},
    "S": {"dims": (64, 128, 256), "depths": (2, 2, 2), "state": 16},
    "B": {"dims": (96, 192, 384), "depths": (2, 2, 4), "state": 16},
}
MIN_SIZE = 32
TOKEN_GRID = 16  # images are padded on the right and below to a multiple of it
NECK = 256  # channels of the pixel-level features
ABSENT_LOGIT = -50.0  # of the background where a data set has none: never the maximum, finite in half precision


class PathMambaMaps(NamedTuple):
    """What the loss supervises: class logits at the networks' own resolutions, each (B, K, h, w).

    ``pixel`` is Y' of the MIML branch (None without it), ``patch`` is Y'' of the decoder, ``sides`` one map per stage.
    """

    pixel: Tensor | None
    patch: Tensor
    sides: list[Tensor]


class Stage(nn.ModuleList):
    """Contrastive Mamba blocks in sequence, all of which see the same pixel tokens and attention."""

    def forward(self, patches: Tensor, pixels: Tensor | None, attention: Tensor | None) -> Tensor:
        """Apply the blocks; shapes as :class:`ContrastiveMambaBlock`."""
        for block in self:
            patches = block(patches, pixels, attention)
        return patches


class PathMamba(nn.Module):
    """PathMamba (Fan et al., MICCAI 2024), sizes T, S and B.

    A MIML branch (ResNet-50's first stages, a 1x1 neck, two 1x1 heads) sees pixels as instances of the image and gives
    class maps Y' and one attention map. Three stages of contrastive Mamba blocks read patch tokens of the image beside
    tokens of the pixel branch. An all-MLP decoder gives Y''.

    The paper reduces the pixel branch to one channel; the multi-label supervision of its Eq. 3 needs one per class, so
    we keep K class maps and a separate attention map. The neck is ours; with it a frozen trunk still has features to
    learn. The paper does not say what of the pixel branch enters the blocks: we embed features, class maps and
    attention together, and let no gradient return through the class maps, which would make them carry messages
    instead of classes.

    Args:
        in_channels: Channels of the image, at least 1.
        num_classes: Classes K, background not counted.
        size: "T", "S" or "B" (the paper gives no widths; these are ours).
        background: Whether pixels of no class exist. If false, label 0 is never predicted.
        exclusive: Whether classes compete for a pixel (softmax) or are independent (sigmoid, the paper's).
        xi: Weight of Y' against Y'' in Eq. 3 and at inference, in [0, 1].
        eta: Weight of the weak area in Eq. 2, in [0, 1].
        miml: Use the pixel branch (ablation "MIML").
        cmb: Use Mamba in the blocks (ablation "CMB"); without it a block is its depthwise convolution alone, and the
            branches meet only in the average of their outputs.
        contrast: Gate by the contrast map of Eq. 2.
        image_scale: Factor by which the pixel branch sees the image enlarged. Pretrained trunks expect structures as
            large as in photographs; the patch branch keeps the image's own scale, where the scans cost less.
        trunk: Further arguments of :class:`cuescan.networks.trunk.ResNetTrunk`.

    Shapes:
        image (B, in_channels, H, W), H and W at least 32 -> logits (B, 1 + K, H, W), background first. With
        ``deep_supervision`` set, :class:`PathMambaMaps` instead.

    Raises:
        ValueError: An argument is out of range, or an image is too small.

    Example:
        >>> net = PathMamba(in_channels=3, num_classes=4)
        >>> net(torch.rand(1, 3, 64, 48)).shape
        torch.Size([1, 5, 64, 48])
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        size: str = "T",
        background: bool = True,
        exclusive: bool = False,
        xi: float = 0.5,
        eta: float = 0.5,
        miml: bool = True,
        cmb: bool = True,
        contrast: bool = True,
        image_scale: float = 1.0,
        trunk: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if size not in SIZES:
            raise ValueError(f"size must be one of {', '.join(SIZES)}, got {size!r}")
        if in_channels < 1 or num_classes < 1:
            raise ValueError(f"in_channels and num_classes must be at least 1, got {in_channels} and {num_classes}")
        if not 0 <= xi <= 1:
            raise ValueError(f"xi must lie in [0, 1], got {xi}")
        if image_scale <= 0:
            raise ValueError(f"image_scale must be positive, got {image_scale}")
        self.in_channels, self.num_classes = in_channels, num_classes
        self.background, self.exclusive = background, exclusive
        self.xi = xi if miml else 0.0
        self.image_scale = image_scale
        self.deep_supervision = False
        dims, depths, state = SIZES[size]["dims"], SIZES[size]["depths"], SIZES[size]["state"]

        self.trunk = ResNetTrunk(in_channels, **(trunk or {})) if miml else None
        if self.trunk is not None:
            self.neck = nn.Sequential(nn.Conv2d(self.trunk.channels, NECK, 1), nn.ReLU())
            self.class_head = nn.Conv2d(NECK, num_classes, 1)
        self.dual = miml and cmb
        if self.trunk is not None and self.dual:
            self.attention_head = nn.Conv2d(NECK, 1, 1)
            embedded = NECK + num_classes + 1
            self.pixel_embeddings = nn.ModuleList(nn.Conv2d(embedded, dim, 1) for dim in dims)
        previous = [in_channels, *dims[:-1]]
        self.downsamplings = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 4 if i == 0 else 2, stride=4 if i == 0 else 2), LayerNorm2d(b))
            for i, (a, b) in enumerate(zip(previous, dims, strict=True))
        )
        self.stages = nn.ModuleList(
            Stage(
                ContrastiveMambaBlock(dim, state, mamba=cmb, dual=self.dual, eta=eta, contrast=contrast)
                for _ in range(depth)
            )
            for dim, depth in zip(dims, depths, strict=True)
        )
        self.side_heads = nn.ModuleList(nn.Conv2d(dim, num_classes, 1) for dim in dims)
        self.decoder = MLPDecoder(dims, dims[1], num_classes)

    def load_trunk(self, source: str | Path) -> None:
        """Load pretrained trunk weights: a .safetensors file, or "timm" (see :func:`load_trunk_weights`)."""
        if self.trunk is not None:
            load_trunk_weights(self.trunk, source)

    def forward(self, image: Tensor) -> Tensor | PathMambaMaps:
        """Segment an image (see the class for shapes)."""
        height, width = image.shape[-2:]
        if min(height, width) < MIN_SIZE:
            raise ValueError(f"image must be at least {MIN_SIZE} x {MIN_SIZE} pixels, got {height} x {width}")
        image = F.pad(image, (0, -width % TOKEN_GRID, 0, -height % TOKEN_GRID), mode="replicate")
        maps = self.maps(image)
        if self.deep_supervision:
            return maps
        return self.combine(maps, (image.shape[-2], image.shape[-1]))[..., :height, :width]

    def maps(self, image: Tensor) -> PathMambaMaps:
        """Class maps of both branches and of the stages for an image whose sides are multiples of 16."""
        pixel = pixels = attention = None
        if self.trunk is not None:
            size = [round(side * self.image_scale) for side in image.shape[-2:]]
            features = self.neck(self.trunk(resize(image, size)))
            pixel = self.class_head(features)
            if self.dual:
                attention = torch.sigmoid(self.attention_head(features))
                pixels = torch.cat([features, torch.sigmoid(pixel.detach()), attention], dim=1)
        tokens, stages, sides = image, [], []
        for i, (downsample, stage) in enumerate(zip(self.downsamplings, self.stages, strict=True)):
            tokens = downsample(tokens)
            size = tokens.shape[-2:]
            embedded = None if pixels is None else resize(self.pixel_embeddings[i](pixels), size)
            stage_attention = None if attention is None else resize(attention, size)
            tokens = stage(tokens, embedded, stage_attention)
            stages.append(tokens)
            sides.append(self.side_heads[i](tokens))
        return PathMambaMaps(pixel, self.decoder(stages), sides)

    def combine(self, maps: PathMambaMaps, size: tuple[int, int]) -> Tensor:
        """Merge both branches into logits (B, 1 + K, *size): ``xi p(Y') + (1 - xi) p(Y'')``, taken back to logits.

        With independent classes the background has logit 0 (probability 0.5, the natural threshold of a sigmoid).
        """
        patch = self._log_probabilities(resize(maps.patch, size))
        if maps.pixel is None or self.xi == 0:
            log_p = patch
        else:
            pixel = self._log_probabilities(resize(maps.pixel, size))
            log_p = torch.log(self.xi * pixel.exp() + (1 - self.xi) * patch.exp())
        if self.exclusive and self.background:
            return log_p
        logits = log_p if self.exclusive else log_p - torch.log1p(-log_p.exp().clamp_max(1 - 1e-6))
        zero = torch.full_like(logits[:, :1], 0.0 if self.background else ABSENT_LOGIT)
        return torch.cat([zero, logits], dim=1)

    def _log_probabilities(self, logits: Tensor) -> Tensor:
        """Per-pixel log probabilities in float32, clamped to [1e-6, 1]; with a leading background if it competes."""
        return class_log_probabilities(logits, self.exclusive, self.background).clamp_min(-13.8)


def class_log_probabilities(logits: Tensor, exclusive: bool, background: bool) -> Tensor:
    """Log probability of each class at each pixel, in float32.

    Args:
        logits: (B, K, H, W).
        exclusive: Classes compete by a softmax; otherwise each has its own sigmoid.
        background: With ``exclusive``, a background of logit 0 competes too and comes first in the result.

    Returns:
        (B, K, H, W), or (B, 1 + K, H, W) with a competing background.
    """
    logits = logits.float()
    if not exclusive:
        return F.logsigmoid(logits)
    if background:
        logits = torch.cat([torch.zeros_like(logits[:, :1]), logits], dim=1)
    return F.log_softmax(logits, dim=1)

"""PathMamba: segmentation from image-level labels by a pixel branch and contrastive Mamba blocks (MICCAI 2024)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cuescan.networks.contrastive_mamba import ContrastiveMambaBlock, Stage
from cuescan.networks.decoder import MLPDecoder
from cuescan.networks.grid import (
    crop,
    is_traced,
    pad_to_tokens,
    replicate_borders,
    rescale,
    resize,
    segment_content,
    shrunk_to_tokens,
    window_mean,
)
from cuescan.networks.maps import PathMambaMaps, class_log_probabilities
from cuescan.networks.trunk import ResNetTrunk, load_trunk_weights
from cuescan.networks.vss import LayerNorm2d

SIZES: dict[str, dict[str, Any]] = {
    "T": {"dims": (48, 96, 192), "depths": (1, 1, 2), "state": 8},
    "S": {"dims": (64, 128, 256), "depths": (2, 2, 2), "state": 16},
    "B": {"dims": (96, 192, 384), "depths": (2, 2, 4), "state": 16},
}
NECK = 256  # channels of the pixel-level features
ABSENT_LOGIT = -50.0  # of the background where a data set has none: never the maximum, finite in half precision


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
        borders: What convolutions see beyond the image: "zeros", or "replicate" for its outermost pixels. Zeros tell a
            network where the border is, and image-level labels are easily fulfilled by painting each class along a
            border of its own.
        context: Dilation of a 3x3 convolution that ends the neck, so that an instance sees its neighbours; 0 for none.
        smoothing: Odd side, in pixels of the image, of the square window over which probabilities are averaged at
            inference; 0 for none. Something smaller than half the window is lost.
        image_scale: Factor by which the pixel branch sees the image enlarged. Pretrained trunks expect structures as
            large as in photographs; the patch branch keeps the image's own scale, where the scans cost less. Below 1
            both branches see it shrunk, to whole tokens: for large images of large structures.
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
        borders: str = "zeros",
        context: int = 0,
        smoothing: int = 0,
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
        if borders not in ("zeros", "replicate"):
            raise ValueError(f"borders must be zeros or replicate, got {borders!r}")
        if context < 0:
            raise ValueError(f"context must be at least 0, got {context}")
        if smoothing and (smoothing < 0 or smoothing % 2 == 0):
            raise ValueError(f"smoothing must be 0 or an odd number of pixels, got {smoothing}")
        if image_scale <= 0:
            raise ValueError(f"image_scale must be positive, got {image_scale}")
        self.in_channels, self.num_classes = in_channels, num_classes
        self.background, self.exclusive = background, exclusive
        self.background_logit = 0.0 if background else ABSENT_LOGIT
        self.xi = float(xi) if miml else 0.0
        self.shrinking, self.image_scale = float(min(1.0, image_scale)), float(max(1.0, image_scale))
        self.smoothing = smoothing
        self.deep_supervision = False
        dims, depths, state = SIZES[size]["dims"], SIZES[size]["depths"], SIZES[size]["state"]

        dual = miml and cmb
        self.trunk = ResNetTrunk(in_channels, **(trunk or {})) if miml else None
        if self.trunk is not None:
            self.neck = nn.Sequential(nn.Conv2d(self.trunk.channels, NECK, 1), nn.ReLU())
            if context:
                around = nn.Conv2d(NECK, NECK, 3, padding=context, dilation=context)
                self.neck.extend([around, nn.ReLU()])
            self.class_head = nn.Conv2d(NECK, num_classes, 1)
        self.attention_head = nn.Conv2d(NECK, 1, 1) if dual else None
        embedded = NECK + num_classes + 1
        self.pixel_embeddings = nn.ModuleList(nn.Conv2d(embedded, dim, 1) for dim in (dims if dual else ()))
        previous = [in_channels, *dims[:-1]]
        self.downsamplings = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 4 if i == 0 else 2, stride=4 if i == 0 else 2), LayerNorm2d(b))
            for i, (a, b) in enumerate(zip(previous, dims, strict=True))
        )
        self.stages = nn.ModuleList(
            Stage(
                ContrastiveMambaBlock(dim, state, mamba=cmb, dual=dual, eta=eta, contrast=contrast)
                for _ in range(depth)
            )
            for dim, depth in zip(dims, depths, strict=True)
        )
        self.side_heads = nn.ModuleList(nn.Conv2d(dim, num_classes, 1) for dim in dims)
        self.decoder = MLPDecoder(dims, dims[1], num_classes)
        if borders == "replicate":
            replicate_borders(self)

    def load_trunk(self, source: str | Path) -> None:
        """Load pretrained trunk weights: a .safetensors file, or "timm" (see :func:`load_trunk_weights`)."""
        if self.trunk is not None:
            load_trunk_weights(self.trunk, source)

    def forward(self, image: Tensor) -> Tensor:
        """Segment an image (see the class for shapes), without the zeros around it.

        A scripted network always gives logits; it and an exported one see zeros around an image as part of it.
        """
        if not torch.jit.is_scripting():
            if self.deep_supervision:
                return self.maps(shrunk_to_tokens(pad_to_tokens(image), self.shrinking))  # type: ignore[return-value]
            if not is_traced():
                return segment_content(self.segment, image)
        return self.segment(image)

    def segment(self, image: Tensor) -> Tensor:
        """Logits (B, 1 + K, H, W) of an image, of all that it shows."""
        padded = pad_to_tokens(image)
        maps = self.maps(shrunk_to_tokens(padded, self.shrinking))
        logits = self.combine(maps, (padded.shape[2], padded.shape[3]))
        return crop(logits, image.shape[2], image.shape[3])

    def maps(self, image: Tensor) -> PathMambaMaps:
        """Class maps of both branches and of the stages for an image whose sides are multiples of 16."""
        pixel: Tensor | None = None
        attention: Tensor | None = None
        embedded: list[Tensor] = []  # what each stage sees of the pixel branch
        if self.trunk is not None:
            features = self.neck(self.trunk(rescale(image, self.image_scale)))
            pixel = self.class_head(features)
            if self.attention_head is not None:
                attention = torch.sigmoid(self.attention_head(features).float())  # in float16 its gradient overflows
                pixels = torch.cat([features, torch.sigmoid(pixel.detach()), attention.to(features.dtype)], dim=1)
                for embed in self.pixel_embeddings:
                    embedded.append(embed(pixels))
        tokens = image
        stages: list[Tensor] = []
        sides: list[Tensor] = []
        parts = zip(self.downsamplings, self.stages, self.side_heads)  # noqa: B905, TorchScript's zip is never strict
        for i, (downsample, stage, head) in enumerate(parts):
            tokens = downsample(tokens)
            _, _, height, width = tokens.shape
            pixel_tokens = resize(embedded[i], height, width) if embedded else None
            stage_attention = None if attention is None else resize(attention, height, width)
            tokens = stage(tokens, pixel_tokens, stage_attention)
            stages.append(tokens)
            sides.append(head(tokens))
        return PathMambaMaps(pixel, self.decoder(stages), sides)

    def combine(self, maps: PathMambaMaps, size: tuple[int, int]) -> Tensor:
        """Merge both branches into logits (B, 1 + K, *size): ``xi p(Y') + (1 - xi) p(Y'')``, taken back to logits.

        With independent classes the background has logit 0 (probability 0.5, the natural threshold of a sigmoid).
        """
        log_p = self._log_probabilities(maps.patch, size)
        pixel = maps.pixel
        if pixel is not None and self.xi > 0:
            p = self._log_probabilities(pixel, size).exp()
            log_p = torch.log(self.xi * p + (1 - self.xi) * log_p.exp())
        if self.smoothing > 1:
            log_p = torch.log(window_mean(log_p.exp(), self.smoothing))
        if self.exclusive and self.background:
            return log_p
        logits = log_p if self.exclusive else log_p - torch.log1p(-log_p.exp().clamp_max(1 - 1e-6))
        zero = torch.full_like(logits[:, :1], self.background_logit)
        return torch.cat([zero, logits], dim=1)

    def _log_probabilities(self, logits: Tensor, size: tuple[int, int]) -> Tensor:
        """Per-pixel log probabilities in float32, clamped to [1e-6, 1]; with a leading background if it competes."""
        logits = resize(logits, size[0], size[1])
        return class_log_probabilities(logits, self.exclusive, self.background).clamp_min(-13.8)

"""HistoSegNet (ICCV 2019): Grad-CAM of a small VGG, background by brightness, classes set apart, and a dense CRF."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cuescan.networks.grid import resize
from cuescan.networks.trunk import IMAGENET_STD
from cuescan.rivals.activations import LEAST, NO_BACKGROUND_LOGIT, normalised_maps
from cuescan.rivals.classifier import MapNetwork
from cuescan.rivals.dense_crf import DenseCRF
from cuescan.rivals.grad_cam import grad_cam_of_linear
from cuescan.rivals.multi_label import multi_label_loss
from cuescan.rivals.pooling import max_over_valid
from cuescan.rivals.tissue_adjustment import classes_apart, other_tissue, white_background
from cuescan.rivals.vgg_trunk import VGGTrunk, load_vgg_weights

CONFIDENCE = 0.5
"""A class of which the classifier is less sure than this is not in the image."""


class HistoSegNetMaps(NamedTuple):
    """Features (B, C, h, w), ``weight`` (K, C) and ``bias`` (K,) of the classifier of their maxima, and the image."""

    features: Tensor
    weight: Tensor
    bias: Tensor
    image: Tensor

    def image_logits(self, valid: Tensor | None = None) -> Tensor:
        """Image-level logits (B, K) of what is no padding."""
        return F.linear(max_over_valid(self.features, valid), self.weight.float(), self.bias.float())


class HistoSegNet(MapNetwork):
    """A multi-label classifier whose Grad-CAM becomes a mask by post-processing alone.

    Source: Chan et al., "HistoSegNet: Semantic Segmentation of Histological Tissue Type in Whole Slide Images", ICCV
    2019; numbers that the paper leaves open are those of its released code. The network is VGG-16 without its last two
    stages, batch-normalised, with global maximum pooling and one linear layer. Then, for an image:

    1. Grad-CAM at the last convolution, rectified, over its maximum, times the class's confidence; classes that the
       classifier does not find are left out.
    2. A background of white pixels (:func:`white_background`) and other tissue (:func:`other_tissue`).
    3. From each map, the greatest of the others is subtracted (:func:`classes_apart`); from other tissue, nothing.
    4. A dense CRF (:class:`cuescan.rivals.dense_crf.DenseCRF`).

    Different: one threshold of 0.5 for all classes, where the paper takes each class's best on the receiver operating
    characteristic of its validation set; white background and other tissue become one label, the background. Where a
    data set has none, both are left out and the surest class always counts as found (as in the authors' survey of other
    image domains, IJCV 2021). Normalisation comes before each activation instead of after it. The CRF is our own mean
    field at half size: pydensecrf, which the released code uses, has to be built and often does not. Its settings are
    the defaults of the released code; small objects that differ little in colour give in to them.

    Published for H&E-stained tissue: the white background is only looked for in RGB images in [0, 1].

    Args:
        in_channels: Channels of the image, at least 1.
        num_classes: Classes K, background not counted.
        background: Whether pixels of no class exist.
        image_scale: Factor by which the network sees the image enlarged.
        unit_range: Whether images are in [0, 1]; otherwise they are z-scores.
        crf: Settings of :class:`cuescan.rivals.dense_crf.DenseCRF`.
        trunk: Further arguments of :class:`cuescan.rivals.vgg_trunk.VGGTrunk`.

    Shapes:
        As :class:`cuescan.rivals.classifier.MapNetwork`.
    """

    trunk_class = VGGTrunk

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        background: bool = True,
        image_scale: float = 1.0,
        unit_range: bool = True,
        crf: Mapping[str, Any] | None = None,
        trunk: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(in_channels, num_classes, background, image_scale)
        self.unit_range, self.crf = unit_range, DenseCRF(**(crf or {}))
        self.trunk = VGGTrunk(in_channels, **{"stages": 3, **(trunk or {})})
        self.classifier = nn.Linear(self.trunk.widths[-1], num_classes)

    def load_trunk(self, source: str | Path) -> None:
        """Load VGG-16's convolutions: a .safetensors file, or "timm" (see :func:`load_vgg_weights`)."""
        load_vgg_weights(self.trunk, source)

    def maps(self, image: Tensor) -> HistoSegNetMaps:
        """Features at stride 4, and what else the classifier and the post-processing need."""
        return HistoSegNetMaps(self.trunk(image)[-1], self.classifier.weight, self.classifier.bias, image)

    def logits(self, maps: Any, size: tuple[int, int]) -> Tensor:
        """Logits (B, 1 + K, *size): logarithms of the CRF's probabilities."""
        shares = self.class_shares(maps, size)
        image = resize(maps.image.float(), size[0], size[1])
        image = (255 * image).clamp(0, 255) if self.unit_range else 255 * sum(IMAGENET_STD) / 3 * image
        if self.background:
            labels = self.with_background(shares, image)
            return self.crf(labels, image).clamp_min(LEAST).log()
        logits = self.crf(classes_apart(shares), image).clamp_min(LEAST).log()
        return torch.cat([torch.full_like(logits[:, :1], NO_BACKGROUND_LOGIT), logits], dim=1)

    def class_shares(self, maps: HistoSegNetMaps, size: tuple[int, int]) -> Tensor:
        """Grad-CAM of each class over its maximum, times the class's confidence: (B, K, *size) in [0, 1]."""
        confidence = maps.image_logits().sigmoid()
        found = confidence >= CONFIDENCE
        if not self.background:
            found |= confidence == confidence.amax(1, keepdim=True)
        activations = grad_cam_of_linear(maps.features, maps.weight)
        shares = normalised_maps(resize(activations, size[0], size[1]), background=True)
        return shares * torch.where(found, confidence, 0)[:, :, None, None]

    def with_background(self, shares: Tensor, image: Tensor) -> Tensor:
        """Evidence (B, 1 + K, H, W) for background and classes, set apart; the image in grey values."""
        evidence = shares
        if self.unit_range and self.in_channels == 3:
            evidence = torch.cat([white_background(image), shares], dim=1)
        apart, other = classes_apart(evidence), other_tissue(evidence)
        white = apart[:, : -self.num_classes].sum(1, keepdim=True)
        return torch.cat([torch.maximum(white, other), apart[:, -self.num_classes :]], dim=1)


class MaximumPoolingLoss(nn.Module):
    """Multi-label loss of a linear classifier of each feature's maximum over the image."""

    def forward(self, maps: HistoSegNetMaps, labels: Tensor, valid: Tensor | None = None) -> Tensor:
        """Compute the loss.

        Args:
            maps: Of :class:`HistoSegNet` with ``deep_supervision`` set.
            labels: (B, K) with 1 present, 0 absent, NaN not stated.
            valid: (B, 1, H, W) boolean, false where the image was padded; None if nowhere.

        Returns:
            Scalar, float32.
        """
        return multi_label_loss(maps.image_logits(valid), labels)

"""C-CAM: class activation maps conditioned on where a class is usually found (CVPR 2022)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cuescan.networks.grid import resize
from cuescan.rivals.activations import keep_found, logits_of_shares, normalised_maps
from cuescan.rivals.classifier import ActivationNetwork
from cuescan.rivals.multi_label import multi_label_loss
from cuescan.rivals.pooling import mean_over_valid

GRID = 32
"""Side of the global context map."""
PROJECTED = 128
MOMENTUM = 0.02
"""Share of a batch in the global context map."""


class CausalMaps(NamedTuple):
    """What the loss supervises: class maps (B, K, h, w) without and with the category's causality map."""

    plain: Tensor
    causal: Tensor


class CCAM(ActivationNetwork):
    """Class activation maps of features that are weighted by where the image's classes are usually found.

    Source: Chen et al., "C-CAM: Causal CAM for Weakly Supervised Semantic Segmentation on Medical Image", CVPR 2022.
    *Global sampling*: a plain class activation network gives coarse masks, whose mean over the training images is the
    global context map. *Category causality*: coarse masks and global context are flattened and projected into one
    space; their products, by a softmax over the classes, are a category-aware attention vector, which weighs the global
    context into one map per image. *Anatomy causality*: a class's map counts only where an indicator of 0 and 1
    says that the class occurs.

    We worked from the abstract and from summaries of the paper, without its text and code. As there: both
    chains, and the order of their parts. Ours, since the summaries do not say: features are multiplied by one plus the
    category's causality map; the indicator is where the global context of a class reaches the share ``anatomy`` of its
    maximum. Different: the plain and the causal classifier are trained together and the global context is a running
    mean, where the paper trains one after the other; coarse masks hold the classes that the classifier finds. The paper
    refines its masks by an affinity network; we do so for no method.

    The method is made for organs that lie at one place in all images. Histology has no such place: there the global
    context becomes flat, and little more than plain class activation is left.

    Args:
        in_channels: Channels of the image, at least 1.
        num_classes: Classes K, background not counted.
        background: Whether pixels of no class exist.
        image_scale: Factor by which the network sees the image enlarged.
        threshold: Share of its map's maximum from which on a class beats the background, in (0, 1).
        anatomy: Share of its maximum from which on the global context allows a class, in [0, 1).
        trunk: Further arguments of :class:`cuescan.networks.trunk.ResNetTrunk`.

    Shapes:
        As :class:`ActivationNetwork`; the loss takes :class:`CausalMaps`.
    """

    context: Tensor

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        background: bool = True,
        image_scale: float = 1.0,
        threshold: float = 0.2,
        anatomy: float = 0.1,
        trunk: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(in_channels, num_classes, background, image_scale, threshold, trunk)
        if not 0 <= anatomy < 1:
            raise ValueError(f"anatomy must lie in [0, 1), got {anatomy}")
        self.anatomy = float(anatomy)
        self.register_buffer("context", torch.ones(num_classes, GRID, GRID))
        self.query = nn.Linear(GRID * GRID, PROJECTED)
        self.key = nn.Linear(GRID * GRID, PROJECTED)
        self.causal_classifier = nn.Conv2d(self.trunk.channels, num_classes, 1)

    def maps(self, image: Tensor) -> CausalMaps:
        """Class maps of both classifiers; in training the global context takes in the batch."""
        features = self.trunk(image)
        plain = self.classifier(features)
        coarse, found = self.coarse_masks(plain.detach())
        cause = resize(self.category_causality(coarse), features.shape[2], features.shape[3])
        if self.training:
            self.sample(coarse, found)
        return CausalMaps(plain, self.causal_classifier(features * (1 + cause.to(features.dtype))))

    def coarse_masks(self, plain: Tensor) -> tuple[Tensor, Tensor]:
        """Masks (B, K, GRID, GRID) in [0, 1] of the plain class maps, and which classes were found (B, K)."""
        image_logits = mean_over_valid(plain)
        shares = keep_found(normalised_maps(plain, self.background), image_logits)
        chosen = logits_of_shares(shares, self.background, self.threshold).argmax(1)
        masks = F.one_hot(chosen, 1 + self.num_classes).permute(0, 3, 1, 2)[:, 1:].float()
        return F.adaptive_avg_pool2d(masks, GRID), image_logits >= 0

    def category_causality(self, coarse: Tensor) -> Tensor:
        """The map (B, 1, GRID, GRID) of where this image's classes are usually found, in [0, 1]."""
        context = self.context.clone()  # which the batch changes before the gradient is taken
        query, key = self.query(coarse.flatten(2)), self.key(context.flatten(1))
        attention = ((query * key).sum(2) / math.sqrt(PROJECTED)).float().softmax(1)
        return torch.einsum("bk,kij->bij", attention, context)[:, None]

    @torch.no_grad()
    def sample(self, coarse: Tensor, found: Tensor) -> None:
        """Let the global context follow the mean of the coarse masks in the images where a class is found."""
        weight = found.float()[:, :, None, None]
        mean = (coarse * weight).sum(0) / weight.sum(0).clamp_min(1)
        rate = MOMENTUM * found.any(0).float()[:, None, None]
        self.context.lerp_(mean, rate)

    def class_maps(self, maps: CausalMaps) -> tuple[Tensor, Tensor]:
        """Causal class maps (B, K, h, w) where anatomy allows them, and image-level logits (B, K)."""
        allowed = self.context >= self.anatomy * self.context.amax((1, 2), keepdim=True)
        height, width = maps.causal.shape[2:]
        indicator = F.interpolate(allowed[None].float(), size=(height, width), mode="nearest")
        least = 0.0 if self.background else maps.causal.float().amin((2, 3), keepdim=True)
        activations = torch.where(indicator > 0, maps.causal.float(), least)
        return activations, mean_over_valid(maps.causal)


class CausalLoss(nn.Module):
    """Multi-label loss of both classifiers, each averaged over the image."""

    def forward(self, maps: CausalMaps, labels: Tensor, valid: Tensor | None = None) -> Tensor:
        """Compute the loss.

        Args:
            maps: Of :class:`CCAM` with ``deep_supervision`` set.
            labels: (B, K) with 1 present, 0 absent, NaN not stated.
            valid: (B, 1, H, W) boolean, false where the image was padded; None if nowhere.

        Returns:
            Scalar, float32.
        """
        plain, causal = (multi_label_loss(mean_over_valid(part, valid), labels) for part in maps)
        return plain + causal

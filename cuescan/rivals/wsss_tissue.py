"""WSSS-Tissue (MedIA 2022), first stage: progressive dropout attention, and class maps from three layers."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cuescan.networks.grid import resize
from cuescan.rivals.activations import ABSENT_SHARE, LEAST, logits_of_shares
from cuescan.rivals.classifier import ActivationNetwork
from cuescan.rivals.grad_cam import grad_cam_of_linear, grad_cams, gradients_in_float32
from cuescan.rivals.pooling import mean_over_valid

LAYER_WEIGHTS = (0.2, 0.2, 0.6)
"""Of the second stage's loss terms over the masks of conv3_x, conv4_x and the last features."""
GATE = 0.1
"""A class of which the classifier is less sure than this is not in the image."""
ATTENTION_FROM = 3
DECAY, LEAST_GAMMA = 0.98, 0.65


def attention_gamma(epoch: int) -> float | None:
    """Share of its maximum above which a class map is dropped in an epoch (from 0); None before the fourth.

    ``max(0.98^epoch, 0.65)`` as the paper has it; its code goes one step below 0.65.
    """
    return None if epoch < ATTENTION_FROM else max(DECAY**epoch, LEAST_GAMMA)


def progressive_dropout_attention(features: Tensor, class_maps: Tensor, gamma: float) -> Tensor:
    """Weigh features by the mean over classes of their rectified maps, without what is most telling of each.

    Args:
        features: (B, C, h, w).
        class_maps: (B, K, h, w) of a linear classifier on ``features``.
        gamma: Share of its maximum above which a map is 0, in (0, 1].

    Returns:
        (B, C, h, w).
    """
    maps = class_maps.relu()
    kept = torch.where(maps > gamma * maps.amax((2, 3), keepdim=True), 0, maps)
    return features * kept.mean(1, keepdim=True)


def joint_shares(maps: Tensor, background: bool) -> Tensor:
    """Bring the maps of an image to [0, 1] by the range of all of them together (the paper's normalisation).

    Args:
        maps: (B, K, h, w), any range.
        background: Whether pixels of no class exist; then evidence against a class counts as none.
    """
    maps = maps.float()
    maps = maps.relu() if background else maps - maps.amin((1, 2, 3), keepdim=True)
    return maps / maps.amax((1, 2, 3), keepdim=True).clamp_min(LEAST)


class LayerMaps(NamedTuple):
    """Grad-CAM of each class (B, K, ., .) at conv3_x, conv4_x and the last features, and image-level logits (B, K)."""

    layers: list[Tensor]
    image_logits: Tensor


class WSSSTissue(ActivationNetwork):
    """A ResNet with a 1x1 classifier that progressive dropout attention keeps from looking at little of a class.

    Source: Han et al., "Multi-layer pseudo-supervision for histopathology tissue semantic segmentation using
    patch-level classification labels", Medical Image Analysis 2022. Grad-CAM at three layers, normalised over the
    classes together, gives three masks of an image. The paper's second stage trains DeepLabV3+ on them by
    cross-entropy, weighted 0.6 (last features), 0.2 and 0.2. Here the second stage is that of all our methods,
    ``cuescan pseudo-label`` and a trainer of nnU-Net's; what it labels pixels by, and what this network predicts, are
    the three layers' maps summed with these weights. The gate, by which classes below 0.1 are left out, is the paper's.

    As published: a classifier without bias, dropout 0.5, the attention with its schedule, no rectification in Grad-CAM.
    Different: ResNet-50 in place of ResNet-38 at stride 8, hence conv3_x, conv4_x and both joined in place of its
    blocks b4_5, b5_2 and bn7; where a data set has a background, maps are rectified and the background has what they
    leave (:func:`cuescan.rivals.activations.logits_of_shares`), since the paper's sets have none but glass.

    The attribute ``gamma`` is that of :func:`progressive_dropout_attention`, or None for no attention. It acts while
    the network learns only, and follows from the epoch (:func:`attention_gamma`).

    Args:
        in_channels: Channels of the image, at least 1.
        num_classes: Classes K, background not counted.
        background: Whether pixels of no class exist.
        image_scale: Factor by which the network sees the image enlarged.
        threshold: Share of the largest evidence from which on a class beats the background, in (0, 1).
        trunk: Further arguments of :class:`cuescan.networks.trunk.ResNetTrunk`; its stages have to be 4.

    Shapes:
        As :class:`ActivationNetwork`.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        background: bool = True,
        image_scale: float = 1.0,
        threshold: float = 0.2,
        trunk: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(in_channels, num_classes, background, image_scale, threshold, trunk)
        if self.trunk.layer3 is None:
            raise ValueError("the trunk's stages must be 4: maps are taken at its last two")
        self.classifier = nn.Conv2d(self.trunk.channels, num_classes, 1, bias=False)
        self.dropout = nn.Dropout2d(0.5)
        self.gamma: float | None = None

    def maps(self, image: Tensor) -> Tensor | LayerMaps:
        """Class maps (B, K, h, w) at stride 8 for the loss, or those of three layers."""
        if not self.deep_supervision:
            return self.layer_maps(image)
        features = self.trunk(image)
        if self.gamma is not None:
            features = progressive_dropout_attention(features, self.classifier(features), self.gamma)
        return self.classifier(self.dropout(features))

    def layer_maps(self, image: Tensor) -> LayerMaps:
        """Grad-CAM of each class at three layers."""
        shallow, _ = self.trunk.stages(image)
        with gradients_in_float32(image.device):
            shallow = shallow.detach().float().clone().requires_grad_()
            assert self.trunk.layer3 is not None
            deep = self.trunk.layer3(shallow)
            features = self.trunk.joined(shallow, deep)
            class_maps = self.classifier(features)
            layers = grad_cams([shallow, deep], class_maps.sum((2, 3)))
        last = grad_cam_of_linear(features.detach(), self.classifier.weight.detach()[:, :, 0, 0])
        return LayerMaps([*layers, last], mean_over_valid(class_maps.detach()))

    def logits(self, maps: Any, size: tuple[int, int]) -> Tensor:
        """Logits (B, 1 + K, *size) from the weighted sum of the three layers' maps."""
        shares = sum(
            weight * joint_shares(resize(layer, size[0], size[1]), self.background)
            for weight, layer in zip(LAYER_WEIGHTS, maps.layers, strict=True)
        )
        found = maps.image_logits.sigmoid() > GATE
        shares = torch.where(found[:, :, None, None], shares, ABSENT_SHARE * shares)
        return logits_of_shares(shares, self.background, self.threshold)

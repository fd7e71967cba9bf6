"""SC-CAM (CVPR 2020): class activation maps of a classifier that also learns sub-categories of its classes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from cuescan.networks.grid import pad_to_tokens, rescale
from cuescan.rivals.classifier import ActivationNetwork
from cuescan.rivals.k_means import cluster_means, k_means
from cuescan.rivals.multi_label import multi_label_loss
from cuescan.rivals.pooling import mean_over_valid

UNASSIGNED = -1
"""Sub-category of a class that an image does not show."""


class SubCategoryMaps(NamedTuple):
    """What the loss takes: class maps (B, K, h, w), and maps of their sub-categories (B, K * k, h, w)."""

    classes: Tensor
    sub_categories: Tensor


class SCCAM(ActivationNetwork):
    """A ResNet with two 1x1 classifiers and mean pooling, of the classes and of their sub-categories.

    Source: Chang et al., "Weakly-Supervised Semantic Segmentation via Sub-category Exploration", CVPR 2020. A class is
    told by its most telling part alone; to tell its sub-categories apart, which k-means finds among the features of
    the images that show it, a network has to look at more of it. The masks are the maps of the class classifier.

    As published: k = 10 clusters per class of mean features, ``loss = classes + 5 * sub-categories``, dropout 0.5 of
    the features, three rounds of clustering. Different: the paper trains a new network in each round, with labels from
    the features of the one before; here one network is clustered anew three times during one training, each time
    beginning with the clusters there are, so that the classifier's rows keep their meaning. ResNet-50 in place of
    ResNet-38; masks from one scale, without the CRF and the AffinityNet that follow in the paper.

    The sub-categories of the training images (``assigned``) are saved with the weights.

    Args:
        in_channels: Channels of the image, at least 1.
        num_classes: Classes K, background not counted.
        background: Whether pixels of no class exist.
        image_scale: Factor by which the network sees the image enlarged.
        threshold: Share of its map's maximum from which on a class beats the background, in (0, 1).
        sub_categories: k, clusters per class, at least 1; a class shown by fewer images has as many as images.
        trunk: Further arguments of :class:`cuescan.networks.trunk.ResNetTrunk`.

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
        sub_categories: int = 10,
        trunk: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(in_channels, num_classes, background, image_scale, threshold, trunk)
        if sub_categories < 1:
            raise ValueError(f"sub_categories must be at least 1, got {sub_categories}")
        self.sub_categories = sub_categories
        self.dropout = nn.Dropout2d(0.5)
        self.sub_classifier = nn.Conv2d(self.trunk.channels, num_classes * sub_categories, 1)
        self.assigned = torch.empty(0, num_classes, dtype=torch.int64)

    def maps(self, image: Tensor) -> SubCategoryMaps:
        """Maps of both classifiers at stride 8."""
        features = self.dropout(self.trunk(image))
        return SubCategoryMaps(self.classifier(features), self.sub_classifier(features))

    def class_maps(self, maps: Any) -> tuple[Tensor, Tensor]:
        """Maps (B, K, h, w) and image-level logits (B, K) of the class classifier."""
        return super().class_maps(maps.classes)

    def image_features(self, image: Tensor, valid: Tensor | None = None) -> Tensor:
        """Features (B, C) of whole images, by which they are clustered: means over what is no padding."""
        return mean_over_valid(self.trunk(rescale(pad_to_tokens(image), self.image_scale)), valid)

    def get_extra_state(self) -> Tensor:
        """Return what is saved beside weights and buffers: a buffer could not change its size."""
        return self.assigned

    def set_extra_state(self, state: Tensor) -> None:
        """Take what was saved."""
        self.assigned = state.cpu()


class SubCategoryLoss(nn.Module):
    """Multi-label losses of the mean class maps and of the mean maps of the sub-categories.

    Args:
        weight: Of the sub-categories, at least 0 (the paper's 5).
    """

    def __init__(self, weight: float = 5.0) -> None:
        super().__init__()
        if weight < 0:
            raise ValueError(f"weight must be at least 0, got {weight}")
        self.weight = weight

    def forward(self, maps: SubCategoryMaps, labels: Tensor, valid: Tensor | None = None) -> Tensor:
        """Compute the loss.

        Args:
            maps: Of :class:`SCCAM` with ``deep_supervision`` set.
            labels: (B, K), or (B, K + K * k) with :func:`sub_category_labels` behind them: 1 present, 0 absent, NaN
                not stated. Without them, no sub-category is learnt.
            valid: (B, 1, H, W) boolean, false where the image was padded; None if nowhere.

        Returns:
            Scalar, float32.
        """
        classes = maps.classes.shape[1]
        below = labels[:, classes:]
        if below.shape[1] == 0:
            below = torch.full_like(maps.sub_categories[:, :, 0, 0], torch.nan)
        loss = multi_label_loss(mean_over_valid(maps.sub_categories, valid), below)
        return multi_label_loss(mean_over_valid(maps.classes, valid), labels[:, :classes]) + self.weight * loss


def sub_category_labels(labels: Tensor, assigned: Tensor, sub_categories: int) -> Tensor:
    """Labels of sub-categories from those of their classes.

    Args:
        labels: (B, K) with 1 present, 0 absent, NaN not stated.
        assigned: (B, K) integers, the sub-category of each class that is present.
        sub_categories: k.

    Returns:
        (B, K * k): of a class that is present, 1 for its sub-category and 0 for the others; 0 for those of a class that
        is absent; NaN for those of a class that is not stated, or of which no sub-category is known.
    """
    one_hot = (assigned[:, :, None] == torch.arange(sub_categories, device=assigned.device)).to(labels)
    known = (labels == 0) | ((labels == 1) & (assigned >= 0))
    below = torch.where(known[:, :, None], one_hot * labels[:, :, None].nan_to_num(0), torch.nan)
    return below.flatten(1)


def find_sub_categories(
    features: np.ndarray, labels: np.ndarray, before: np.ndarray, sub_categories: int, seed: int
) -> np.ndarray:
    """Cluster, for each class, the images that show it.

    Args:
        features: (N, C) of all images.
        labels: (N, K): 1 present, 0 absent, NaN not stated.
        before: (N, K) integers, the sub-categories so far, which the clusters begin with; all :data:`UNASSIGNED` at
            first.
        sub_categories: k.
        seed: Of the first centres.

    Returns:
        (N, K) integers in [0, k), or :data:`UNASSIGNED` where a class is not stated to be present.
    """
    assigned = np.full(labels.shape, UNASSIGNED, dtype=np.int64)
    for number, (column, clusters) in enumerate(zip(labels.T, before.T, strict=True)):
        shown = column == 1
        if shown.any():
            points = features[shown].astype(np.float64)
            start = cluster_means(points, clusters[shown], min(sub_categories, len(points)))
            assigned[shown, number] = k_means(points, start, np.random.default_rng([seed, number]))
    return assigned

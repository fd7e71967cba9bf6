"""OEEM's loss: learn most from the pixels whose label is easy to believe."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy


class EasyExampleCrossEntropy(nn.Module):
    """Cross-entropy in which each pixel weighs as much as the network already believes its label.

    Online Easy Example Mining (Li et al., MICCAI 2022) with its normalised loss. Of the N labelled pixels of an image,
    pixel i with label y_i, probability p_i(y_i) and cross-entropy l_i = -log p_i(y_i) has the weight

        w_i = N exp(-l_i) / sum_j exp(-l_j) = p_i(y_i) / mean_j p_j(y_j)

    through which no gradient flows; the loss is the mean of w_i l_i. Wrong labels contradict what most others teach, so
    they have a high l_i and weigh little. An image with labels of a single class has weights of 1.

    The formula is that of the authors' published code (we did not check the number of its equation in the paper). There
    ignored pixels take part in the softmax and in the mean; here N counts labelled pixels only, since the share that is
    ignored says nothing about the others. The mean is over the batch's labelled pixels, as in nnU-Net.

    Args:
        ignored: labels that take no part.

    Shapes:
        logits (B, C, *), target (B, 1, *) of any number type -> scalar, 0 where nothing is labelled.
    """

    def __init__(self, ignored: Collection[int]) -> None:
        super().__init__()
        self.ignored = tuple(ignored)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute the loss of a batch."""
        labels = target[:, 0].long()
        labelled = torch.ones_like(labels, dtype=torch.bool)
        for label in self.ignored:
            labelled &= labels != label
        labels = labels.where(labelled, 0)
        losses = cross_entropy(logits.float(), labels, reduction="none")
        weights = easy_weights(losses.detach().flatten(1), labels.flatten(1), labelled.flatten(1))
        return (weights * losses.flatten(1)).sum() / labelled.sum().clamp_min(1)


def easy_weights(losses: Tensor, labels: Tensor, labelled: Tensor) -> Tensor:
    """Weights of pixels, with a mean of 1 over the labelled ones of each image.

    Args:
        losses: (B, N) at least 0.
        labels: (B, N) integers.
        labelled: (B, N) bool.

    Returns:
        (B, N), 0 where not labelled; 1 in images whose labelled pixels are all of one class.
    """
    shares = torch.softmax((-losses).masked_fill(~labelled, torch.finfo(losses.dtype).min), 1)
    largest = labels.masked_fill(~labelled, torch.iinfo(labels.dtype).min).amax(1, keepdim=True)
    smallest = labels.masked_fill(~labelled, torch.iinfo(labels.dtype).max).amin(1, keepdim=True)
    weights = torch.where(largest > smallest, shares * labelled.sum(1, keepdim=True), 1.0)
    return weights * labelled

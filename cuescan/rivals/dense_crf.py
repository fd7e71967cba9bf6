"""Fully connected conditional random field with Gaussian edge potentials, solved by mean field.

Source: Kraehenbuehl and Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials", NIPS 2011.
Two pixels disagree at a cost ``w_1 exp(-|p_i - p_j|^2 / 2 a^2 - |I_i - I_j|^2 / 2 b^2) + w_2 exp(-|p_i - p_j|^2 / 2
c^2)``, the appearance and the smoothness kernel (Eq. 3), each normalised symmetrically. The paper sums over all pixels
with an approximate filter; we work at reduced size and sum exactly, over offsets of up to two standard deviations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from cuescan.networks.grid import resize

REACH = 2.0
"""Standard deviations beyond which a kernel counts as 0."""
Window = tuple[slice, slice]


@dataclass(frozen=True)
class DenseCRF:
    """The settings of a dense CRF. Lengths are pixels of the image, intensities grey values of 256.

    Attributes:
        appearance_weight: w_1, at least 0.
        appearance_length: a.
        appearance_intensity: b.
        smoothness_weight: w_2, at least 0.
        smoothness_length: c.
        steps: Of the mean field.
        reduction: Factor by which image and labels are reduced for it, at least 1.
    """

    appearance_weight: float = 50.0
    appearance_length: float = 10.0
    appearance_intensity: float = 20.0
    smoothness_weight: float = 30.0
    smoothness_length: float = 3.0
    steps: int = 5
    reduction: int = 2

    @torch.no_grad()
    def __call__(self, shares: Tensor, image: Tensor) -> Tensor:
        """Smooth a labelling along the edges of its image.

        Args:
            shares: (B, L, H, W) evidence for each label in [0, 1]; a label without any in an image takes no part there.
            image: (B, C, H, W) in grey values, 0 to 255.

        Returns:
            (B, L, H, W) probabilities in float32.
        """
        height, width = shares.shape[2], shares.shape[3]
        small = (math.ceil(height / self.reduction), math.ceil(width / self.reduction))
        shares, image = (F.adaptive_avg_pool2d(x.float(), small) for x in (shares, image))
        evidence = shares.clamp_min(1e-5).log()
        evidence = evidence.masked_fill(shares.amax((2, 3), keepdim=True) <= 0, -torch.inf)
        evidence = torch.where(torch.isinf(evidence).all(1, keepdim=True), 0.0, evidence)
        pairs = [
            (self.appearance_weight, self._kernel(image, self.appearance_length, self.appearance_intensity)),
            (self.smoothness_weight, self._kernel(image[:, :0], self.smoothness_length, 1.0)),
        ]
        found = evidence.softmax(1)
        for _ in range(self.steps):
            messages = sum(weight * kernel.filtered(found) for weight, kernel in pairs)
            found = (evidence + messages).softmax(1)
        return resize(found, height, width)

    def _kernel(self, features: Tensor, length: float, intensity: float) -> PairKernel:
        return PairKernel(features / intensity, length / self.reduction)


class PairKernel:
    """A kernel between the pixels of an image, without those between a pixel and itself.

    Args:
        features: (B, C, h, w), by whose squared distance it falls; C may be 0.
        length: Standard deviation in pixels.
    """

    def __init__(self, features: Tensor, length: float) -> None:
        self.weights = [
            (here, there, self._weight(features, here, there, length))
            for here, there in _pairs(features.shape[2], features.shape[3], length)
        ]
        ones = features.new_ones(len(features), 1, *features.shape[2:])
        self.norm = torch.ones_like(ones)
        self.norm = self.filtered(ones).clamp_min(1e-12).rsqrt()

    def filtered(self, x: Tensor) -> Tensor:
        """Sum of the others' values (B, L, h, w), each by the kernel over the roots of both pixels' sums of it."""
        x = self.norm * x
        total = torch.zeros_like(x)
        for (rows, columns), (other_rows, other_columns), weight in self.weights:
            total[:, :, rows, columns] += weight * x[:, :, other_rows, other_columns]
            total[:, :, other_rows, other_columns] += weight * x[:, :, rows, columns]
        return self.norm * total

    @staticmethod
    def _weight(features: Tensor, here: Window, there: Window, length: float) -> Tensor:
        distance = (here[0].start - there[0].start) ** 2 + (here[1].start - there[1].start) ** 2
        difference = features[:, :, here[0], here[1]] - features[:, :, there[0], there[1]]
        return torch.exp(-0.5 * (distance / length**2 + difference.square().sum(1, keepdim=True)))


def _pairs(height: int, width: int, length: float) -> Iterator[tuple[Window, Window]]:
    """Windows onto all pairs of pixels that are near enough, each pair once, by their offset."""
    reach = REACH * length
    for down in range(min(int(reach), height - 1) + 1):
        for right in range(-min(int(reach), width - 1), min(int(reach), width - 1) + 1):
            if (down, right) > (0, 0) and math.hypot(down, right) <= reach:
                left, start = max(0, -right), max(0, right)
                stop = width - start
                here = (slice(0, height - down), slice(left, stop))
                there = (slice(down, height), slice(left + right, stop + right))
                yield here, there

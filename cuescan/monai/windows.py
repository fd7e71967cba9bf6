"""Inference in windows, as nnU-Net's: the same windows, weights and precision, hence the same masks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cuescan.monai.inferer import WholeImageInferer


class WindowInferer(WholeImageInferer):
    """Sees an image through windows of the patch's size that overlap by half, the middle of each counting most.

    An image that the patch covers is seen as a whole. Sums are kept in half precision since nnU-Net does so: where two
    labels are almost as likely, a mask depends on it.

    Args:
        patch_size, mirror_axes: see :class:`WholeImageInferer`.
    """

    def predict(self, images: Tensor, valid: Tensor, network: Any, *args: Any) -> Tensor:
        """Logits of padded images, averaged over mirrored views and windows."""
        from nnunetv2.inference.sliding_window_prediction import compute_gaussian, compute_steps_for_sliding_window

        gaussian = compute_gaussian(self.patch_size, 1 / 8, 10, device=images.device)
        starts = compute_steps_for_sliding_window(tuple(images.shape[2:]), self.patch_size, 0.5)
        windows = [
            (..., slice(top, top + self.patch_size[0]), slice(left, left + self.patch_size[1]))
            for top in starts[0]
            for left in starts[1]
        ]
        sums, weights = torch.zeros(0), gaussian.new_zeros(images.shape[2:])
        for window in windows:
            logits = super().predict(images[window].contiguous(), valid, network, *args) * gaussian
            if not len(sums):
                sums = gaussian.new_zeros(*logits.shape[:2], *images.shape[2:])
            sums[window] += logits
            weights[window] += gaussian
        return sums / weights

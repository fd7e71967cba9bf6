"""Deep contrast supervised loss of PathMamba (MICCAI 2024), Eq. 3 and 4."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cuescan.losses.generalised_mean import log_generalised_mean
from cuescan.networks.path_mamba import PathMambaMaps, class_log_probabilities


def log1mexp(log_p: Tensor) -> Tensor:
    """``log(1 - exp(log_p))`` for log_p <= 0, accurate at both ends; p is held below 1 - 1e-6."""
    log_p = log_p.clamp_max(-1e-6)
    near_one = log_p > -math.log(2.0)
    # each branch sees a harmless stand-in where the other is used, so that no gradient becomes NaN
    close = torch.log(-torch.expm1(torch.where(near_one, log_p, torch.full_like(log_p, -0.5))))
    far = torch.log1p(-torch.exp(torch.where(near_one, torch.full_like(log_p, -1.0), log_p)))
    return torch.where(near_one, close, far)


def image_level_cross_entropy(log_p: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of image-level log probabilities, averaged over the known labels.

    Args:
        log_p: (B, K) logarithms of probabilities.
        labels: (B, K) with 1 present, 0 absent, NaN unknown. Unknown labels have no gradient.

    Returns:
        Scalar; 0 when no label is known.
    """
    known = ~torch.isnan(labels)
    target = torch.where(known, labels, torch.zeros_like(labels)).float()
    entropy = -(target * log_p + (1 - target) * log1mexp(log_p))
    return torch.where(known, entropy, torch.zeros_like(entropy)).sum() / known.sum().clamp_min(1)


class DeepContrastLoss(nn.Module):
    """Cross-entropy of the pooled class maps of both branches (Eq. 3, 4) and of every stage's side map.

    The image-level prediction is ``xi GM_r(p(Y')) + (1 - xi) GM_r(p(Y''))``. The paper supervises "each network
    layer" without weights; we add the mean over the stages. Maps are pooled at their own resolution: the bilinear
    enlargement the paper draws hardly changes a mean over pixels.

    Args:
        r: Exponent of the generalised mean (the paper's 4).
        xi: Weight of the pixel branch, in [0, 1] (the paper's 0.5).
        deep: Supervise the stages too (ablation "DCL").
        exclusive: See :class:`cuescan.networks.PathMamba`.
        background: See :class:`cuescan.networks.PathMamba`.
    """

    def __init__(
        self, r: float = 4.0, xi: float = 0.5, deep: bool = True, exclusive: bool = False, background: bool = True
    ) -> None:
        super().__init__()
        if not 0 <= xi <= 1:
            raise ValueError(f"xi must lie in [0, 1], got {xi}")
        self.r, self.xi, self.deep = r, xi, deep
        self.exclusive, self.background = exclusive, background

    def forward(self, maps: PathMambaMaps, labels: Tensor, valid: Tensor | None = None) -> Tensor:
        """Compute the loss.

        Args:
            maps: Class maps of :class:`cuescan.networks.PathMamba` with ``deep_supervision`` set.
            labels: (B, K) with 1 present, 0 absent, NaN unknown.
            valid: (B, 1, H, W) boolean, false where the image was padded; None if nowhere.

        Returns:
            Scalar, float32.
        """
        log_p = self._pool(maps.patch, valid)
        if maps.pixel is not None and self.xi > 0:
            pixel = self._pool(maps.pixel, valid)
            log_p = pixel if self.xi == 1 else torch.logaddexp(pixel + math.log(self.xi), log_p + math.log(1 - self.xi))
        loss = image_level_cross_entropy(log_p, labels)
        if self.deep and maps.sides:
            sides = [image_level_cross_entropy(self._pool(side, valid), labels) for side in maps.sides]
            loss = loss + torch.stack(sides).mean()
        return loss

    def _pool(self, logits: Tensor, valid: Tensor | None) -> Tensor:
        log_p = class_log_probabilities(logits, self.exclusive, self.background)[:, -logits.shape[1] :]
        weight = None if valid is None else F.adaptive_avg_pool2d(valid.float(), (logits.shape[-2], logits.shape[-1]))
        return log_generalised_mean(log_p, self.r, weight)

"""Learning from masks that label a part of the pixels, and from labels of parts of the images beside them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cuescan.losses.easy_examples import easy_weights
from cuescan.losses.parts import denied, log_part_means


class PartialLabelLoss(nn.Module):
    """Cross-entropy of the labelled pixels, and what labels of parts say about all pixels.

        CE(labelled) + parts * (denial + presence)

    *Denial* is the mean over the pixels with a denied class of ``-log P(none of the denied classes)``, *presence* the
    mean over parts and the classes stated present of ``-log GM_r(p)``, GM_r the generalised mean over the part
    (PathMamba, Eq. 3), but only where a part holds more than one label: with one, denial says the same for each pixel.

    Args:
        background: Whether label 0 is a label; else its pixels are not labelled.
        parts: Weight of labels of parts, at least 0.
        r: Exponent of the generalised mean.
        easy: Weigh labelled pixels as OEEM does, so that doubtful labels count less
            (:func:`cuescan.losses.easy_examples.easy_weights`).
    """

    def __init__(self, background: bool = True, parts: float = 1.0, r: float = 4.0, easy: bool = False) -> None:
        super().__init__()
        if parts < 0:
            raise ValueError(f"parts must be at least 0, got {parts}")
        self.background, self.parts, self.r, self.easy = background, parts, r, easy

    def forward(
        self, logits: Tensor, target: Tensor, labels: Tensor | None = None, boxes: Tensor | None = None
    ) -> Tensor:
        """Compute the loss.

        Args:
            logits: (B, 1 + K, H, W).
            target: (B, 1, H, W) integers: labels 0 to K, anything else is not labelled.
            labels: (B, N, K) of parts: 1 present, 0 absent, nan not stated; or None.
            boxes: (B, N, 4) of the parts, in pixels of ``logits``; or None.

        Returns:
            Scalar, float32; 0, with a gradient of 0, where nothing is labelled.
        """
        logits = logits.float()
        loss = self._labelled(logits, target[:, 0])
        if self.parts and labels is not None and boxes is not None:
            loss = loss + self.parts * self._stated(logits, labels, boxes)
        return loss

    def _labelled(self, logits: Tensor, target: Tensor) -> Tensor:
        known = (target >= (0 if self.background else 1)) & (target < logits.shape[1])
        losses = cross_entropy(logits, target.where(known, 0), reduction="none")
        weights = known.float()
        if self.easy:
            weights = easy_weights(losses.detach().flatten(1), target.flatten(1), known.flatten(1)).view_as(losses)
        return (losses * weights).sum() / known.sum().clamp_min(1)

    def _stated(self, logits: Tensor, labels: Tensor, boxes: Tensor) -> Tensor:
        size = logits.shape[2:]
        forbidden = denied(boxes, labels, size, size)
        possible = torch.cat([torch.full_like(forbidden[:, :1], self.background), ~forbidden], 1)
        judged = forbidden.any(1) & possible.any(1)
        allowed = logits.masked_fill(~possible & judged[:, None], -1e9)
        cost = logits.logsumexp(1) - allowed.logsumexp(1)
        loss = (cost * judged).sum() / judged.sum().clamp_min(1)
        several = (labels != 0).sum(2, keepdim=True) + int(self.background) > 1
        present = (labels == 1) & several
        pooled = log_part_means(logits.log_softmax(1)[:, 1:], boxes, size, self.r)
        return loss - (pooled * present).sum() / present.sum().clamp_min(1)

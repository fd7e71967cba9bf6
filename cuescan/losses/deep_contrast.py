"""Deep contrast supervised loss of PathMamba (MICCAI 2024), Eq. 3 and 4."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cuescan.losses.generalised_mean import log_generalised_mean
from cuescan.losses.parts import denied, log_part_means
from cuescan.networks.grid import padded_size, valid_share
from cuescan.networks.maps import PathMambaMaps, background_log_probability, class_log_probabilities

ABSENT = -30.0  # logit of a class that is not there
POOLED, PIXELS = "pooled", "pixels"


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
    layer" without weights; we add the mean over the pixel branch and the stages (the sum above alone would let one
    branch explain the label away from the other). Maps are pooled at their own resolution: the bilinear
    enlargement the paper draws hardly changes a mean over pixels.

    The scan hands every token the whole image, so the patch branch can satisfy image-level labels by a pattern that
    has little to do with where things are. ``consistency``, which is ours, holds it to the pixel branch, whose
    receptive field is local: a cross-entropy per pixel against the class maps Y' without the classes that the cue
    says are absent (no gradient flows into Y'). It steadies the masks over the epochs (``docs/results/glas_crops.md``).

    An absent class is absent from each pixel. Eq. 4 applies that to the pooled value alone, whose gradient reaches the
    likeliest pixels; ``absent="pixels"``, which is ours, charges each pixel ``-log P(none of the absent classes)``,
    averaged over the pixels and over the branches with their weights. Where all classes but one are absent and there is
    no background, this is the cross-entropy with a full mask. A present class stays pooled.

    Where cues label parts of images, as tiles of a slide, each part is pooled by itself, and a pixel pays for each
    class that any part which shows it denies; labels of the image as a whole are not needed then.

    No label speaks of the background, so nothing holds it against the classes: with r = 4 a class gains until it fills
    the image. ``surroundings``, which is ours, pools the background as a class that each image holds, by the mean
    (r = 1). The loss of K classes of shares f_k that are otherwise alike is then
    ``-sum log(f_k) / r - log(1 - sum f_k)`` and least where each has ``f_k = 1 / (r + K)``: r says how much of an image
    a class is expected to take.

    Args:
        r: Exponent of the generalised mean (the paper's 4).
        xi: Weight of the pixel branch, in [0, 1] (the paper's 0.5).
        deep: Supervise the stages too (ablation "DCL").
        consistency: Weight of the agreement of Y'' and of the stages with Y', at least 0; 0 is the paper's loss.
        absent: "pooled" (the paper's) or "pixels": where it counts that a class is absent.
        absent_weight: (K,) weight of each class where it is absent, for "pixels" and classes that do not compete. Where
            nearly all images show a class, whatever they have in common fulfils its labels; the few without it say
            most, and with their weight raised to n_present / n_absent they count as much as the others together.
        surroundings: Whether the background is pooled too, where there is one.
        exclusive: See :class:`cuescan.networks.PathMamba`.
        background: See :class:`cuescan.networks.PathMamba`.
    """

    def __init__(
        self,
        r: float = 4.0,
        xi: float = 0.5,
        deep: bool = True,
        consistency: float = 0.0,
        absent: str = POOLED,
        absent_weight: Sequence[float] | None = None,
        surroundings: bool = False,
        exclusive: bool = False,
        background: bool = True,
    ) -> None:
        super().__init__()
        if not 0 <= xi <= 1:
            raise ValueError(f"xi must lie in [0, 1], got {xi}")
        if consistency < 0:
            raise ValueError(f"consistency must be at least 0, got {consistency}")
        if absent not in (POOLED, PIXELS):
            raise ValueError(f"absent must be {POOLED} or {PIXELS}, got {absent!r}")
        if absent_weight is not None and (exclusive or absent != PIXELS):
            raise ValueError(f"absent_weight needs absent {PIXELS!r} and classes that do not compete (exclusive false)")
        if absent_weight is not None and min(absent_weight) <= 0:
            raise ValueError(f"absent_weight must be positive, got {list(absent_weight)}")
        self.r, self.xi, self.deep, self.consistency, self.absent = r, xi, deep, consistency, absent
        self.absent_weight = None if absent_weight is None else torch.tensor(absent_weight)[:, None, None]
        self.surroundings = surroundings and background
        self.exclusive, self.background = exclusive, background

    def forward(
        self,
        maps: PathMambaMaps,
        labels: Tensor,
        valid: Tensor | None = None,
        boxes: Tensor | None = None,
        empty: Tensor | None = None,
    ) -> Tensor:
        """Compute the loss.

        Args:
            maps: Class maps of :class:`cuescan.networks.PathMamba` with ``deep_supervision`` set.
            labels: (B, K) with 1 present, 0 absent, NaN unknown; of N parts (B, N, K).
            valid: (B, 1, H, W) boolean, false where the image was padded; None if nowhere. Parts need it.
            boxes: (B, N, 4) of the parts (:class:`cuescan.training.parts.Parts`); None: labels are of images.
            empty: (B, 1, H, W) boolean, where no class can be, by other knowledge than labels; None if not known. It
                counts as if all classes were absent there, so that ``absent`` must be "pixels".

        Returns:
            Scalar, float32.
        """
        if empty is not None and self.absent != PIXELS:
            raise ValueError(f"absent must be {PIXELS} where pixels are known to be empty, got {self.absent!r}")
        bags = _Bags(labels, valid, boxes, empty)
        layers = [] if maps.pixel is None else [maps.pixel]
        shares = [1.0] if maps.pixel is None else [self.xi, 1 - self.xi]
        loss = self._cross_entropy([*layers, maps.patch], shares, bags)
        sides = maps.sides if self.deep else []
        if self.deep:
            losses = [self._cross_entropy([layer], [1.0], bags) for layer in [*layers, *sides]]
            loss = loss + torch.stack(losses).mean()
        if maps.pixel is not None and self.consistency:
            losses = [self._disagreement(student, maps.pixel, bags) for student in (maps.patch, *sides)]
            loss = loss + self.consistency * torch.stack(losses).mean()
        return loss

    def _cross_entropy(self, branches: list[Tensor], shares: list[float], bags: _Bags) -> Tensor:
        """Cross-entropy of the image-level prediction that branches make together, each with its share."""
        classes = branches[0].shape[1]
        log_p = _mixed([bags.pooled(self._log_p(logits)[:, -classes:], self.r) for logits in branches], shares)
        labels = bags.labels
        loss = branches[0].new_zeros((), dtype=torch.float32)
        if self.surroundings:
            kept = [_pooled(background_log_probability(x, self.exclusive), 1.0, bags.valid) for x in branches]
            loss = loss - _mixed(kept, shares).sum() / bags.known_of_images
        if self.absent == POOLED:
            return loss + image_level_cross_entropy(log_p, labels)
        present = labels == 1
        loss = loss - torch.where(present, log_p, torch.zeros_like(log_p)).sum() / bags.known
        for logits, share in zip(branches, shares, strict=True):
            loss = loss + share * self._absence(logits, bags)
        return loss

    def _absence(self, logits: Tensor, bags: _Bags) -> Tensor:
        """Mean over each image's pixels of ``-log P(the pixel is of no absent class)``, as its share of the loss."""
        absent = bags.absent(logits)
        logits = logits.float()
        if not self.exclusive:
            cost = torch.where(absent, F.softplus(logits), torch.zeros_like(logits))
            if self.absent_weight is not None:
                cost = cost * self.absent_weight.to(cost.device)
            cost = cost.sum(1, keepdim=True)
        else:
            possible = ~absent
            if self.background:
                logits, possible = F.pad(logits, (0, 0, 0, 0, 1, 0)), F.pad(possible, (0, 0, 0, 0, 1, 0), value=True)
            possible = possible | ~possible.any(1, keepdim=True)  # where no class is left, the labels say nothing
            allowed = logits.masked_fill(~possible, -1e9)  # finite, for the gradient
            cost = logits.logsumexp(1, keepdim=True) - allowed.logsumexp(1, keepdim=True)
        return _mean_over_pixels(cost, bags.valid).sum() / bags.known_of_images

    def _log_p(self, logits: Tensor) -> Tensor:
        return class_log_probabilities(logits, self.exclusive, self.background)

    def _disagreement(self, student: Tensor, teacher: Tensor, bags: _Bags) -> Tensor:
        """Mean cross-entropy per pixel of the student's maps against the teacher's, at the student's resolution."""
        size, valid = (student.shape[-2], student.shape[-1]), bags.valid
        absent = bags.absent(student)
        known = F.interpolate(teacher.detach().float(), size=size, mode="bilinear", align_corners=False)
        known = self._log_p(known.masked_fill(absent, ABSENT)).exp()
        log_p = self._log_p(student)
        entropy = -known * log_p
        if not self.exclusive:
            entropy = entropy - (1 - known) * F.logsigmoid(-student.float())
        entropy = entropy.sum(1, keepdim=True)
        if valid is None:
            return entropy.mean()
        weight = valid_share(valid, student)
        return (entropy * weight).sum() / weight.sum().clamp_min(1e-6)


class _Bags:
    """What is labelled, images or parts of them, and what follows for their pixels.

    Args:
        labels: (B, K), or (B, N, K) of parts.
        valid: (B, 1, H, W) boolean, or None.
        boxes: (B, N, 4) of parts, or None.
        empty: (B, 1, H, W) boolean, where no class can be, or None.
    """

    def __init__(self, labels: Tensor, valid: Tensor | None, boxes: Tensor | None, empty: Tensor | None) -> None:
        self.labels, self.valid, self.boxes, self.empty = labels, valid, boxes, empty
        self.known = (~torch.isnan(labels)).sum().clamp_min(1)
        # parts of an image share its pixels, so that absence weighs as if each image had one label of each class
        self.known_of_images = self.known if boxes is None else labels.shape[0] * labels.shape[2]

    def pooled(self, log_p: Tensor, r: float) -> Tensor:
        """Log generalised mean over each bag's pixels, (B, K) or (B, N, K); empty ones add nothing to it."""
        if self.empty is not None:
            log_p = log_p.masked_fill(_mostly(self.empty, log_p), -1e4)
        if self.boxes is None:
            return _pooled(log_p, r, self.valid)
        return log_part_means(log_p, self.boxes, self._extent(), r)

    def absent(self, logits: Tensor) -> Tensor:
        """Which classes are absent where, (B, K, 1, 1) or (B, K, h, w) bool."""
        if self.boxes is None:
            absent = (self.labels == 0)[:, :, None, None]
        else:
            absent = denied(self.boxes, self.labels, logits.shape[2:], self._extent())
        return absent if self.empty is None else absent | _mostly(self.empty, logits)

    def _extent(self) -> tuple[int, int]:
        if self.valid is None:
            raise ValueError("valid must be given with boxes: it tells the size of the images")
        return padded_size(self.valid)


def _pooled(log_p: Tensor, r: float, valid: Tensor | None) -> Tensor:
    """Log generalised mean over the valid pixels of each image, (B, K)."""
    return log_generalised_mean(log_p, r, None if valid is None else valid_share(valid, log_p))


def _mostly(where: Tensor, like: Tensor) -> Tensor:
    """Cells of a map that are marked in at least half of their pixels, (B, 1, h, w) bool."""
    return valid_share(where, like) >= 0.5


def _mixed(logs: list[Tensor], shares: list[float]) -> Tensor:
    """Logarithm of the sum of probabilities, each with its share; one of 0 has no gradient but stays in the graph."""
    weighed = [log_p + math.log(max(share, 1e-12)) for log_p, share in zip(logs, shares, strict=True)]
    return torch.stack(weighed).logsumexp(0)


def _mean_over_pixels(values: Tensor, valid: Tensor | None) -> Tensor:
    """Mean of each (B, 1, h, w) map over its valid pixels, (B,)."""
    if valid is None:
        return values.mean((1, 2, 3))
    weight = valid_share(valid, values)
    return (values * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp_min(1e-6)

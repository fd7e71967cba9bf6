"""Grounding: what a sentence states of places, boxes, shares and absence, as constraints on a mask."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cuescan.losses.affinity import affinity_loss
from cuescan.losses.constraints import emptiness, occupancy, projection, seeding, share_error
from cuescan.losses.stated_mean import stated_mean
from cuescan.networks.places import MARGIN, ellipse_depth, rasterise, stated_share

CORE = 0.5  # of a box's ellipse: radii of the part that is taken for the finding


class GroundingLoss(nn.Module):
    """Weighted sum of terms, each averaged over the statements that it follows from, and 0 where there is none.

    This is ours: the TIFCMamba paper writes places, boxes and shares into its sentences, but has no such loss.

    | term | what is stated | what is demanded |
    |---|---|---|
    | ``outside`` | places or boxes | nothing outside their union, with a margin around places |
    | ``inside`` | a place, a box, or only that the class is there | something inside each (or anywhere) |
    | ``projection`` | a tight box | no empty row or column in each (BoxInst) |
    | ``ellipse`` | a tight box | its core is the finding: the ellipse of half the box's size |
    | ``share`` | a share of the image | that share is covered, within the stated regions |
    | ``absent`` | "no polyp" | nothing in the whole image |
    | ``affinity`` | a tight box | neighbours of one colour around it belong together (BoxInst); needs the image |

    Classes have independent probabilities ``sigmoid(logit)``. A class that is absent has no other term.

    Args:
        outside: Weight of the term; like all weights at least 0, and 0 switches it off.
        inside: Weight.
        projection: Weight.
        ellipse: Weight.
        share: Weight.
        absent: Weight.
        affinity: Weight.
        margin: Around a place, in shares of the image, how far a finding centred in it may stick out.
    """

    def __init__(
        self,
        outside: float = 1.0,
        inside: float = 1.0,
        projection: float = 1.0,
        ellipse: float = 1.0,
        share: float = 1.0,
        absent: float = 1.0,
        affinity: float = 0.5,
        margin: float = MARGIN,
    ) -> None:
        super().__init__()
        self.weights = {
            "outside": outside,
            "inside": inside,
            "projection": projection,
            "ellipse": ellipse,
            "share": share,
            "absent": absent,
            "affinity": affinity,
        }
        for name, value in {**self.weights, "margin": margin}.items():
            if not value >= 0:
                raise ValueError(f"{name} must be at least 0, got {value}")
        self.margin = margin

    def forward(
        self,
        logits: Tensor,
        place: Tensor,
        present: Tensor,
        valid: Tensor | None = None,
        image: Tensor | None = None,
    ) -> Tensor:
        """Compute the loss.

        Args:
            logits: (B, K, h, w) mask logits; computed in float32.
            place: (B, K, R, 6), see :mod:`cuescan.networks.places`, in shares of the grid (of the padded image).
            present: (B, K) with 1 present, 0 absent, NaN not mentioned.
            valid: (B, 1, H, W), 0 where the image was padded; None if nowhere. Any size that covers the same picture.
            image: (B, C, H, W) of any range, for ``affinity``; without it that term is 0. Any size, as for ``valid``.

        Returns:
            Scalar, float32.
        """
        terms = self.terms(logits, place, present, valid, image)
        return torch.stack([self.weights[name] * value for name, value in terms.items()] or [0 * logits.sum()]).sum()

    def terms(
        self,
        logits: Tensor,
        place: Tensor,
        present: Tensor,
        valid: Tensor | None = None,
        image: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The terms of a weight above 0 by name, scalars without their weights; arguments as of :meth:`forward`."""
        _check(logits, place, present)
        with torch.autocast(logits.device.type, enabled=False):
            return self._terms(logits.float(), place.float(), present, valid, image)

    def _terms(
        self, logits: Tensor, place: Tensor, present: Tensor, valid: Tensor | None, image: Tensor | None
    ) -> dict[str, Tensor]:
        size = (logits.shape[2], logits.shape[3])
        pixels = _pixels(valid, logits)
        absent = present == 0
        regions = rasterise(place, size[0], size[1], self.margin)
        everywhere = torch.ones_like(regions.allowed)
        stated, tight = regions.stated & ~absent[:, :, None], regions.tight & ~absent[:, :, None]
        share = stated_share(place).masked_fill(absent, float("nan"))

        terms: dict[str, Tensor] = {}
        if self.weights["outside"]:
            values, found = emptiness(logits, ~regions.allowed, pixels)
            terms["outside"] = stated_mean(values, found & ~absent)
        if self.weights["inside"]:
            merely = (present == 1) & ~regions.stated.any(2) & share.isnan()
            rows = torch.cat([regions.rows, everywhere.unsqueeze(2)], dim=2)
            values, found = occupancy(logits, rows, pixels, share)
            terms["inside"] = stated_mean(values, found & torch.cat([stated, merely.unsqueeze(2)], dim=2))
        if self.weights["projection"]:
            values, found = projection(logits, regions.rows, pixels)
            terms["projection"] = stated_mean(values, found & tight)
        if self.weights["ellipse"]:
            values, found = seeding(logits, ellipse_depth(place, *size, scale=CORE) >= 0, pixels)
            terms["ellipse"] = stated_mean(values, found & tight)
        if self.weights["share"]:
            values, found = share_error(logits, share, regions.allowed, pixels)
            terms["share"] = stated_mean(values, found)
        if self.weights["absent"]:
            values, found = emptiness(logits, everywhere, pixels)
            terms["absent"] = stated_mean(values, found & absent)
        if self.weights["affinity"] and image is not None:
            colours = F.adaptive_avg_pool2d(image.detach().float(), size)
            boxes = (regions.rows & tight[..., None, None]).any(2)
            values = affinity_loss(logits, colours, boxes, pixels)
            terms["affinity"] = stated_mean(values, tight.any(2))
        return terms


def _pixels(valid: Tensor | None, logits: Tensor) -> Tensor:
    """Which pixels of the map are image by at least half, (B, 1, h, w) boolean."""
    if valid is None:
        return torch.ones_like(logits[:, :1], dtype=torch.bool)
    return F.adaptive_avg_pool2d(valid.float(), (logits.shape[2], logits.shape[3])) >= 0.5


def _check(logits: Tensor, place: Tensor, present: Tensor) -> None:
    batch, classes = logits.shape[:2]
    if place.ndim != 4 or place.shape[:2] != (batch, classes) or place.shape[3] != 6:
        raise ValueError(f"place must be ({batch}, {classes}, R, 6) as the logits are, got {tuple(place.shape)}")
    if present.shape != (batch, classes):
        raise ValueError(f"present must be ({batch}, {classes}) as the logits are, got {tuple(present.shape)}")

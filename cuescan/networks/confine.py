"""At inference: keep a mask to what its prompt states of it."""

from __future__ import annotations

import torch
from torch import Tensor

OUTSIDE_LOGIT = -50.0
"""Of a pixel outside the stated boxes: never a class, finite in half precision."""


def confine(logits: Tensor, place: Tensor, outside_logit: float = OUTSIDE_LOGIT) -> Tensor:
    """Bound class logits by stated boxes and shares; where a prompt states neither, they stay as they are.

    A stated box is tight, so no pixel outside it belongs to the class. A stated share says how many pixels belong to
    it: the logits are shifted so that as many are positive, the most certain ones. A stated place only says where the
    centre lies, and bounds nothing. A class that a prompt denies has an empty box.

    Args:
        logits: (B, K, H, W).
        place: (B, K, R, 6): left, top, right, bottom as shares of the sides, 1 for a tight box or 0 for a place, share
            of the image's area; nan where nothing is stated.
        outside_logit: Of pixels outside the boxes.

    Returns:
        (B, K, H, W) in float32.
    """
    logits = logits.float()
    height, width = logits.shape[2], logits.shape[3]
    x = (torch.arange(width, device=logits.device) + 0.5) / width
    y = (torch.arange(height, device=logits.device) + 0.5) / height
    left, top, right, bottom, tight, share = place.float()[..., None].unbind(3)
    columns, rows = (x >= left) & (x <= right), (y >= top) & (y <= bottom)
    boxes = (rows[..., :, None] & columns[..., None, :] & (tight == 1)[..., None]).any(2)
    boxed = (tight == 1).any(2)[..., None]
    inside = boxes | ~boxed
    kept = torch.where(inside, logits, outside_logit)
    stated = torch.nan_to_num(share, nan=-1.0).amax(2)
    number = (stated * (height * width)).round().long().clamp(1, height * width - 1)
    ranked = kept.flatten(2).sort(dim=2, descending=True).values
    threshold = (ranked.gather(2, number - 1) + ranked.gather(2, number)) / 2
    shifted = logits - torch.where(stated >= 0, threshold, 0.0)[..., None]
    return torch.where(inside, shifted, outside_logit)

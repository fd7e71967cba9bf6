"""Make large images smaller, with their masks."""

from __future__ import annotations

import numpy as np
from PIL import Image

from cuescan.data.images import Picture


def reduced_size(size: tuple[int, int], longest_side: int | None) -> tuple[int, int]:
    """(height, width) with at most ``longest_side`` pixels on the longer side; never larger than before."""
    scale = 1.0 if longest_side is None else min(1.0, longest_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def reduce_picture(picture: Picture, longest_side: int | None) -> Picture:
    """Reduce an 8-bit photograph, antialiased."""
    height, width = reduced_size((picture.pixels.shape[0], picture.pixels.shape[1]), longest_side)
    if (height, width) == picture.pixels.shape[:2]:
        return picture
    return Picture(np.asarray(Image.fromarray(picture.pixels).resize((width, height), Image.Resampling.LANCZOS)))


def reduce_mask(mask: np.ndarray, longest_side: int | None) -> np.ndarray:
    """Reduce label integers (H, W); a pixel gets the label that covers most of it."""
    height, width = reduced_size((mask.shape[0], mask.shape[1]), longest_side)
    if (height, width) == mask.shape:
        return mask
    labels = np.unique(mask)
    covers = [Image.fromarray((mask == label).astype(np.float32)) for label in labels]
    shares = [np.asarray(cover.resize((width, height), Image.Resampling.BOX)) for cover in covers]
    return labels[np.argmax(shares, axis=0)]

"""Paint label masks over images, in colours that most eyes tell apart on tissue."""

from __future__ import annotations

import numpy as np
from PIL import Image

from cuescan.evaluation.labels import Labels

COLOURS = (
    (0, 213, 255),
    (255, 230, 0),
    (0, 115, 60),
    (0, 50, 190),
    (255, 128, 0),
    (255, 255, 255),
    (20, 20, 20),
)
"""Light and dark in turn, and none of them pink, purple or red: those are the colours of stained tissue and mucosa."""

IGNORED = (128, 128, 128)
FILL, WHOLE_IMAGE_FILL = 0.28, 0.18
EDGE = 0.6


def class_colour(label: int) -> tuple[int, int, int]:
    """The colour of a class label (1, 2, ...); after the last colour they come again, darker."""
    lap, index = divmod(label - 1, len(COLOURS))
    red, green, blue = (round(value * 0.6**lap) for value in COLOURS[index])
    return red, green, blue


def displayable(pixels: np.ndarray) -> np.ndarray:
    """Turn pixels of (H, W) or (H, W, 3) of any number type into uint8 of shape (H, W, 3).

    Values other than 8 bit are stretched between their 0.5th and 99.5th percentile.
    """
    if pixels.dtype != np.uint8:
        low, high = np.percentile(pixels, [0.5, 99.5])
        pixels = (np.clip((pixels - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)
    return np.repeat(pixels[..., None], 3, axis=-1) if pixels.ndim == 2 else pixels


def fit(size: tuple[int, int], shortest: int, longest: int) -> tuple[int, int]:
    """Scale (height, width) so that the longer side lies within the two bounds (pixels)."""
    side = max(size)
    factor = min(max(side, shortest), longest) / side
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a uint8 image of (H, W, 3) to (height, width)."""
    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.LANCZOS))


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a mask of (H, W) to (height, width) by its nearest pixels."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(size, mask.shape, strict=True)
    )
    return mask[rows[:, None], columns]


def paint(image: np.ndarray, mask: np.ndarray, labels: Labels) -> np.ndarray:
    """Fill every class with a tint and draw its outline.

    The outline is one or two pixels wide, by the image's size, and has a dark edge towards the background so that
    light colours stand out on light tissue.

    Args:
        image: uint8 of shape (H, W, 3).
        mask: labels of shape (H, W).
        labels: what the integers mean; ``ignore`` becomes gray.

    Returns:
        uint8 of shape (H, W, 3).
    """
    painted = image.astype(np.float32)
    outline = _neighbour_differs(mask)
    if max(mask.shape) >= 400:
        outline |= _spread(outline)
    fill = FILL if labels.background else WHOLE_IMAGE_FILL
    for label in range(1, len(labels.names)):
        region = mask == label
        painted[region] = (1 - fill) * painted[region] + fill * np.array(class_colour(label), np.float32)
        painted[region & outline] = class_colour(label)
    background = mask == 0
    painted[background & _spread(~background)] *= 1 - EDGE
    if labels.ignore is not None:
        ignored = mask == labels.ignore
        painted[ignored] = 0.4 * painted[ignored] + 0.6 * np.array(IGNORED, np.float32)
    return painted.round().astype(np.uint8)


def _neighbour_differs(mask: np.ndarray) -> np.ndarray:
    """Pixels with another label above, below, left or right; the image's border is no difference."""
    differs = np.zeros(mask.shape, bool)
    vertical, horizontal = mask[1:] != mask[:-1], mask[:, 1:] != mask[:, :-1]
    differs[1:] |= vertical
    differs[:-1] |= vertical
    differs[:, 1:] |= horizontal
    differs[:, :-1] |= horizontal
    return differs


def _spread(region: np.ndarray) -> np.ndarray:
    """The region and its neighbours above, below, left and right."""
    spread = region.copy()
    spread[1:] |= region[:-1]
    spread[:-1] |= region[1:]
    spread[:, 1:] |= region[:, :-1]
    spread[:, :-1] |= region[:, 1:]
    return spread

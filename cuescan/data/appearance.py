"""Words for how a finding looks, where it is clear: its colour beside its surroundings, and its size."""

from __future__ import annotations

import colorsys

import numpy as np
from scipy import ndimage

_SIZES = ((0.004, "tiny"), (0.025, "small"))
_LARGE, _HUGE = 0.15, 0.5
_SATURATED = 0.35  # HSV saturation from which a hue has a name
_HUES_APART = 15  # degrees
_SATURATION_APART = 0.12
_DARKER, _PALER = 0.15, 0.12  # differences of brightness and of colour that are seen at once
_HUES = (
    (15, "red"), (45, "orange"), (70, "yellow"), (165, "green"), (255, "blue"), (310, "purple"), (345, "pink"),
    (360, "red"),
)  # fmt: skip


def size_word(share: float) -> str | None:
    """The word for a share of the image; None in the middle, where people differ."""
    if share >= _LARGE:
        return "huge" if share >= _HUGE else "large"
    return next((word for limit, word in _SIZES if share < limit), None)


def _hue_word(inside: np.ndarray, outside: np.ndarray) -> str | None:
    """The name of the hue inside, if it has one and is far from the hue outside."""
    (hue, saturation, value), (other, pallor, _) = (colorsys.rgb_to_hsv(*colour) for colour in (inside, outside))
    if saturation < _SATURATED or value < 0.2:
        return None
    apart = abs((360 * (hue - other) + 180) % 360 - 180)
    if apart < _HUES_APART and saturation - pallor < _SATURATION_APART:
        return None
    name = next(word for limit, word in _HUES if 360 * hue <= limit)
    return "brown" if 10 < 360 * hue < 45 and value < 0.65 else name


def colour_word(image: np.ndarray, region: np.ndarray) -> str | None:
    """The colour of a finding, if it is clearly not that of what surrounds it.

    Args:
        image: uint8 (H, W, 3); gray images give "dark" or "bright" only.
        region: bool (H, W), the finding.

    Returns:
        A hue such as "red", "pale", "dark" or "bright"; None where the difference is slight.
    """
    pixels = np.repeat(image[..., None], 3, axis=-1) if image.ndim == 2 else image
    margin = max(2, round(0.03 * max(region.shape)))
    around = ndimage.binary_dilation(region, iterations=margin) & ~region
    if not around.any() or not region.any():
        return None
    inside, outside = (pixels[part].mean(axis=0) / 255 for part in (region, around))
    hue = _hue_word(inside, outside)
    difference = float(inside.mean() - outside.mean())
    if hue is not None:
        return hue
    if abs(difference) > _DARKER:
        return "bright" if difference > 0 else "dark"
    spread = [float(colour.max() - colour.min()) for colour in (inside, outside)]
    return "pale" if difference > 0 and spread[1] - spread[0] > _PALER else None

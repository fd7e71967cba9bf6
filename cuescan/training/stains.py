"""Stains of histology images: their densities at each pixel, and where nuclei can lie."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]], dtype=np.float32)
"""Optical densities (red, green, blue) of haematoxylin, eosin and DAB (Ruifrok and Johnston 2001)."""
UNMIX = np.linalg.inv(STAINS / np.linalg.norm(STAINS, axis=1, keepdims=True)).astype(np.float32)
"""From optical densities of the colours to those of the stains."""
MIX = np.linalg.inv(UNMIX).astype(np.float32)
SMOOTHING = 1.5
"""Standard deviation, in pixels, of the window over which the density of haematoxylin is averaged."""


def optical_density(image: np.ndarray) -> np.ndarray:
    """``-log`` of an image (3, H, W) in [0, 1], as that of 8 bits resolves it."""
    return -np.log(np.clip(image, 1 / 255, 1))


def outside_nuclei(image: np.ndarray) -> np.ndarray:
    """Where an image stained with haematoxylin and eosin holds little of the former, so that no nucleus lies there.

    The threshold is the one that parts the image's densities best (Otsu 1979).

    Args:
        image: (3, H, W) red, green and blue in [0, 1].

    Returns:
        (H, W) bool; True nowhere in an image of one density.
    """
    from skimage.filters import threshold_otsu

    density = gaussian_filter(np.einsum("chw,c->hw", optical_density(image), UNMIX[:, 0]), SMOOTHING)
    return density <= threshold_otsu(density) if density.max() > density.min() else np.zeros(density.shape, bool)

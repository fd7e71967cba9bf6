"""Augmentation under which an image-level cue stays true.

Nothing leaves the image and nothing is cut: mirroring and quarter turns move content only within it, intensity changes
are mild and the same for all channels. All randomness comes from the generator that is handed in, so that an item does
not depend on which process makes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]], dtype=np.float32)
"""Optical densities (red, green, blue) of haematoxylin, eosin and DAB (Ruifrok and Johnston 2001)."""
_UNMIX = np.linalg.inv(STAINS / np.linalg.norm(STAINS, axis=1, keepdims=True)).astype(np.float32)
_MIX = np.linalg.inv(_UNMIX).astype(np.float32)


@dataclass(frozen=True)
class Augmentation:
    """Random changes of one image.

    Attributes:
        patch_size: (height, width) that a turned image must fit in.
        rgb: the image has three channels in [0, 1]; results are kept in that range and stains may vary.
        stain_jitter: largest relative change of each stain's density.
    """

    patch_size: tuple[int, int]
    rgb: bool
    stain_jitter: float

    def __call__(self, image: np.ndarray, generator: np.random.Generator, orientation_free: bool) -> np.ndarray:
        """Return a changed copy of ``image`` (C, H, W) in float32; it may be turned only if ``orientation_free``."""
        if orientation_free:
            image = self._turned(image, generator)
        image = np.array(image, dtype=np.float32, order="C")
        spread = float(image.std())
        if generator.random() < 0.5:
            image *= generator.uniform(0.9, 1.1)
        if generator.random() < 0.5:
            mean = image.mean()
            image = (image - mean) * np.float32(generator.uniform(0.85, 1.15)) + mean
        if self.rgb and self.stain_jitter and generator.random() < 0.5:
            image = self._restained(image, generator)
        if generator.random() < 0.15:
            image = gaussian_filter(image, (0, *[generator.uniform(0.3, 0.8)] * 2))
        if generator.random() < 0.15:
            level = generator.uniform(0, 0.1) * spread
            image += np.float32(level) * generator.standard_normal(image.shape, dtype=np.float32)
        return np.clip(image, 0, 1) if self.rgb else image

    def _turned(self, image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        down, across, turn = generator.random(3) < 0.5
        image = image[:, :: -1 if down else 1, :: -1 if across else 1]
        height, width = image.shape[1:]
        if turn and height <= self.patch_size[1] and width <= self.patch_size[0]:
            image = np.rot90(image, axes=(1, 2))
        return image

    def _restained(self, image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        factors = generator.uniform(1 - self.stain_jitter, 1 + self.stain_jitter, 3).astype(np.float32)
        density = -np.log(np.clip(image, 1 / 255, 1))
        change = (_UNMIX * factors) @ _MIX
        return np.exp(-np.einsum("chw,cd->dhw", density, change))

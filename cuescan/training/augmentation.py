"""Augmentation under which a cue stays true, or can follow.

Nothing leaves the image and nothing is cut: mirroring and quarter turns move content only within it, intensity changes
are mild and the same for all channels. All randomness comes from the generator that is handed in, so that an item does
not depend on which process makes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from cuescan.cues.language import Turn
from cuescan.training.stains import MIX, UNMIX, optical_density


@dataclass(frozen=True)
class Augmentation:
    """Random changes of one image.

    Attributes:
        patch_size: (height, width) that a turned image must fit in.
        rgb: the image has three channels in [0, 1]; results are kept in that range and stains may vary.
        stain_jitter: largest relative change of each stain's density.
        colour_jitter: largest relative change of each channel, as cameras and scanners differ: a gain; an offset of up
            to half of it; and a gamma of all channels of up to ``exp(1.5 colour_jitter)``. Every image is changed.
    """

    patch_size: tuple[int, int]
    rgb: bool
    stain_jitter: float
    colour_jitter: float = 0.0

    def __call__(
        self, image: np.ndarray, generator: np.random.Generator, may_turn: bool, may_stain: bool
    ) -> tuple[np.ndarray, Turn]:
        """Return a changed copy of ``image`` (C, H, W) in float32, and how it was turned.

        It is mirrored and turned only if ``may_turn``, and its colours change only if ``may_stain``.
        """
        turn = self._drawn_turn(image.shape, generator) if may_turn else Turn()
        image = np.array(turned(image, turn), dtype=np.float32, order="C")
        spread = float(image.std())
        if generator.random() < 0.5:
            image *= generator.uniform(0.9, 1.1)
        if generator.random() < 0.5:
            mean = image.mean()
            image = (image - mean) * np.float32(generator.uniform(0.85, 1.15)) + mean
        if self.rgb and self.stain_jitter and generator.random() < 0.5:
            restained = self._restained(image, generator)
            image = restained if may_stain else image
        if self.rgb and self.colour_jitter:
            recoloured = self._recoloured(image, generator)
            image = recoloured if may_stain else image
        if generator.random() < 0.15:
            image = gaussian_filter(image, (0, *[generator.uniform(0.3, 0.8)] * 2))
        if generator.random() < 0.15:
            level = generator.uniform(0, 0.1) * spread
            image += np.float32(level) * generator.standard_normal(image.shape, dtype=np.float32)
        return (np.clip(image, 0, 1) if self.rgb else image), turn

    def _drawn_turn(self, shape: tuple[int, ...], generator: np.random.Generator) -> Turn:
        down, across, turn = (bool(drawn) for drawn in generator.random(3) < 0.5)
        if turn and shape[1] <= self.patch_size[1] and shape[2] <= self.patch_size[0]:
            return Turn(transpose=True, flip_rows=not across, flip_columns=down)
        return Turn(flip_rows=down, flip_columns=across)

    def _restained(self, image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        factors = generator.uniform(1 - self.stain_jitter, 1 + self.stain_jitter, 3).astype(np.float32)
        change = (UNMIX * factors) @ MIX
        return np.exp(-np.einsum("chw,cd->dhw", optical_density(image), change))

    def _recoloured(self, image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        most = self.colour_jitter
        gain = generator.uniform(1 - most, 1 + most, (3, 1, 1)).astype(np.float32)
        offset = generator.uniform(-most / 2, most / 2, (3, 1, 1)).astype(np.float32)
        gamma = np.float32(np.exp(generator.uniform(-1.5 * most, 1.5 * most)))
        return np.clip(image * gain + offset, 0, 1) ** gamma


def turned(image: np.ndarray, turn: Turn) -> np.ndarray:
    """A view of ``image`` (C, H, W), transposed and then mirrored as ``turn`` says."""
    image = image.transpose(0, 2, 1) if turn.transpose else image
    return image[:, :: -1 if turn.flip_rows else 1, :: -1 if turn.flip_columns else 1]

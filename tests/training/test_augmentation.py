"""What augmentation changes of an image's colours, and what it leaves."""

from __future__ import annotations

import numpy as np
import pytest

from cuescan.training.augmentation import Augmentation

GREY = np.full((3, 4, 4), 0.5, np.float32)


def changed(jitter: float, seed: int, may_stain: bool = True) -> np.ndarray:
    augmentation = Augmentation((4, 4), rgb=True, stain_jitter=0.0, colour_jitter=jitter)
    return augmentation(GREY, np.random.default_rng(seed), False, may_stain)[0]


def test_colour_jitter_tints_but_keeps_the_range():
    means = np.array([changed(0.3, seed).mean((1, 2)) for seed in range(40)])
    assert means.min() >= 0 and means.max() <= 1
    tint = means - means.mean(1, keepdims=True)
    assert np.abs(tint).max(1).min() > 1e-3, "every image is tinted"
    assert abs(means.mean() - 0.5) < 0.05


@pytest.mark.parametrize("jitter", [0.05, 0.3])
def test_colour_jitter_bounds_the_change_of_a_channel(jitter):
    """Without the other, milder changes: gain and offset of a channel, then a gamma."""
    augmentation = Augmentation((4, 4), True, 0.0, jitter)
    for seed in range(20):
        image = augmentation._recoloured(GREY, np.random.default_rng(seed))
        low, high = 0.5 * (1 - jitter) - jitter / 2, 0.5 * (1 + jitter) + jitter / 2
        assert (max(low, 0) ** np.exp(1.5 * jitter) <= image.min()) and image.max() <= high ** np.exp(-1.5 * jitter)


def test_colours_that_a_cue_speaks_of_stay():
    spread = [np.ptp(changed(0.3, seed, may_stain=False).mean((1, 2))) for seed in range(20)]
    assert max(spread) < 0.05

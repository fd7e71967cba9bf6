"""Where nuclei can lie, on images mixed from stains, beside scikit-image's own separation."""

from __future__ import annotations

import numpy as np
from skimage.color import rgb2hed

from cuescan.training.stains import STAINS, UNMIX, optical_density, outside_nuclei


def stained(nuclei: np.ndarray) -> np.ndarray:
    """An image (3, H, W): eosin everywhere, less of it beneath haematoxylin; a third is white slide."""
    density = np.stack([nuclei * 1.2 + 0.05, np.where(nuclei, 0.2, 0.5)])
    density[:, :, nuclei.shape[1] // 3 * 2 :] = 0
    image = np.exp(-np.einsum("shw,sc->chw", density, STAINS[:2]))
    return (image + np.random.default_rng(0).normal(0, 0.01, image.shape)).clip(0, 1).astype(np.float32)


def test_densities_are_those_of_scikit_image():
    image = np.random.default_rng(1).uniform(0.1, 1, (3, 8, 8)).astype(np.float32)
    ours = np.einsum("chw,c->hw", optical_density(image), UNMIX[:, 0])
    theirs = rgb2hed(image.transpose(1, 2, 0))[..., 0]
    assert np.corrcoef(ours.clip(0).ravel(), theirs.ravel())[0, 1] > 0.999  # theirs has no negative densities


def test_nuclei_are_left_and_stroma_and_white_slide_are_not():
    rows, columns = np.mgrid[:96, :96]
    nuclei = np.zeros((96, 96), bool)
    for row, column in ((20, 15), (50, 40), (75, 20)):
        nuclei |= (rows - row) ** 2 + (columns - column) ** 2 <= 64
    kept = ~outside_nuclei(stained(nuclei))
    assert (kept & nuclei).sum() / (kept | nuclei).sum() > 0.85


def test_an_image_of_one_colour_says_nothing():
    assert not outside_nuclei(np.full((3, 32, 32), 0.7, np.float32)).any()

"""Masks painted over images: where colour goes, and that colours can be told apart."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb2lab

from cuescan.evaluation.labels import Labels
from cuescan.evaluation.paint import COLOURS, class_colour, displayable, fit, paint, resize_mask

# Machado, Oliveira, Fernandes 2009, severity 1, on linear RGB
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
}


def seen(colours, matrix):
    linear = (np.array(colours) / 255) ** 2.2 @ np.array(matrix).T
    return rgb2lab(np.clip(linear, 0, 1)[None] ** (1 / 2.2))[0]


@pytest.mark.parametrize("vision", VISION)
def test_every_pair_of_colours_is_told_apart(vision):
    lab = seen(COLOURS, VISION[vision])
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + 1000 * np.eye(len(lab))
    assert distance.min() > 20


def test_the_check_of_colours_can_fail():
    red_and_green = seen([(200, 60, 0), (110, 110, 0)], VISION["deuteranopia"])
    assert np.linalg.norm(red_and_green[0] - red_and_green[1]) < 20


def test_colours_beyond_the_palette_differ():
    assert len({class_colour(label) for label in range(1, 13)}) == 12


def test_background_away_from_a_class_keeps_its_pixels():
    image = np.full((20, 20, 3), 200, np.uint8)
    mask = np.zeros((20, 20), int)
    mask[5:10, 5:10] = 1
    painted = paint(image, mask, Labels(("tumour",)))
    np.testing.assert_array_equal(painted[12:], image[12:])
    assert tuple(painted[5, 5]) == class_colour(1), "outline in the full colour"
    assert (painted[4, 6] < 100).all(), "dark edge outside"
    assert painted[7, 7, 2] > painted[7, 7, 0], "tinted inside"


def test_the_image_border_is_no_outline():
    image = np.full((6, 6, 3), 100, np.uint8)
    painted = paint(image, np.ones((6, 6), int), Labels(("a", "b"), background=False))
    assert len(np.unique(painted.reshape(-1, 3), axis=0)) == 1


def test_ignore_is_gray():
    image = np.zeros((6, 6, 3), np.uint8)
    painted = paint(image, np.full((6, 6), 2), Labels(("a",), ignore=2))
    assert len(set(painted[3, 3])) == 1 and painted[3, 3, 0] > 50


@pytest.mark.parametrize("pixels", [np.arange(12).reshape(3, 4) * 300.0 - 1000, np.zeros((3, 4), np.uint16)])
def test_medical_values_become_eight_bit(pixels):
    shown = displayable(pixels)
    assert shown.shape == (3, 4, 3) and shown.dtype == np.uint8


def test_sizes_stay_within_bounds_and_keep_their_shape():
    assert fit((100, 50), 448, 768) == (448, 224)
    assert fit((1536, 3072), 448, 768) == (384, 768)
    assert fit((500, 600), 448, 768) == (500, 600)


def test_enlarging_a_mask_invents_no_label():
    mask = np.array([[0, 3], [7, 0]])
    np.testing.assert_array_equal(resize_mask(mask, (4, 4)), np.kron(mask, np.ones((2, 2), int)))

"""Where wrong pixels lie: distances from borders between classes, against distances counted one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cuescan.evaluation import BorderBands, Labels

LABELS = Labels(("tumour", "stroma"), ignore=3)
WIDTHS = (1.5, 3.0)


def counted_one_by_one(reference, prediction):
    """Pixels and wrong pixels per band, by comparing each pixel with every pixel of another class."""
    places = [place for place in np.ndindex(reference.shape) if reference[place] != LABELS.ignore]
    pixels, wrong = [0] * (len(WIDTHS) + 1), [0] * (len(WIDTHS) + 1)
    for place in places:
        others = [other for other in places if reference[other] != reference[place]]
        distance = min((np.hypot(*np.subtract(place, other)) for other in others), default=np.inf)
        band = sum(distance > width for width in WIDTHS)
        pixels[band] += 1
        wrong[band] += int(prediction[place] != reference[place])
    return pixels, wrong


def masks(highest):
    return arrays(np.int64, (4, 6), elements=st.integers(0, highest))


@given(masks(3), masks(2))
def test_bands_against_distances_counted_one_by_one(reference, prediction):
    bands = BorderBands(LABELS, WIDTHS)
    bands.update(reference, prediction)
    pixels, wrong = counted_one_by_one(reference, prediction)
    assert (bands.pixels.tolist(), bands.wrong.tolist()) == (pixels, wrong)


def test_images_add_up_and_an_image_of_one_class_has_no_border():
    bands = BorderBands(LABELS, (1.0, 2.0))
    bands.update(np.array([[1, 1, 1, 2, 2, 2]]), np.array([[2, 1, 2, 2, 2, 1]]))
    bands.update(np.array([[1, 1]]), np.array([[1, 2]]))
    assert bands.pixels.tolist() == [2, 2, 4]
    assert bands.wrong.tolist() == [1, 0, 3]


def test_a_pixel_left_undecided_is_in_no_band():
    bands = BorderBands(LABELS, (1.0,))
    bands.update(np.array([[1, 1, 2, 2]]), np.array([[3, 1, 3, 1]]))
    assert (bands.pixels.tolist(), bands.wrong.tolist()) == ([1, 1], [0, 1])


@pytest.mark.parametrize("widths", [(), (0.0, 1.0), (2.0, 2.0), (3.0, 1.0)])
def test_widths_must_grow(widths):
    with pytest.raises(ValueError, match="positive and increasing"):
        BorderBands(LABELS, widths)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuescan.data.images import Picture
from cuescan.data.reduction import reduce_mask, reduce_picture, reduced_size

RNG = np.random.default_rng(0)


@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(32, 2000))
def test_the_longer_side_fits_and_nothing_grows(height: int, width: int, longest: int) -> None:
    size = reduced_size((height, width), longest)
    assert max(size) == min(longest, max(height, width))
    assert 1 <= size[0] <= height and 1 <= size[1] <= width
    assert reduced_size((height, width), None) == (height, width)


@given(st.integers(1, 6), st.integers(1, 4))
def test_whole_factors_undo_enlargement(factor: int, labels: int) -> None:
    mask = RNG.integers(0, labels, (40, 33), dtype=np.uint8)
    large = np.kron(mask, np.ones((factor, factor), np.uint8))
    np.testing.assert_array_equal(reduce_mask(large, 40), mask)


def test_the_label_that_covers_most_wins() -> None:
    mask = np.array([[0, 0, 1, 1], [0, 1, 1, 2]], np.uint8)
    np.testing.assert_array_equal(reduce_mask(mask, 2), [[0, 1]])


@pytest.mark.parametrize("shape", [(60, 90), (60, 90, 3)])
def test_pictures_keep_their_brightness(shape: tuple[int, ...]) -> None:
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    reduced = reduce_picture(Picture(pixels), 45).pixels
    assert reduced.shape[:2] == (30, 45) and reduced.dtype == np.uint8
    assert abs(reduced.mean() - pixels.mean()) < 2
    assert reduce_picture(Picture(pixels), 90).pixels is pixels

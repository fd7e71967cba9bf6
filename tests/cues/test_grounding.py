"""What sentences state of place and extent as numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuescan.cues.grounding import REGIONS, place_array, presence
from cuescan.cues.language import Box, Statement, read_sentence

LEFT, RIGHT = Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1)
TIGHT = Box(0.1, 0.2, 0.3, 0.6)


def rows_of(statement: Statement, **options) -> list[list[float | None]]:
    """The used rows of one statement; None for what is not stated."""
    array = place_array([statement], **options)
    assert array.shape == (1, REGIONS, 6) and array.dtype == np.float32
    used = array[0][~np.isnan(array[0]).all(1)]
    assert np.isnan(array[0, len(used) :]).all()  # used rows come first
    return [[None if np.isnan(value) else round(float(value), 6) for value in row] for row in used]


def test_a_box_counts_before_a_place_and_has_its_share():
    boxed = Statement("polyp", True, places=(LEFT,), boxes=(TIGHT,), share=0.08)
    assert rows_of(boxed) == [[0.1, 0.2, 0.3, 0.6, 1, 0.08]]
    assert rows_of(boxed.reduced("place")) == [[0, 0, 0.5, 1, 0, None]]
    assert rows_of(boxed.reduced("name")) == []


def test_several_regions_have_a_row_each_and_the_first_ones_are_kept():
    found = rows_of(Statement("polyp", True, places=(LEFT, RIGHT), share=0.2))
    assert found == [[0, 0, 0.5, 1, 0, 0.2], [0.5, 0, 1, 1, 0, 0.2]]
    many = tuple(Box(0, 0, 0.1 * (number + 1), 0.1) for number in range(REGIONS + 2))
    assert [row[2] for row in rows_of(Statement("polyp", True, boxes=many))] == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_a_share_alone_has_the_whole_image_as_its_place():
    assert rows_of(Statement("polyp", True, share=0.25)) == [[0, 0, 1, 1, 0, 0.25]]


def test_what_is_denied_has_a_place_only_where_it_is_to_be_empty():
    denied = Statement("polyp", False, places=(LEFT,), boxes=(TIGHT,), share=0.1)
    assert rows_of(denied) == []
    assert rows_of(denied, empty_where_denied=True) == [[0, 0, 0, 0, 1, None]]


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=5))
def test_presence_is_what_is_stated(stated):
    found = presence([Statement("polyp", value) for value in stated])
    assert found.dtype == np.float32
    assert [None if np.isnan(value) else bool(value) for value in found] == stated


def test_a_sentence_in_pixels_becomes_shares_of_each_class():
    text = "One polyp, box (10, 20, 30, 40), covering 8% of the image. No ulcer."
    array = place_array(read_sentence(text, ("polyp", "ulcer", "instrument"), (100, 50)))
    assert array.shape == (3, REGIONS, 6)
    np.testing.assert_allclose(array[0, 0], [0.2, 0.2, 0.6, 0.4, 1, 0.08], rtol=1e-6)
    assert np.isnan(array[1:]).all()

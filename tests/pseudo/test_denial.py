"""Crops that overlap decide pixels that no crop decides alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuescan.cues import Cue, Cues, Part
from cuescan.pseudo.denial import possible_by_cue, restricted

LEFT, RIGHT = (0, 0, 4, 6), (0, 3, 4, 9)
CUES, BARE = Cues(("a", "b"), background=True), Cues(("a", "b"), background=False)


def part(box, first, second) -> Part:
    return Part(box, {"a": first, "b": second})


@pytest.mark.parametrize("cues", [CUES, BARE])
def test_what_one_crop_denies_is_impossible_where_it_lies(cues):
    possible = possible_by_cue(cues, Cue.of_parts([part(LEFT, 1, 0), part(RIGHT, 1, 1)]), (4, 9))
    assert possible.shape == (3, 4, 9)
    assert (possible[0] == cues.background).all() and possible[1].all()
    assert not possible[2, :, :6].any() and possible[2, :, 6:].all()


def test_what_is_not_stated_is_possible():
    assert possible_by_cue(CUES, Cue.of_parts([part(LEFT, 1, None)]), (4, 9)).all()


def test_where_crops_deny_all_the_whole_image_counts():
    cue = Cue.of_parts([part(LEFT, 1, 0), part(RIGHT, 0, 1)])
    possible = possible_by_cue(BARE, cue, (4, 9))
    assert possible[1:, :, 3:6].all() and not possible[0].any()
    assert possible[1, :, :3].all() and not possible[2, :, :3].any()
    assert possible_by_cue(CUES, cue, (4, 9))[:, 0, 4].tolist() == [True, False, False]


def test_an_image_without_crops_has_one_cue():
    possible = possible_by_cue(CUES, Cue({"a": 0, "b": None}), (2, 3))
    assert possible[:, 1, 1].tolist() == [True, False, True] and (possible == possible[:, :1, :1]).all()


@given(st.integers(0, 99))
def test_probabilities_are_shared_among_what_is_possible(seed):
    generator = np.random.default_rng(seed)
    shares = generator.dirichlet(np.ones(3), (4, 5)).transpose(2, 0, 1).astype(np.float32)
    possible = generator.random((3, 4, 5)) < 0.6
    possible[0] |= ~possible.any(0)
    found = restricted(shares, possible)
    assert np.allclose(found.sum(0), 1, atol=1e-6) and not found[~possible].any()
    expected = np.where(possible, np.log(shares), -np.inf)
    expected = np.exp(expected - np.logaddexp.reduce(expected, 0))
    assert np.allclose(found, expected, atol=1e-5), "a softmax without the impossible ones"


def test_nothing_left_is_shared_evenly():
    shares = np.array([1, 0, 0], np.float32)[:, None, None]
    assert restricted(shares, np.array([False, True, True])[:, None, None]).ravel().tolist() == [0, 0.5, 0.5]

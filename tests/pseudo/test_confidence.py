"""Which pixels are labelled, against sorting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuescan.pseudo.confidence import (
    DECIDED,
    ConfidenceCounts,
    confidence_levels,
    level_confidence,
    possible_labels,
    pseudo_labels,
)

ALL = np.ones(3, bool)


def probabilities(seed: int, sharpness: float = 3.0, size=(3, 20, 30)) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0, sharpness, size).astype(np.float32)
    shares = np.exp(logits - logits.max(0))
    return shares / shares.sum(0)


def levels_of(shares, possible=ALL):
    everywhere = np.broadcast_to(possible[:, None, None], shares.shape)
    return confidence_levels(shares, everywhere, np.ones(shares.shape[1:], bool))


@given(st.integers(0, 99), st.floats(0.05, 1), st.integers(1, 3))
def test_the_most_confident_share_of_each_class_is_labelled(seed, keep, cases):
    shares = [probabilities(seed + number) for number in range(cases)]
    counts = ConfidenceCounts(3)
    predicted = [levels_of(case) for case in shares]
    for labels, levels in predicted:
        counts.add(labels, levels)
    thresholds = counts.thresholds(keep)
    masks = np.concatenate([pseudo_labels(*case, thresholds, True, 9).ravel() for case in predicted])
    labels = np.concatenate([case.argmax(0).ravel() for case in shares])
    top = np.concatenate([case.max(0).ravel() for case in shares])
    assert np.isin(masks, [9, *range(3)]).all() and (masks[masks != 9] == labels[masks != 9]).all()
    for label in range(3):
        kept, own = masks == label, labels == label
        wanted = int(np.ceil(keep * own.sum() - 1e-9))
        assert wanted <= kept.sum() <= wanted + 3, "more only where pixels have the level of the last one"
        if 0 < kept.sum() < own.sum():
            assert top[kept].min() >= top[own & ~kept].max() - 1e-3
        assert counts.labelled(thresholds)[label] == kept.sum() and counts.pixels[label] == own.sum()


def test_a_rare_class_keeps_its_share_though_the_model_is_unsure_of_it():
    shares = np.full((3, 10, 10), 0.005)
    shares[1] = 0.99
    shares[:, 0, :4] = np.array([0.3, 0.3, 0.4])[:, None]
    counts = ConfidenceCounts(3)
    counts.add(*levels_of(shares))
    mask = pseudo_labels(*levels_of(shares), counts.thresholds(0.5), True, 9)
    assert (mask == 2).sum() == 4


def test_certainty_beyond_the_precision_of_probabilities_is_still_ordered():
    shares = np.zeros((2, 1, 3), np.float32)
    shares[1] = 1
    shares[0, 0] = [1e-9, 1e-7, 1e-8]
    _, levels = levels_of(shares, np.ones(2, bool))
    assert levels[0, 0] > levels[0, 2] > levels[0, 1]


def test_pixels_that_the_cue_decides_are_labelled_and_crowd_out_none():
    open_case, decided = probabilities(0), np.zeros((3, 20, 30), np.float32)
    decided[1] = 1
    counts = ConfidenceCounts(3)
    counts.add(*levels_of(open_case))
    alone = counts.thresholds(0.4)
    only = levels_of(decided, np.array([False, True, False]))
    assert (only[1] == DECIDED).all()
    counts.add(*only)
    assert np.array_equal(counts.thresholds(0.4), alone)
    assert (pseudo_labels(*only, alone, True, 9) == 1).all()


def test_where_the_model_did_not_look_is_background_or_open():
    shares = np.zeros((3, 2, 2), np.float32)
    shares[0] = 1
    predicted = confidence_levels(shares, np.ones((3, 2, 2), bool), np.zeros((2, 2), bool))
    assert (predicted[1] == DECIDED).all()
    assert (pseudo_labels(*predicted, np.zeros(3, int), True, 9) == 0).all()
    assert (pseudo_labels(*predicted, np.zeros(3, int), False, 9) == 9).all()


def test_a_class_that_is_predicted_nowhere_has_no_labels():
    counts = ConfidenceCounts(3)
    labels, levels = levels_of(probabilities(0))
    counts.add(labels[labels != 2], levels[labels != 2])
    assert counts.pixels[2] == counts.labelled(counts.thresholds(0.5))[2] == 0


@pytest.mark.parametrize("background", [True, False])
def test_absent_classes_are_impossible_and_unstated_ones_are_not(background):
    assert possible_labels(np.array([1, 0, np.nan]), background).tolist() == [background, True, False, True]


def test_levels_are_reported_as_probabilities():
    shares = np.array([0.2, 0.8], np.float32)[:, None, None]
    (level,) = levels_of(shares, np.ones(2, bool))[1].ravel()
    assert level_confidence(int(level)) == pytest.approx(0.8, abs=1e-3)

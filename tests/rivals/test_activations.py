"""Class activation maps to logits: what they promise to the argmax and to the softmax."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cuescan.rivals.activations import keep_found, logits_of_shares, normalised_maps

shares = st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3)


@given(shares, st.floats(0.05, 0.95))
@settings(max_examples=60, deadline=None)
def test_a_class_beats_the_background_from_the_threshold_on(values, threshold):
    logits = logits_of_shares(torch.tensor(values).view(1, 3, 1, 1), True, threshold)[0, :, 0, 0]
    best = max(values)
    if abs(best - threshold) > 1e-4:
        assert (logits.argmax() > 0) == (best > threshold)
    if best > threshold + 1e-4:
        assert values[int(logits.argmax()) - 1] == best


@pytest.mark.parametrize("threshold", [0.1, 0.2, 0.5, 0.8])
def test_at_the_threshold_class_and_background_are_equally_likely(threshold):
    share = torch.full((1, 1, 1, 1), threshold)
    assert logits_of_shares(share, True, threshold).softmax(1).flatten().tolist() == pytest.approx([0.5, 0.5])


def test_the_softmax_is_each_class_s_part_of_the_evidence():
    confidence = logits_of_shares(torch.tensor([0.6, 0.2]).view(1, 2, 1, 1), False, 0.2).softmax(1).flatten()
    assert confidence.tolist() == pytest.approx([0, 0.75, 0.25], abs=1e-6)


def test_without_a_background_label_0_is_never_predicted_even_where_no_class_has_evidence():
    for share in (0.0, 1.0):
        logits = logits_of_shares(torch.full((2, 3, 4, 4), share), False, 0.2)
        assert (logits.half().argmax(1) > 0).all() and torch.isfinite(logits.half()).all()


def test_maps_are_normalised_each_by_its_own_range():
    maps = torch.tensor([[-2.0, 0.0, 4.0], [-3.0, -2.0, -1.0]]).view(1, 2, 1, 3)
    with_background = normalised_maps(maps, background=True)[0, :, 0]
    assert with_background.tolist() == [[0, 0, 1], [0, 0, 0]]
    without = normalised_maps(maps, background=False)[0, :, 0]
    torch.testing.assert_close(without, torch.tensor([[0, 1 / 3, 1], [0, 0.5, 1]]))


def test_a_map_without_contrast_is_no_evidence_and_finite():
    for background in (True, False):
        assert (normalised_maps(torch.zeros(1, 2, 3, 3), background) == 0).all()


def test_classes_that_the_classifier_does_not_find_lose_to_all_others():
    kept = keep_found(torch.tensor([1.0, 0.05]).view(1, 2, 1, 1), torch.tensor([[-0.1, 3.0]])).flatten()
    assert kept[0] < 1e-3 < kept[1]
    found = keep_found(torch.ones(1, 1, 1, 1), torch.tensor([[2.0]]))
    assert found.item() == pytest.approx(torch.tensor(2.0).sigmoid().item())

"""Labels of parts: sums over rectangles against maps that are cut, and where classes are denied."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cuescan.losses.generalised_mean import log_generalised_mean
from cuescan.losses.parts import coverage, denied, log_part_means

sides = st.tuples(st.integers(0, 11), st.integers(1, 12)).map(lambda pair: (pair[0], min(pair[0] + pair[1], 12)))


@given(st.lists(st.tuples(sides, sides), min_size=1, max_size=4), st.sampled_from([1.0, 4.0]), st.integers(0, 99))
def test_means_are_those_of_the_maps_cut_to_each_box(places, r, seed):
    boxes = torch.tensor([[top, left, bottom, right] for (top, bottom), (left, right) in places])[None].float()
    base = torch.nn.functional.logsigmoid(
        4 * torch.randn(1, 3, 12, 12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    )
    ours, theirs = base.clone().requires_grad_(), base.clone().requires_grad_()
    found = log_part_means(ours, boxes, (12, 12), r)
    cut = [theirs[:, :, int(t) : int(b), int(le) : int(ri)] for t, le, b, ri in boxes[0]]
    expected = torch.stack([log_generalised_mean(part, r) for part in cut], 1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(seed + 1))
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-6)


def test_a_box_may_end_within_a_cell():
    p = torch.tensor([[[[0.2, 0.8]]]])
    (mean,) = log_part_means(p.log(), torch.tensor([[[0.0, 0.0, 4.0, 6.0]]]), (4, 8), 1.0).exp().flatten()
    assert mean == pytest.approx((0.2 * 4 + 0.8 * 2) / 6)
    rows, columns = coverage(torch.tensor([[[0.0, 0.0, 4.0, 6.0]]]), (1, 2), (4, 8))
    assert rows.tolist() == [[[1.0]]] and columns.tolist() == [[[1.0, 0.5]]]


def test_a_class_that_is_unlikely_everywhere_still_learns():
    log_p = torch.full((1, 1, 8, 8), -40.0)
    log_p[..., 0] = 0
    log_p.requires_grad_()
    log_part_means(log_p, torch.tensor([[[0.0, 4.0, 8.0, 8.0]]]), (8, 8)).sum().backward()
    assert log_p.grad[..., 4:].sum() == pytest.approx(1, rel=1e-3)


def test_empty_boxes_are_finite_in_value_and_gradient():
    log_p = torch.full((1, 2, 4, 4), -1.0, requires_grad=True)
    found = log_part_means(log_p, torch.zeros(1, 1, 4), (4, 4))
    found.sum().backward()
    assert torch.isfinite(found).all() and torch.isfinite(log_p.grad).all()


def test_a_class_is_denied_where_any_part_denies_it():
    nan = float("nan")
    boxes = torch.tensor([[[0, 0, 2, 2], [1, 1, 3, 3], [0, 0, 0, 0]]]).float()
    labels = torch.tensor([[[0, 1], [nan, 0], [nan, nan]]])
    first, second = denied(boxes, labels, (3, 3), (3, 3))[0].int()
    assert first.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert second.tolist() == [[0, 0, 0], [0, 1, 1], [0, 1, 1]]

"""The scores against scikit-learn, values computed by hand, and what must hold for any masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from cuescan.evaluation import ConfusionMatrix, Labels, Scores, scores
from cuescan.evaluation.scores import METRICS

CLASSES = ("tumour", "stroma", "necrosis")
REFERENCES = {"dice": f1_score, "iou": jaccard_score, "precision": precision_score, "recall": recall_score}


def score(pairs, labels=None, include_background=False) -> Scores:
    matrix = ConfusionMatrix(labels or Labels(CLASSES, ignore=4))
    for reference, prediction in pairs:
        matrix.update(np.asarray(reference), np.asarray(prediction))
    return scores(matrix, include_background)


def masks(highest):
    return arrays(np.uint8, (3, 5), elements=st.integers(0, highest))


def cases(reference_highest=4):
    return st.lists(st.tuples(masks(reference_highest), masks(3)), min_size=1, max_size=4)


def test_values_by_hand():
    result = score([([[1, 1, 1, 2], [0, 0, 4, 4]], [[1, 1, 2, 2], [0, 1, 1, 3]])])
    background, tumour, stroma, necrosis = result.rows
    assert (tumour.dice, tumour.iou, tumour.precision, tumour.recall) == (4 / 6, 2 / 4, 2 / 3, 2 / 3)
    assert (stroma.dice, stroma.iou, stroma.precision, stroma.recall) == (2 / 3, 1 / 2, 1 / 2, 1)
    assert (background.iou, background.precision, background.recall) == (1 / 2, 1, 1 / 2)
    assert (tumour.reference_pixels, tumour.predicted_pixels) == (3, 3)
    assert necrosis.absent, "predicted under ignore only, so it occurs nowhere"
    assert result.mean("iou") == 0.5
    assert result.mean("recall") == pytest.approx((2 / 3 + 1) / 2)


@given(masks(4), masks(4))
def test_a_pixel_that_pseudo_labels_leave_undecided_counts_apart(reference, labels):
    matrix = ConfusionMatrix(Labels(CLASSES, ignore=4))
    matrix.update(reference, labels, partial=True)
    decided = ConfusionMatrix(Labels(CLASSES, ignore=4))
    decided.update(np.where(labels == 4, 4, reference), np.where(labels == 4, 0, labels))
    assert (matrix.counts == decided.counts).all()
    assert matrix.counts.sum() + matrix.undecided == (reference != 4).sum()


def test_the_mean_has_the_background_only_on_request():
    pair = ([[0, 0, 1, 1]], [[0, 0, 1, 0]])
    assert score([pair]).mean("iou") == 1 / 2
    assert score([pair], include_background=True).mean("iou") == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_without_background_a_pixel_predicted_0_is_a_miss_and_no_class():
    labels = Labels(("normal", "gland"), background=False)
    result = score([([[1, 1, 2, 2]], [[1, 0, 2, 2]])], labels)
    assert [row.name for row in result.rows] == ["normal", "gland"]
    assert (result.rows[0].recall, result.rows[0].precision, result.rows[0].iou) == (1 / 2, 1, 1 / 2)
    assert result.rows[1].iou == 1


def test_a_class_on_one_side_only_scores_zero_and_counts():
    result = score([([[1, 1, 2, 0]], [[1, 1, 3, 0]])])
    assert [row.iou for row in result.rows[1:]] == [1, 0, 0]
    assert result.mean("iou") == pytest.approx(1 / 3)


def test_nothing_but_background_has_no_mean():
    result = score([([[0, 0]], [[0, 0]])])
    assert result.mean("iou") is None
    assert result.rows[0].iou == 1


def test_one_matrix_over_the_data_set_is_not_the_mean_over_cases():
    large = (np.ones((10, 10), int), np.ones((10, 10), int))
    small = (np.array([[1, 1]]), np.array([[0, 0]]))
    assert score([large, small]).mean("recall") == pytest.approx(100 / 102)


@given(cases())
def test_scikit_learn_agrees(pairs):
    result = score(pairs)
    reference = np.concatenate([pair[0].ravel() for pair in pairs])
    prediction = np.concatenate([pair[1].ravel() for pair in pairs])
    reference, prediction = reference[reference != 4], prediction[reference != 4]
    present = [row.label for row in result.rows if not row.absent]
    assert present == sorted(set(reference) | set(prediction))
    for metric, function in REFERENCES.items():
        if not present:
            continue
        expected = function(reference, prediction, labels=present, average=None, zero_division=0)
        found = [getattr(row, metric) for row in result.rows if not row.absent]
        np.testing.assert_allclose(found, expected)
        tissue = [value for label, value in zip(present, expected, strict=True) if label]
        assert result.mean(metric) == (pytest.approx(np.mean(tissue)) if tissue else None)


@given(cases(), st.randoms())
def test_the_order_of_cases_does_not_matter(pairs, random):
    shuffled = random.sample(pairs, len(pairs))
    assert score(shuffled) == score(pairs)


@given(cases())
def test_streaming_equals_adding_matrices(pairs):
    labels = Labels(CLASSES, ignore=4)
    whole, total = ConfusionMatrix(labels), ConfusionMatrix(labels)
    for reference, prediction in pairs:
        whole.update(reference, prediction)
        part = ConfusionMatrix(labels)
        part.update(reference, prediction)
        total += part
    np.testing.assert_array_equal(whole.counts, total.counts)


@given(masks(3))
def test_a_perfect_prediction_scores_one(mask):
    result = score([(mask, mask)], include_background=True)
    assert all(result.mean(metric) == 1 for metric in METRICS)


@given(cases(reference_highest=3))
def test_swapping_both_sides_swaps_precision_and_recall(pairs):
    result, swapped = score(pairs), score([(prediction, reference) for reference, prediction in pairs])
    for row, other in zip(result.rows, swapped.rows, strict=True):
        assert (row.precision, row.recall) == (other.recall, other.precision)
        assert (row.iou, row.dice) == (other.iou, other.dice)


@given(cases())
def test_what_is_predicted_under_ignore_changes_nothing(pairs):
    other = [(reference, np.where(reference == 4, 3 - prediction, prediction)) for reference, prediction in pairs]
    assert score(other) == score(pairs)


@given(cases())
def test_dice_follows_from_iou(pairs):
    for row in score(pairs).rows:
        if row.iou is not None:
            assert row.dice == pytest.approx(2 * row.iou / (1 + row.iou))


@pytest.mark.parametrize(("reference", "prediction"), [([[5]], [[0]]), ([[0]], [[4]]), ([[0]], [[-1]])])
def test_a_label_outside_the_matrix_is_refused(reference, prediction):
    with pytest.raises(ValueError, match="labels must be"):
        score([(reference, prediction)])
    with pytest.raises(ValueError, match="differ in shape"):
        score([([[0]], [[0, 0]])])

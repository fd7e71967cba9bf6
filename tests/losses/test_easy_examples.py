"""OEEM's loss against its formula, pixel by pixel."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cuescan.losses.easy_examples import EasyExampleCrossEntropy, easy_weights

IGNORE = 3


def sample(seed: int, ignored: float = 0.3):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, 4, 5, generator=generator, dtype=torch.float64) * 2
    target = torch.randint(0, 3, (2, 1, 4, 5), generator=generator)
    target[torch.rand(2, 1, 4, 5, generator=generator) < ignored] = IGNORE
    return logits, target


def by_hand(logits, target) -> float:
    total, number = 0.0, 0
    for scores, labels in zip(logits.tolist(), target[:, 0].tolist(), strict=True):
        believed, classes = [], set()
        for row in range(len(labels)):
            for column, label in enumerate(labels[row]):
                if label != IGNORE:
                    exponentials = [math.exp(plane[row][column]) for plane in scores]
                    believed.append(exponentials[label] / sum(exponentials))
                    classes.add(label)
        mean = sum(believed) / max(len(believed), 1)
        number += len(believed)
        total += sum((p / mean if len(classes) > 1 else 1) * -math.log(p) for p in believed)
    return total / max(number, 1)


@given(st.integers(0, 999), st.sampled_from([0, 0.3, 0.9, 1]))
def test_it_is_the_formula(seed, ignored):
    logits, target = sample(seed, ignored)
    loss = EasyExampleCrossEntropy([IGNORE])(logits, target)
    assert float(loss) == pytest.approx(by_hand(logits, target), rel=1e-5, abs=1e-7)


def test_no_gradient_flows_through_the_weights_or_to_ignored_pixels():
    logits, target = sample(0)
    logits.requires_grad_()
    EasyExampleCrossEntropy([IGNORE])(logits, target).backward()
    labelled = target[:, 0] != IGNORE
    shares = logits.detach().softmax(1)
    labels = target[:, 0].where(labelled, 0)
    believed = shares.gather(1, labels[:, None])[:, 0] * labelled
    weights = believed / (believed.sum((1, 2), keepdim=True) / labelled.sum((1, 2), keepdim=True))
    truth = torch.nn.functional.one_hot(labels, 3).movedim(-1, 1)
    expected = (shares - truth) * (weights * labelled)[:, None] / labelled.sum()
    assert torch.allclose(logits.grad, expected, atol=1e-6)


def test_a_wrong_label_among_right_ones_weighs_little():
    losses = torch.tensor([[0.1, 0.1, 0.1, 4.0]])
    weights = easy_weights(losses, torch.tensor([[0, 1, 0, 1]]), torch.ones(1, 4, dtype=torch.bool))
    assert weights[0, 3] < 0.03 and weights.mean() == pytest.approx(1)


def test_an_image_of_a_single_class_is_plain_cross_entropy():
    logits, target = sample(1)
    target[target != IGNORE] = 2
    plain = torch.nn.functional.cross_entropy(logits.float(), target[:, 0], ignore_index=IGNORE)
    assert float(EasyExampleCrossEntropy([IGNORE])(logits, target)) == pytest.approx(float(plain))


def test_several_labels_can_be_left_out():
    logits, target = sample(2)
    moved = torch.where(target == 0, IGNORE, target)
    assert float(EasyExampleCrossEntropy([0, IGNORE])(logits, target)) == pytest.approx(
        float(EasyExampleCrossEntropy([IGNORE])(logits, moved))
    )


@pytest.mark.parametrize("scale", [1, 1e4])
def test_extreme_and_empty_batches_are_finite_with_finite_gradients(scale):
    for ignored in (0, 1):
        logits, target = sample(3, ignored)
        logits = (logits * scale).to(torch.bfloat16).requires_grad_()
        loss = EasyExampleCrossEntropy([IGNORE])(logits, target.float())
        loss.backward()
        assert torch.isfinite(loss) and torch.isfinite(logits.grad).all()
        assert not ignored or float(loss) == 0

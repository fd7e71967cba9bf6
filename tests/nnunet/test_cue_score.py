from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, jaccard_score

from cuescan.nnunet import cue_score
from cuescan.nnunet.cue_score import CueStatistics, components, cue_statistics

NAN = math.nan


def masks_network(mask: torch.Tensor):
    """A network that predicts ``mask`` (B, H, W) of labels 0..2 however the image is held and scaled."""

    def network(images):
        # the image carries the mask: its first channel is the label
        labels = images[:, 0].round().long().clamp(0, 2)
        return torch.nn.functional.one_hot(labels, 3).permute(0, 3, 1, 2).float() * 10

    return network, mask[:, None].float()


def score(mask, labels, target=None, valid=None):
    network, images = masks_network(torch.as_tensor(mask))
    valid = torch.ones_like(images, dtype=torch.bool) if valid is None else valid
    target = None if target is None else torch.as_tensor(target)[:, None]
    return components(cue_statistics(network, images, valid, torch.tensor(labels), target))


def halves(first: int, second: int) -> np.ndarray:
    mask = np.full((1, 64, 64), first)
    mask[:, :, 32:] = second
    return mask


def test_a_mask_that_obeys_its_cue_and_itself_scores_one():
    found = score(halves(1, 0), [[1.0, 0.0]])
    assert found["leak"] == found["vanish"] == 0 and found["agreement_flip"] == 1
    assert found["score"] == pytest.approx((1 + found["agreement_scale"]) / 2) and found["score"] > 0.95


def test_leak_is_the_share_of_pixels_in_absent_classes():
    assert score(halves(1, 2), [[1.0, 0.0]])["leak"] == 0.5
    assert score(halves(1, 2), [[1.0, NAN]])["leak"] == 0


def test_a_present_class_vanishes_below_one_percent():
    mask = halves(1, 1)
    mask[:, 0, :40] = 2
    assert score(mask, [[1.0, 1.0]])["vanish"] == 0.5
    mask[:, 0] = 2
    assert score(mask, [[1.0, 1.0]])["vanish"] == 0
    assert score(halves(0, 0), [[1.0, 0.0]])["score"] == 0


def test_padding_is_not_judged():
    valid = torch.ones(1, 1, 64, 64, dtype=torch.bool)
    valid[..., 32:] = False
    found = score(halves(1, 2), [[1.0, 0.0]], target=halves(1, 1), valid=valid)
    assert found["leak"] == 0 and found["dense_miou"] == 1


def test_a_mask_that_moves_with_the_view_disagrees():
    def network(images):
        logits = torch.zeros(len(images), 3, *images.shape[2:])
        logits[:, 1, :, : images.shape[3] // 2] = 1
        return logits

    images = torch.zeros(1, 1, 64, 64)
    found = components(cue_statistics(network, images, images == 0, torch.tensor([[1.0, NAN]])))
    assert found["agreement_flip"] == 0 and found["agreement_scale"] > 0.95


def test_no_statement_at_all_still_gives_a_finite_score():
    found = score(halves(0, 0), [[NAN, NAN]])
    assert found["score"] == 1 and math.isnan(found["average_precision"]) and math.isnan(found["dense_miou"])


def test_dense_scores_leave_out_what_the_reference_does_not_know():
    target = halves(1, 3)
    target[:, :8] = -1
    target[:, 8:16] = 2
    mask = halves(1, 2)
    known = (target >= 0) & (target < 3)
    expected = jaccard_score(target[known], mask[known], labels=[1, 2], average=None).mean()
    assert score(mask, [[1.0, 1.0]], target=target)["dense_miou"] == pytest.approx(expected)


def test_statistics_of_parts_add_up():
    masks = np.concatenate([halves(1, 2), halves(0, 1), halves(2, 2)])
    labels = [[1.0, 0.0], [1.0, NAN], [0.0, 1.0]]
    network, images = masks_network(torch.as_tensor(masks))
    every = torch.ones_like(images, dtype=torch.bool)
    target = torch.as_tensor(masks)[:, None]
    parts = [
        cue_statistics(network, images[i : i + 1], every[i : i + 1], torch.tensor(labels[i : i + 1]), target[i : i + 1])
        for i in range(3)
    ]
    whole = cue_statistics(network, images, every, torch.tensor(labels), target)
    assert components(sum(parts, CueStatistics())) == pytest.approx(components(whole))


def test_average_precision_equals_an_independent_one():
    generator = np.random.default_rng(0)
    statistics = CueStatistics(
        image_scores=list(generator.random((40, 3))),
        image_labels=list(generator.choice([0.0, 1.0, NAN], (40, 3))),
    )
    labels, scores = np.array(statistics.image_labels), np.array(statistics.image_scores)
    stated = ~np.isnan(labels)
    expected = np.mean([average_precision_score(labels[s, k], scores[s, k]) for k, s in enumerate(stated.T)])
    assert cue_score.mean_average_precision(statistics) == pytest.approx(expected)

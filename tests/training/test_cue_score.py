from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, jaccard_score

from cuescan.training import cue_score
from cuescan.training.cue_score import CueStatistics, against_boxes, components, cue_statistics
from cuescan.training.parts import Parts

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
    assert components(sum(parts, CueStatistics())) == pytest.approx(components(whole), nan_ok=True)


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


def place_of(*boxes: tuple[float, ...], tight: float = 1.0) -> torch.Tensor:
    """A place array (1, 2, 4, 6) with these boxes of the first class."""
    place = torch.full((1, 2, 4, 6), NAN)
    for number, box in enumerate(boxes):
        place[0, 0, number] = torch.tensor([*box, tight, NAN])
    return place


def statement_score(mask, labels, place, valid=None):
    network, images = masks_network(torch.as_tensor(mask))
    valid = torch.ones_like(images, dtype=torch.bool) if valid is None else valid
    return components(cue_statistics(network, images, valid, torch.tensor(labels), None, place))


def disc(row: float, column: float, radius: float, side: int = 64) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side] + 0.5
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def test_a_mask_is_judged_by_the_ellipse_in_the_stated_box():
    ellipse = disc(24, 40, 16)
    place = place_of((24 / 64, 8 / 64, 56 / 64, 40 / 64))
    mask = disc(24, 40, 16).astype(int)[None]
    assert statement_score(mask, [[1.0, 0.0]], place)["statement"] == 1
    mask = np.zeros((1, 64, 64), int)
    mask[0, :, 40:] = 1  # the right half of the ellipse, and more
    found = statement_score(mask, [[1.0, 0.0]], place)
    expected = jaccard_score(ellipse.ravel(), mask[0].ravel())
    assert found["statement"] == pytest.approx(expected) and 0.2 < expected < 0.5
    agreement = (found["agreement_flip"] + found["agreement_scale"]) / 2
    assert found["score"] == pytest.approx((agreement + expected) / 2)


def test_following_a_prompt_counts_as_much_as_finding_by_name():
    place = place_of((24 / 64, 8 / 64, 56 / 64, 40 / 64))
    mask = torch.tensor(disc(24, 40, 16).astype(int)[None])
    network, images = masks_network(mask)
    valid, labels = torch.ones_like(images, dtype=torch.bool), torch.tensor([[1.0, 0.0]])
    statistics = cue_statistics(network, images, valid, labels, None, place)
    before = components(statistics)
    assert before["score"] > 0.9 and math.isnan(before["pointed"])
    statistics.pointed = against_boxes(torch.zeros_like(mask), valid, labels, place)
    after = components(statistics)
    assert after["pointed"] == 0 and after["score"] == pytest.approx(before["score"] * 2 / 3)


def test_two_stated_boxes_are_one_reference():
    place = place_of((0, 0, 0.25, 0.25), (0.5, 0.5, 1, 1))
    mask = disc(48, 48, 16).astype(int)[None]
    both = disc(48, 48, 16) | disc(8, 8, 8)
    expected = jaccard_score(both.ravel(), mask[0].ravel())
    assert statement_score(mask, [[1.0, 0.0]], place)["statement"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("labels", "tight"), [([1.0, 1.0], 1.0), ([1.0, NAN], 1.0), ([0.0, 0.0], 1.0), ([1.0, 0.0], 0.0)]
)
def test_images_of_which_not_every_box_is_known_are_not_judged_by_boxes(labels, tight):
    found = statement_score(halves(1, 0), [labels], place_of((0, 0, 0.5, 0.5), tight=tight))
    assert math.isnan(found["statement"])


def test_padding_counts_for_no_statement():
    valid = torch.ones(1, 1, 64, 64, dtype=torch.bool)
    valid[..., 32:] = False
    place = place_of((0, 0, 0.5, 1))
    found = statement_score(halves(1, 1), [[1.0, 0.0]], place, valid)
    inside = np.mgrid[:64, :64][1] < 32
    rows, columns = np.mgrid[:64, :64] + 0.5
    ellipse = ((rows - 32) / 32) ** 2 + ((columns - 16) / 16) ** 2 <= 1
    assert found["statement"] == pytest.approx(ellipse[inside].mean())


def test_parts_are_judged_by_themselves():
    """The first class fills the left half, the second the right one."""
    network, images = masks_network(torch.as_tensor(halves(1, 2)))
    valid = torch.ones_like(images, dtype=torch.bool)

    def judge(boxes, labels):
        parts = Parts(torch.tensor([boxes]).float(), torch.tensor([labels]))
        return components(cue_statistics(network, images, valid, torch.tensor([[NAN, NAN]]), parts=parts))

    left, right = [0, 0, 64, 32], [0, 32, 64, 64]
    assert judge([left, right], [[1.0, 0.0], [0.0, 1.0]])["leak"] == 0
    assert judge([left, right], [[0.0, NAN], [0.0, 1.0]])["leak"] == 0.5
    assert judge([left, [0, 16, 64, 64]], [[1.0, 1.0], [1.0, 1.0]])["vanish"] == 0.25

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from cuescan.rivals.dense_crf import REACH, DenseCRF


def halves(size: tuple[int, int], column: int) -> torch.Tensor:
    """Evidence for label 0 left of a column and for label 1 right of it, (1, 2, *size)."""
    right = (torch.arange(size[1]) >= column).float().expand(1, 1, *size)
    return torch.cat([1 - right, right], 1)


def by_definition(crf: DenseCRF, shares: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The mean field of Kraehenbuehl and Koltun (2011), Algorithm 1, summed pair by pair."""
    height, width = shares.shape[1:]
    places = [(y, x) for y in range(height) for x in range(width)]

    def kernel(length: float, colours: bool) -> np.ndarray:
        table = np.zeros((len(places), len(places)))
        for i, one in enumerate(places):
            for j, other in enumerate(places):
                distance = math.hypot(one[0] - other[0], one[1] - other[1])
                if i != j and distance <= REACH * length:
                    far = ((image[:, one[0], one[1]] - image[:, other[0], other[1]]) ** 2).sum() * colours
                    table[i, j] = math.exp(-(distance**2) / 2 / length**2 - far / 2 / crf.appearance_intensity**2)
        root = np.sqrt(table.sum(1))
        return table / root[:, None] / root[None, :]

    both = crf.appearance_weight * kernel(crf.appearance_length, True)
    both += crf.smoothness_weight * kernel(crf.smoothness_length, False)
    evidence = np.log(np.maximum(shares, 1e-5)).reshape(len(shares), -1)
    found = np.exp(evidence) / np.exp(evidence).sum(0)
    for _ in range(crf.steps):
        energy = evidence + found @ both
        found = np.exp(energy - energy.max(0))
        found /= found.sum(0)
    return found.reshape(shares.shape)


def test_it_is_the_mean_field_of_the_definition() -> None:
    torch.manual_seed(0)
    shares, image = torch.rand(2, 3, 7, 9), 255 * torch.rand(2, 3, 7, 9)
    crf = DenseCRF(2.0, 2.5, 90.0, 1.5, 1.2, steps=3, reduction=1)
    found = crf(shares, image)
    for number in range(2):
        expected = by_definition(crf, shares[number].double().numpy(), image[number].double().numpy())
        np.testing.assert_allclose(found[number].numpy(), expected, rtol=2e-4, atol=1e-5)


def test_a_constant_image_leaves_labels_where_they_are() -> None:
    shares = 0.2 + 0.6 * halves((24, 32), 16)
    found = DenseCRF()(shares, torch.full((1, 3, 24, 32), 127.0))
    assert torch.equal(found.argmax(1), shares.argmax(1))


def test_a_label_everywhere_stays_everywhere() -> None:
    torch.manual_seed(0)
    shares = torch.tensor([0.6, 0.4]).view(1, 2, 1, 1).expand(1, 2, 20, 20)
    assert (DenseCRF()(shares, 255 * torch.rand(1, 3, 20, 20)).argmax(1) == 0).all()


@pytest.mark.parametrize("column", [12, 20])
def test_edges_of_the_image_attract_those_of_the_labels(column: int) -> None:
    image = 200 * halves((32, 32), 16)[:, 1:].repeat(1, 3, 1, 1)
    shares = 0.4 + 0.2 * halves((32, 32), column)
    found = DenseCRF()(shares, image)
    assert torch.equal(found.argmax(1), halves((32, 32), 16).argmax(1))


def test_single_pixels_give_in() -> None:
    shares = 0.3 + 0.4 * halves((24, 24), 12)
    noisy = shares.clone()
    noisy[:, :, 4, 4] = shares[:, :, 4, 20]
    image = torch.full((1, 3, 24, 24), 90.0)
    assert torch.equal(DenseCRF(reduction=1)(noisy, image).argmax(1), shares.argmax(1))


def test_labels_without_evidence_stay_away_and_none_at_all_is_a_draw() -> None:
    torch.manual_seed(0)
    shares = torch.rand(2, 3, 16, 16)
    shares[0, 1], shares[1] = 0, 0
    found = DenseCRF()(shares, 255 * torch.rand(2, 3, 16, 16))
    assert (found[0, 1] == 0).all()
    torch.testing.assert_close(found[1], torch.full((3, 16, 16), 1 / 3))


@pytest.mark.parametrize("size", [(33, 50), (32, 32), (5, 1)])
def test_probabilities_have_the_images_size_and_images_do_not_mix(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    shares, image = torch.rand(3, 2, *size), 255 * torch.rand(3, 3, *size)
    found = DenseCRF()(shares, image)
    assert found.shape == shares.shape
    torch.testing.assert_close(found.sum(1), torch.ones(3, *size))
    torch.testing.assert_close(found[1:2], DenseCRF()(shares[1:2], image[1:2]))

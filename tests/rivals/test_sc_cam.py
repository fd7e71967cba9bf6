from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from cuescan.rivals import SCCAM, SubCategoryLoss, multi_label_loss
from cuescan.rivals.sc_cam import UNASSIGNED, SubCategoryMaps, find_sub_categories, sub_category_labels

NAN = float("nan")


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_a_present_class_has_one_sub_category_and_an_absent_one_none() -> None:
    labels = torch.tensor([[1.0, 0.0, NAN], [1.0, 1.0, 0.0]])
    assigned = torch.tensor([[2, UNASSIGNED, UNASSIGNED], [UNASSIGNED, 0, UNASSIGNED]])
    expected = [[0, 0, 1, 0, 0, 0, NAN, NAN, NAN], [NAN, NAN, NAN, 1, 0, 0, 0, 0, 0]]
    torch.testing.assert_close(sub_category_labels(labels, assigned, 3), torch.tensor(expected), equal_nan=True)


def test_the_loss_is_that_of_the_classes_and_five_times_that_of_their_sub_categories() -> None:
    maps = SubCategoryMaps(torch.randn(2, 2, 4, 4), torch.randn(2, 6, 4, 4))
    labels, below = torch.tensor([[1.0, 0.0], [NAN, 1.0]]), torch.randint(0, 2, (2, 6)).float()
    valid = torch.zeros(2, 1, 32, 32, dtype=torch.bool)
    valid[..., :16] = True
    classes, subs = (multi_label_loss(m[..., :2].mean((2, 3)), y) for m, y in zip(maps, (labels, below), strict=True))
    both = torch.cat([labels, below], 1)
    torch.testing.assert_close(SubCategoryLoss()(maps, both, valid), classes + 5 * subs)
    torch.testing.assert_close(SubCategoryLoss(weight=0)(maps, both, valid), classes)
    torch.testing.assert_close(SubCategoryLoss()(maps, labels, valid), classes)


def test_the_masks_are_those_of_the_class_classifier() -> None:
    network = SCCAM(3, 2).eval()
    image = torch.rand(1, 3, 48, 40)
    with torch.no_grad():
        before = network(image)
        network.sub_classifier.weight.normal_()
        assert torch.equal(network(image), before)
        network.classifier.weight.normal_()
        assert not torch.equal(network(image), before)


def test_image_features_are_means_over_what_is_no_padding() -> None:
    network = SCCAM(3, 2).eval()
    image, valid = torch.rand(1, 3, 48, 48), torch.zeros(1, 1, 48, 48, dtype=torch.bool)
    valid[..., :24] = True
    with torch.no_grad():
        expected = network.trunk(image)[..., :3].mean((2, 3))
        torch.testing.assert_close(network.image_features(image, valid), expected)


def test_each_class_is_clustered_among_the_images_that_show_it() -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(40, 5)) + 6 * generator.integers(0, 3, 40)[:, None]
    labels = generator.choice([0.0, 1.0, NAN], size=(40, 2))
    found = find_sub_categories(features, labels, np.full((40, 2), UNASSIGNED), 3, seed=0)
    assert np.array_equal(found >= 0, labels == 1)
    for column, shown in zip(found.T, (labels == 1).T, strict=True):
        points = features[shown]
        centres = np.stack([points[column[shown] == number].mean(0) for number in range(3)])
        assert np.array_equal(KMeans(3, init=centres, n_init=1).fit(points).labels_, column[shown])
    again = find_sub_categories(features, labels, np.full((40, 2), UNASSIGNED), 3, seed=0)
    assert np.array_equal(found, again)
    assert np.array_equal(found, find_sub_categories(features, labels, found, 3, seed=1))


def test_a_class_of_few_images_has_as_many_sub_categories_and_one_of_none_has_none() -> None:
    labels = np.array([[1, 0], [1, 0], [0, 0]], dtype=float)
    found = find_sub_categories(np.eye(3), labels, np.full((3, 2), UNASSIGNED), 10, seed=0)
    assert sorted(found[:2, 0]) == [0, 1] and (found[:, 1] == UNASSIGNED).all() and found[2, 0] == UNASSIGNED


def test_sub_categories_are_saved_with_the_weights(tmp_path) -> None:
    network, other = SCCAM(3, 2, sub_categories=2), SCCAM(3, 2, sub_categories=2)
    network.assigned = torch.tensor([[0, -1], [1, 1], [-1, 0]])
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    other.load_state_dict(torch.load(tmp_path / "weights.pth", weights_only=True))
    assert torch.equal(other.assigned, network.assigned)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SCCAM(3, 2, sub_categories=0), "sub_categories must be at least 1, got 0"),
        (lambda: SubCategoryLoss(weight=-1), "weight must be at least 0, got -1"),
    ],
)
def test_bad_arguments_are_named(build, message) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_labels_that_are_not_stated_have_no_gradient() -> None:
    maps = SubCategoryMaps(torch.randn(1, 2, 4, 4, requires_grad=True), torch.randn(1, 4, 4, 4, requires_grad=True))
    loss = SubCategoryLoss()(maps, torch.full((1, 6), NAN))
    loss.backward()
    assert math.isclose(loss.item(), 0) and all((part.grad == 0).all() for part in maps)

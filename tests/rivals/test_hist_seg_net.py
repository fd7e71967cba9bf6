from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from cuescan.rivals import HistoSegNet, MaximumPoolingLoss, multi_label_loss
from cuescan.rivals.activations import NO_BACKGROUND_LOGIT
from cuescan.rivals.hist_seg_net import HistoSegNetMaps
from cuescan.rivals.pooling import max_over_valid

SIZE = (32, 48)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def spots(*columns: int) -> torch.Tensor:
    """One feature per column: a spot of 2 x 2 there, at stride 4, (1, n, 8, 12)."""
    features = torch.zeros(1, len(columns), 8, 12)
    for number, column in enumerate(columns):
        features[0, number, 3:5, column : column + 2] = 1 + number
    return features


def maps_of(features: torch.Tensor, bias: list[float], image: torch.Tensor | None = None) -> HistoSegNetMaps:
    """Each class reads one feature."""
    image = torch.full((1, 3, *SIZE), 0.5) if image is None else image
    return HistoSegNetMaps(features, torch.eye(features.shape[1]), torch.tensor(bias), image)


def test_padding_has_no_maximum() -> None:
    features, valid = torch.rand(2, 3, 4, 4), torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    valid[..., :8] = True
    features[..., 2:] += 5
    torch.testing.assert_close(max_over_valid(features, valid), features[..., :2].amax((2, 3)))


def test_the_loss_is_that_of_a_linear_classifier_of_the_maxima() -> None:
    network, image = HistoSegNet(3, 2).eval(), torch.rand(2, 3, *SIZE)
    labels, valid = torch.tensor([[1.0, 0.0], [float("nan"), 1.0]]), torch.ones(2, 1, *SIZE, dtype=torch.bool)
    network.deep_supervision = True
    scores = network.classifier(network.trunk(image)[-1].amax((2, 3)))
    torch.testing.assert_close(MaximumPoolingLoss()(network(image), labels, valid), multi_label_loss(scores, labels))


def test_maps_are_over_their_maximum_and_times_the_confidence() -> None:
    network = HistoSegNet(3, 2)
    shares = network.class_shares(maps_of(spots(2, 8), [1.0, -1.0]), SIZE)
    confidence = torch.tensor([2.0, 1.0]).sigmoid()  # maxima 1 and 2, and the biases
    torch.testing.assert_close(shares.amax((2, 3))[0], confidence)
    cam = F.interpolate(spots(2, 8), size=SIZE, mode="bilinear")
    torch.testing.assert_close(shares, cam / cam.amax((2, 3), keepdim=True) * confidence.view(1, 2, 1, 1))


def test_classes_that_the_classifier_does_not_find_are_left_out_but_for_the_surest_without_background() -> None:
    maps = maps_of(spots(2, 8), [-3.0, -3.0])
    assert (HistoSegNet(3, 2).class_shares(maps, SIZE) == 0).all()
    areas = HistoSegNet(3, 2, background=False).class_shares(maps, SIZE).sum((2, 3))[0]
    assert areas[0] == 0 and areas[1] > 0


def test_spots_become_masks_and_white_is_background() -> None:
    image = torch.full((1, 3, *SIZE), 0.5)
    image[:, 0, 10:22, 4:20], image[:, 2, 10:22, 28:44] = 0.9, 0.9
    mask = HistoSegNet(3, 2).logits(maps_of(spots(2, 8), [5.0, 5.0], image), SIZE).argmax(1)[0]
    assert mask[16, 12] == 1 and mask[16, 36] == 2 and mask[2, 24] == 0
    white = torch.ones(1, 3, *SIZE)
    weak = maps_of(spots(2, 8), [-0.9, -1.9], white)  # confidence about 0.52, below the 0.75 of glass
    for unit_range in (True, False):  # without the CRF, under which so small a spot gives in to its white surroundings
        mask = HistoSegNet(3, 2, unit_range=unit_range, crf={"steps": 0}).logits(weak, SIZE).argmax(1)
        assert (mask == 0).all() == unit_range


def test_other_tissue_is_where_no_class_has_evidence_of_its_own() -> None:
    network = HistoSegNet(3, 2, unit_range=False)
    shares = torch.tensor([[0.6, 0.5, 0.02], [0.0, 0.49, 0.01]]).view(1, 2, 1, 3)
    labels = network.with_background(shares, torch.zeros(1, 3, 1, 3))[0, :, 0]
    torch.testing.assert_close(labels, torch.tensor([[0.02, 0.025, 0.049], [0.6, 0.01, 0.01], [0, 0, 0]]))


@pytest.mark.parametrize("background", [True, False])
def test_logits_are_logarithms_of_probabilities(background) -> None:
    network = HistoSegNet(3, 2, background=background)
    logits = network.logits(maps_of(spots(2, 8), [1.0, 1.0]), SIZE)
    torch.testing.assert_close(
        logits[:, 0 if background else 1 :].exp().sum(1), torch.ones(1, *SIZE), rtol=1e-4, atol=0
    )
    assert background or (logits[:, 0] == NO_BACKGROUND_LOGIT).all()


def test_settings_of_the_crf_are_arguments() -> None:
    assert HistoSegNet(3, 2, crf={"steps": 0}).crf.steps == 0
    with pytest.raises(TypeError, match="stepps"):
        HistoSegNet(3, 2, crf={"stepps": 0})

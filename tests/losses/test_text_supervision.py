"""The loss of TIFCMamba as a sum of terms with switches."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from cuescan.losses import GroundingLoss, Sentences, TextSupervisionLoss
from cuescan.networks import TIFCMambaMaps

NAN = math.nan
NAMES = ("alignment", "words", "knowledge", "area", "area_absent", "smoothness", "grounding")
DIM, TOKEN_DIM = 8, 5


class RandomEncoder:
    """Stands for a pair of encoders."""

    def encode_image(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :DIM]

    def word_mask(self, tokens: Tensor) -> Tensor:
        return tokens > 0

    def embed_tokens(self, tokens: Tensor) -> Tensor:
        return tokens[..., None].float().expand(-1, -1, TOKEN_DIM)

    def encode_text(self, tokens: Tensor, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        return embeddings.flatten(1)[:, :DIM], embeddings


class Segmenter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.masked_word = nn.Parameter(torch.zeros(TOKEN_DIM))


def batch(place: Tensor | None = None, present: Tensor | None = None) -> dict:
    """Two images of one class; the second one states that it is absent."""
    torch.manual_seed(0)
    return {
        "maps": TIFCMambaMaps(
            torch.randn(2, 1, 8, 8, requires_grad=True),
            torch.zeros(2, 1, DIM, 8, 8),
            torch.randn(2, 1, DIM, requires_grad=True),
            torch.randn(2, 1, 3, requires_grad=True),
        ),
        "prompts": torch.randn(2, 1, DIM),
        "images": torch.rand(2, 3, 16, 16),
        "valid": torch.ones(2, 1, 16, 16, dtype=torch.bool),
        "place": torch.full((2, 1, 4, 6), NAN) if place is None else place,
        "present": torch.tensor([[1.0], [0.0]]) if present is None else present,
        "sentences": Sentences(
            torch.tensor([[1, 2, 0], [3, 1, 2]]),
            torch.tensor([[[1.0, 0, NAN]], [[0.0, 0, 1]]]),
            torch.arange(2),
        ),
        "segmenter": Segmenter(),
        "log_temperature": torch.tensor(1.0, requires_grad=True),
    }


def loss_of(**weights) -> TextSupervisionLoss:
    """The loss with these weights alone."""
    loss = TextSupervisionLoss(**{**dict.fromkeys(NAMES, 0.0), **weights})
    loss.use_encoder(RandomEncoder())
    return loss


def value_of(loss: TextSupervisionLoss, inputs: dict) -> Tensor:
    torch.manual_seed(1)
    return loss(**inputs)


def test_weights_are_those_of_code():
    weights = TextSupervisionLoss().weights
    assert (weights["area"], weights["area_absent"], weights["knowledge"], weights["smoothness"]) == (0.5, 0.05, 8, 1)


@pytest.mark.parametrize("name", NAMES)
def test_each_weight_switches_its_term(name):
    inputs = batch()
    torch.manual_seed(1)
    terms = loss_of(**dict.fromkeys(NAMES, 1.0)).terms(**inputs)
    assert set(terms) == set(NAMES) and all(term > 0 for term in terms.values())
    torch.testing.assert_close(value_of(loss_of(**{name: 3.0}), inputs), 3 * terms[name])
    off = value_of(loss_of(**{**dict.fromkeys(NAMES, 1.0), name: 0.0}), inputs)
    torch.testing.assert_close(off, sum(terms.values()) - terms[name], rtol=1e-4, atol=1e-4)


def test_nothing_at_all_is_a_loss_of_zero_with_a_gradient():
    inputs = batch()
    loss = value_of(loss_of(), inputs)
    loss.backward()
    assert loss == 0 and (inputs["maps"].logits.grad == 0).all()


def test_terms_by_hand():
    inputs = batch()
    mask, text = torch.sigmoid(inputs["maps"].logits), inputs["maps"].text
    terms = loss_of(**dict.fromkeys(NAMES, 1.0)).terms(**inputs)
    torch.testing.assert_close(terms["area"], (mask[0].mean() - 0.25).abs())
    torch.testing.assert_close(terms["area_absent"], mask[1].mean())
    variation = mask.diff(dim=2).abs().mean() + mask.diff(dim=3).abs().mean()
    torch.testing.assert_close(terms["smoothness"], variation)
    cosine = (text * inputs["prompts"]).sum(2) / text.norm(dim=2) / inputs["prompts"].norm(dim=2)
    torch.testing.assert_close(terms["knowledge"], (1 - cosine).mean())
    grounding = GroundingLoss()(
        inputs["maps"].logits, inputs["place"], inputs["present"], inputs["valid"], inputs["images"]
    )
    torch.testing.assert_close(terms["grounding"], grounding)


def test_a_stated_share_replaces_the_area_prior():
    place = torch.full((2, 1, 4, 6), NAN)
    place[0, 0, 0] = torch.tensor([0, 0, 1, 1, 0, 0.1])
    terms = loss_of(area=1.0, area_absent=1.0).terms(**batch(place))
    assert terms["area"] == 0 and terms["area_absent"] > 0
    assert loss_of(area=1.0).terms(**batch(torch.full((2, 1, 4, 6), NAN)))["area"] > 0


def test_padding_takes_no_part():
    inputs = batch(present=torch.ones(2, 1))
    inputs["valid"][..., 8:] = False
    loss = loss_of(area=1.0, smoothness=1.0, grounding=1.0)
    value_of(loss, inputs).backward()
    gradient = inputs["maps"].logits.grad
    assert (gradient[..., 4:] == 0).all() and (gradient[..., :4] != 0).any()


def test_without_sentences_or_an_encoder_the_other_terms_remain():
    inputs = batch()
    every = TextSupervisionLoss()
    assert set(every.terms(**inputs)) == set(NAMES) - {"alignment"}  # no encoder was set
    inputs["sentences"] = None
    assert set(loss_of(**dict.fromkeys(NAMES, 1.0)).terms(**inputs)) == set(NAMES) - {"alignment", "words"}


def test_everything_learns():
    inputs = batch()
    loss = TextSupervisionLoss()
    loss.use_encoder(RandomEncoder())
    value_of(loss, inputs).backward()
    maps = inputs["maps"]
    learns = (maps.logits, maps.text, maps.words, inputs["segmenter"].masked_word, inputs["log_temperature"])
    assert all(tensor.grad is not None and tensor.grad.abs().sum() > 0 for tensor in learns)


def test_what_is_not_stated_costs_nothing():
    inputs = batch(present=torch.full((2, 1), NAN))
    loss = loss_of(area=1.0, area_absent=1.0, grounding=1.0)
    value = value_of(loss, inputs)
    value.backward()
    assert value == 0 and (inputs["maps"].logits.grad == 0).all()


def test_weights_are_checked():
    with pytest.raises(ValueError, match="area must be at least 0, got -1"):
        TextSupervisionLoss(area=-1)
    with pytest.raises(ValueError, match="words must be at least 0, got nan"):
        TextSupervisionLoss(words=NAN)
    assert TextSupervisionLoss(grounding_terms={"share": 0}).grounding.weights["share"] == 0

"""Words that carry a keyword, and the alignment of masked images with masked sentences."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cuescan.losses.mutual_alignment import MAX_SCALE, MutualAlignment, Sentences, words_loss
from cuescan.networks import TIFCMambaMaps

NAN = math.nan
DIM, TOKEN_DIM, LENGTH = 4, 5, 6
END = 2
"""Token 1 starts a sentence, 2 ends it, 0 pads it."""


class LinearEncoder:
    """Stands for a pair of encoders: an image's mean colours of the four quarters, a sentence's mean embedding."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(3)
        self.image = torch.randn(DIM, 4, generator=generator)
        self.text = torch.randn(DIM, TOKEN_DIM, generator=generator)
        self.table = torch.randn(50, TOKEN_DIM, generator=generator)
        self.seen: list[Tensor] = []

    def encode_image(self, images: Tensor) -> Tensor:
        self.seen.append(images)
        return F.normalize(F.adaptive_avg_pool2d(images.mean(1, keepdim=True), 2).flatten(1) @ self.image.T, dim=1)

    def word_mask(self, tokens: Tensor) -> Tensor:
        return tokens > END

    def embed_tokens(self, tokens: Tensor) -> Tensor:
        return self.table[tokens]

    def encode_text(self, tokens: Tensor, embeddings: Tensor | None = None) -> tuple[Tensor, Tensor]:
        states = self.embed_tokens(tokens) if embeddings is None else embeddings
        return F.normalize(states.mean(1) @ self.text.T, dim=1), states


def maps_of(logits: Tensor, words: Tensor) -> TIFCMambaMaps:
    return TIFCMambaMaps(logits, torch.zeros(1), torch.zeros(1), words)


def test_words_loss_by_hand():
    logits = torch.tensor([[[0.0, 2.0, -1.0]]])
    keywords = torch.tensor([[[NAN, 1.0, 0.0]]])
    expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1))) / 2
    assert words_loss(logits, keywords).item() == pytest.approx(expected)
    logits.requires_grad_()
    words_loss(logits, keywords).backward()
    assert logits.grad[0, 0, 0] == 0 and logits.grad[0, 0, 1] < 0 < logits.grad[0, 0, 2]


def test_words_of_which_nothing_is_known_cost_nothing():
    logits = torch.randn(2, 1, 3, requires_grad=True)
    loss = words_loss(logits, torch.full((2, 1, 3), NAN))
    loss.backward()
    assert loss == 0 and (logits.grad == 0).all()


def batch(seed: int = 0):
    """Two images of one class, and two sentences."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.tensor([[1, 10, 11, 2, 0, 0], [1, 12, 13, 14, 2, 0]])
    images = torch.rand(2, 3, 8, 8, generator=generator)
    logits = torch.randn(2, 1, 4, 4, generator=generator)
    words = torch.randn(2, 1, LENGTH, generator=generator)
    return images, logits, words, Sentences(tokens, torch.zeros(2, 1, LENGTH), torch.arange(2))


def test_the_loss_of_two_images_by_an_independent_computation():
    encoder = LinearEncoder()
    images, logits, words, sentences = batch()
    masked_word = torch.randn(TOKEN_DIM)
    log_temperature = torch.tensor(1.5)
    torch.manual_seed(0)
    loss = MutualAlignment(encoder)(
        maps_of(logits, words), images, sentences, torch.ones(2, 1), masked_word, log_temperature
    )
    torch.manual_seed(0)
    torch.rand(2, 1)  # the draw among the one class of each image
    filling = torch.rand(2, 3, 8, 8)
    regions, texts = [], []
    for i in range(2):
        mask = F.interpolate(1 / (1 + torch.exp(-logits[i : i + 1])), scale_factor=2, mode="bilinear")
        regions.append(encoder.encode_image(mask * images[i : i + 1] + (1 - mask) * filling[i : i + 1])[0])
        embedded = []
        for position, token in enumerate(sentences.tokens[i].tolist()):
            share = 1 / (1 + math.exp(-words[i, 0, position].item())) if token > END else 1.0
            embedded.append(share * encoder.table[token] + (1 - share) * masked_word)
        texts.append(encoder.encode_text(sentences.tokens[i : i + 1], torch.stack(embedded)[None])[0][0])
    scores = math.exp(1.5) * torch.stack(regions) @ torch.stack(texts).T
    diagonal = torch.arange(2)
    expected = (F.cross_entropy(scores, diagonal) + F.cross_entropy(scores.T, diagonal)) / 2
    torch.testing.assert_close(loss, expected)


def test_an_image_without_a_present_class_is_aligned_as_a_whole():
    encoder = LinearEncoder()
    images, logits, words, sentences = batch()
    alignment = MutualAlignment(encoder)
    for value in (0.0, NAN):
        logits = torch.full_like(logits, -20.0).requires_grad_()
        words = words.detach().requires_grad_()
        present = torch.tensor([[value], [1.0]])
        alignment(
            maps_of(logits, words), images, sentences, present, torch.zeros(TOKEN_DIM), torch.zeros(())
        ).backward()
        torch.testing.assert_close(encoder.seen[-1][0], images[0])
        assert not torch.allclose(encoder.seen[-1][1], images[1], atol=0.1)
        assert (logits.grad[0] == 0).all() and (words.grad[0] == 0).all() and (words.grad[1] != 0).any()


def test_one_of_several_present_classes_is_drawn():
    encoder = LinearEncoder()
    images, _, _, sentences = batch()
    logits = torch.tensor([-20.0, 0.0, 20.0]).reshape(1, 3, 1, 1).expand(2, 3, 4, 4)
    words = torch.zeros(2, 3, LENGTH)
    present = torch.tensor([[0.0, 1.0, 1.0], [NAN, 0.0, 1.0]])
    whole = set()
    for seed in range(20):
        torch.manual_seed(seed)
        MutualAlignment(encoder)(
            maps_of(logits, words), images, sentences, present, torch.zeros(TOKEN_DIM), torch.zeros(())
        )
        whole.add(torch.allclose(encoder.seen[-1][0], images[0], atol=1e-6))
        torch.testing.assert_close(encoder.seen[-1][1], images[1])
    assert whole == {True, False}


def test_the_mask_moves_to_the_region_that_the_sentence_speaks_of():
    """Two pictures share a bright and a dark half; each sentence belongs to one half."""
    encoder = LinearEncoder()
    encoder.image = torch.eye(4)
    encoder.text = torch.eye(DIM, TOKEN_DIM)
    encoder.table = torch.zeros(50, TOKEN_DIM)
    encoder.table[10, :4] = torch.tensor([1.0, 0, 1, 0])  # left
    encoder.table[12, :4] = torch.tensor([0.0, 1, 0, 1])  # right
    sentences = Sentences(torch.tensor([[1, 10, 2], [1, 12, 2]]), torch.zeros(2, 1, 3), torch.arange(2))
    images = torch.full((2, 3, 16, 16), 3.0)  # brighter than the filling, so that what is kept stands out
    logits = torch.zeros(2, 1, 16, 16, requires_grad=True)
    torch.manual_seed(0)
    for _ in range(20):
        loss = MutualAlignment(encoder)(
            maps_of(logits, torch.full((2, 1, 3), 9.0)), images, sentences, torch.ones(2, 1), torch.zeros(TOKEN_DIM),
            torch.tensor(1.0),
        )  # fmt: skip
        (slope,) = torch.autograd.grad(loss, logits)
        with torch.no_grad():
            logits -= 200 * slope
    left, right = logits[..., :8].mean((1, 2, 3)), logits[..., 8:].mean((1, 2, 3))
    assert left[0] > 0.5 > -0.5 > right[0] and right[1] > 0.5 > -0.5 > left[1]


def test_equal_sentences_do_not_repel_and_one_pair_costs_nothing():
    images, logits, words, sentences = batch()
    alignment = MutualAlignment(LinearEncoder())
    rest = (torch.zeros(TOKEN_DIM), torch.tensor(2.0))
    equal = sentences._replace(groups=torch.zeros(2, dtype=torch.long))
    assert alignment(maps_of(logits, words), images, equal, torch.ones(2, 1), *rest) == 0
    alone = Sentences(*(part[:1] for part in sentences))
    logits = logits[:1].requires_grad_()
    loss = alignment(maps_of(logits, words[:1]), images[:1], alone, torch.ones(1, 1), *rest)
    loss.backward()
    assert loss == 0 and logits.grad.isfinite().all()


def test_the_temperature_is_bounded_and_the_encoder_is_no_part_of_the_module():
    images, logits, words, sentences = batch()
    encoder = torch.nn.Linear(3, 3)
    assert not list(MutualAlignment(encoder).parameters()) and not MutualAlignment(encoder).state_dict()
    alignment = MutualAlignment(LinearEncoder())
    losses = []
    for log_temperature in (math.log(MAX_SCALE), 50.0):
        torch.manual_seed(0)
        inputs = (maps_of(logits, words), images, sentences, torch.ones(2, 1), torch.zeros(TOKEN_DIM))
        losses.append(alignment(*inputs, torch.tensor(log_temperature)))
    torch.testing.assert_close(*losses)

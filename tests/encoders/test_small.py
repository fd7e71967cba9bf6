"""The small encoder: trained once on the pairs, equal for equal seeds, whole or not there."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from polyps import COLOURS, PLACES, pairs

from cuescan.encoders import encoder_sizes, load_encoder, small_encoder, small_training
from cuescan.errors import UserError


@pytest.fixture
def brief(monkeypatch):
    """A training of three steps."""
    monkeypatch.setattr(small_training, "steps_for", lambda _: 3)


def content(folder: Path) -> bytes:
    return (folder / "open_clip_model.safetensors").read_bytes()


def test_the_folder_is_an_encoder(brief, tmp_path):
    images, texts, *_ = pairs(6, seed=0)
    folder = small_encoder(images, texts, tmp_path)
    encoder = load_encoder(str(folder))
    assert (encoder.dim, encoder.token_dim, encoder.context_length) == encoder_sizes("small")
    with torch.no_grad():
        assert encoder.encode_image(torch.from_numpy(np.stack(images))).shape == (6, 128)
        pooled, states = encoder.encode_text(encoder.tokens(["word " * 75]))
    assert pooled.isfinite().all() and states.shape == (1, 128, 128)
    said, unsaid = encoder.tokens(["polyp"])[0, 1], encoder.tokens(["aeroplane"])[0, 1]
    assert encoder.embed_tokens(said).norm() > 0 == encoder.embed_tokens(unsaid).norm()


def test_it_is_reused_for_the_same_pairs_only(brief, tmp_path, monkeypatch):
    images, texts, *_ = pairs(6, seed=0)
    folder = small_encoder(images, texts, tmp_path)
    others = {
        small_encoder(images, texts, tmp_path, seed=1),
        small_encoder(images[::-1], texts, tmp_path),
        small_encoder(images, [[text, "a polyp"] for text in texts], tmp_path),
    }
    assert len(others | {folder}) == 4
    monkeypatch.setattr(small_training, "train", lambda *_: pytest.fail("trained again"))
    assert small_encoder(images, texts, tmp_path) == folder
    assert all("polyp" not in path.name for path in tmp_path.rglob("*"))


def test_equal_seeds_give_equal_weights_with_any_number_of_threads(brief, tmp_path):
    images, texts, *_ = pairs(6, seed=0)
    threads, written = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            written.append(content(small_encoder(images, texts, tmp_path / str(count), seed=3)))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    assert written[0] == written[1]


def test_own_random_numbers(brief, tmp_path):
    images, texts, *_ = pairs(4, seed=0)
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    small_encoder(images, texts, tmp_path)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("moment", ["training", "writing"])
def test_an_interruption_leaves_nothing(brief, tmp_path, monkeypatch, moment):
    def stop(*_, **__):
        raise KeyboardInterrupt

    target = "cuescan.encoders.small_training.train" if moment == "training" else "pathlib.Path.write_text"
    images, texts, *_ = pairs(4, seed=0)
    with monkeypatch.context() as patch:
        patch.setattr(target, stop)
        with pytest.raises(KeyboardInterrupt):
            small_encoder(images, texts, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert small_encoder(images, texts, tmp_path).is_dir()


def test_sentences_must_differ(tmp_path):
    images, *_ = pairs(3, seed=0)
    with pytest.raises(UserError, match="learns from differing sentences, but there is 1; write"):
        small_encoder(images, ["A polyp."] * 3, tmp_path)


def test_loss_by_hand():
    logits = torch.tensor([[2.0, 0.0], [1.0, 3.0]])
    by_image = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-2))) / 2
    by_text = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-3))) / 2
    found = small_training.contrastive_loss(logits, torch.eye(2, dtype=torch.bool))
    assert found.item() == pytest.approx((by_image + by_text) / 2)


def test_identical_sentences_are_positives_of_each_other():
    logits = torch.tensor([[5.0, 5.0, 0.0], [5.0, 5.0, 0.0], [0.0, 0.0, 5.0]], requires_grad=True)
    same = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    small_training.contrastive_loss(logits, same).backward()
    assert logits.grad is not None and logits.grad[0, 0].item() == pytest.approx(logits.grad[0, 1].item())
    assert logits.grad[0, 1] < 0 < logits.grad[0, 2]


def test_augmentation_keeps_places_and_colours():
    image = torch.full((64, 3, 96, 96), 0.4)
    image[:, 0, 20:30, 60:70] = 0.9
    changed = small_training.augment(image, torch.Generator().manual_seed(0))
    weight = (changed[:, 0] - changed[:, 1] - 0.3).clamp(min=0)
    rows = (weight.sum(2) * torch.arange(96)).sum(1) / weight.sum((1, 2))
    columns = (weight.sum(1) * torch.arange(96)).sum(1) / weight.sum((1, 2))
    assert (rows - 24.5).abs().max() < 6 and (columns - 64.5).abs().max() < 6
    assert changed.min() >= 0 and changed.max() <= 1 and not torch.equal(changed[0], changed[1])


@pytest.mark.slow
def test_places_and_colours_are_told_apart_on_unseen_images(tmp_path):
    images, texts, *_ = pairs(150, seed=1)
    encoder = load_encoder(str(small_encoder(images, texts, tmp_path)))
    images, _, places, colours = pairs(200, seed=2)
    with torch.no_grad():
        seen = encoder.encode_image(torch.from_numpy(np.stack(images)))

        def right(words, truth, phrases) -> float:
            pooled = encoder.encode_text(encoder.tokens(phrases))[0].reshape(len(images), len(words), -1)
            best = (pooled @ seen[..., None])[..., 0].argmax(1)
            return float(np.mean([words[index] == one for index, one in zip(best.tolist(), truth, strict=True)]))

        by_place = [f"One {colour} polyp, {place}." for colour in colours for place in PLACES]
        by_colour = [f"One {colour} polyp, {place}." for place in places for colour in COLOURS]
        assert right(list(PLACES), places, by_place) > 0.8  # a guess: 0.25
        assert right(list(COLOURS), colours, by_colour) > 0.8  # a guess: 0.5

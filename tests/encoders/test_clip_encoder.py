"""Images and sentences are embedded as open_clip embeds them, and gradients pass where they should."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from cuescan.encoders import encoder_sizes, load_encoder

TEXTS = ["One small red polyp, upper left.", "no polyp", "", "Wow! Two polyps!"]


@pytest.fixture(
    params=[
        {},
        {"custom_text": True},
        {"custom_text": True, "text": {"proj_bias": True}},
        {"custom_text": True, "text": {"no_causal_mask": True, "pool_type": "last"}},
        {"quick_gelu": True, "vision": {"layers": [1, 1, 1, 1], "width": 8, "image_size": 64, "head_width": 32}},
    ],
    ids=["clip", "custom", "bias", "bidirectional", "resnet"],
)
def any_encoder(request, make_encoder):
    return load_encoder(make_encoder(**request.param))


def test_text_equals_open_clip(any_encoder):
    tokens = any_encoder.tokens(TEXTS)
    with torch.no_grad():
        expected = any_encoder.clip.encode_text(tokens, normalize=True)
        pooled, states = any_encoder.encode_text(tokens)
        replaced, same_states = any_encoder.encode_text(tokens, any_encoder.embed_tokens(tokens))
    assert torch.equal(pooled, expected) and torch.equal(replaced, expected)
    assert torch.equal(states, same_states) and states.shape == (4, 24, 24)
    torch.testing.assert_close(pooled.norm(dim=1), torch.ones(4))


def test_states_are_those_that_are_pooled(encoder):
    tokens = encoder.tokens(TEXTS)
    with torch.no_grad():
        pooled, states = encoder.encode_text(tokens)
        ends = states[torch.arange(len(tokens)), tokens.argmax(1)]
        expected = torch.nn.functional.normalize(ends @ encoder.clip.text_projection, dim=-1)
    torch.testing.assert_close(pooled, expected)


def test_image_equals_open_clip_at_its_own_size(any_encoder):
    images = torch.rand(2, 3, *any_encoder.image_size)
    with torch.no_grad():
        mean, std = torch.tensor([0.3, 0.4, 0.5]), torch.tensor([0.2, 0.25, 0.3])
        prepared = (images - mean[:, None, None]) / std[:, None, None]
        expected = any_encoder.clip.encode_image(prepared, normalize=True)
        torch.testing.assert_close(any_encoder.encode_image(images), expected)


def test_gradients_reach_images_and_embeddings_and_no_weight(any_encoder):
    images = torch.rand(1, 3, 40, 56, requires_grad=True)
    tokens = any_encoder.tokens(TEXTS[:1])
    embeddings = any_encoder.embed_tokens(tokens).detach().requires_grad_()
    pooled, states = any_encoder.encode_text(tokens, embeddings)
    (any_encoder.encode_image(images)[0, 0] + pooled[0, 0] + states[0, 3, 0]).backward()
    assert images.grad.abs().sum() > 0 and embeddings.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in any_encoder.parameters())


def test_replaced_embeddings_change_the_result_and_leave_no_trace(encoder):
    tokens = encoder.tokens(TEXTS[:2])
    with torch.no_grad():
        before, _ = encoder.encode_text(tokens)
        changed, _ = encoder.encode_text(tokens, torch.zeros(2, 24, 24))
        after, _ = encoder.encode_text(tokens)
    assert not torch.allclose(before, changed) and torch.equal(before, after)


def test_it_stays_frozen(encoder):
    parent = torch.nn.Sequential(encoder).train()
    assert parent.training and not any(module.training for module in encoder.modules())


def test_sizes(tiny, encoder):
    assert encoder_sizes(str(tiny)) == (16, 24, 24) == (encoder.dim, encoder.token_dim, encoder.context_length)
    assert encoder.image_size == (48, 48)
    assert encoder_sizes("small") == (128, 128, 128)


def test_words_end_at_the_end_token(encoder):
    tokens = encoder.tokens(TEXTS)
    assert encoder.word_mask(tokens).sum(1).tolist() == [9, 3, 0, 6]  # "!" has the number of padding
    assert encoder.word_mask(tokens)[:, 0].sum() == 0
    assert encoder.tokens([]).shape == (0, 24)


def test_a_long_sentence_is_reported_once_by_its_case(tiny):
    encoder = load_encoder(tiny)
    long = "confidential " * 30
    with pytest.warns(UserWarning) as caught:
        tokens = encoder.tokens(["short", long], ["case_1", "case_2"])
    assert [str(one.message) for one in caught] == [
        "case_2: the sentence has 32 tokens and the text encoder reads 24, so its end is not seen; shorten it or put "
        "what matters first"
    ]
    assert tokens.shape == (2, 24) and encoder.word_mask(tokens)[1].sum() == 22
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.tokens([long], ["case_2"])
    heard: list[str] = []
    encoder.report = heard.append
    encoder.tokens([long, long])
    assert len(heard) == 1 and heard[0].startswith("a text: ") and "confidential" not in heard[0]


def test_digest_tells_weights_and_configuration_apart(make_encoder, tmp_path):
    first = make_encoder("first")
    digest = load_encoder(first).digest
    assert len(digest) == 64 and digest == load_encoder(make_encoder("again")).digest
    assert digest != load_encoder(make_encoder("other", seed=1)).digest
    config = json.loads((first / "open_clip_config.json").read_text())
    config["preprocess_cfg"]["resize_mode"] = "longest"
    (first / "open_clip_config.json").write_text(json.dumps(config))
    assert digest != load_encoder(first).digest


def test_digest_does_not_depend_on_the_kind_of_file(make_encoder):
    folder = make_encoder()
    digest = load_encoder(folder).digest
    weights = load_file(folder / "open_clip_model.safetensors")
    (folder / "open_clip_model.safetensors").unlink()
    torch.save(
        {"state_dict": {f"module.{name}": value for name, value in weights.items()}},
        folder / "open_clip_pytorch_model.bin",
    )
    assert load_encoder(folder).digest == digest


def test_a_file_with_its_architecture(tiny, tmp_path: Path):
    name = "cuescan-test-tiny"
    config = json.loads((tiny / "open_clip_config.json").read_text())["model_cfg"]
    (tmp_path / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path)
    weights = tmp_path / "weights.safetensors"
    save_file(load_file(tiny / "open_clip_model.safetensors"), weights)
    encoder = load_encoder(f"{name}:{weights}")
    torch.testing.assert_close(encoder.preprocessing.mean.flatten(), torch.tensor(open_clip.OPENAI_DATASET_MEAN))
    assert encoder.preprocessing.mode == "shortest"
    assert torch.equal(encoder.clip.token_embedding.weight, load_encoder(tiny).clip.token_embedding.weight)

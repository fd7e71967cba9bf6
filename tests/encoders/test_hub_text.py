"""A text tower of the transformers package, made on the spot."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from cuescan.encoders import encoder_sizes, load_encoder

transformers = pytest.importorskip("transformers")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "one", "red", "pol", "##yp", ",", "upper", "left", ".", "no"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    inner = Tokenizer(models.WordPiece({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    inner.normalizer, inner.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    inner.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    path = tmp_path / "clip"
    transformers.PreTrainedTokenizerFast(tokenizer_object=inner, **names).save_pretrained(path)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=20,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=30,
        max_position_embeddings=32,
    )
    config.save_pretrained(path / "tower")
    model = {
        "embed_dim": 12,
        "vision_cfg": {"layers": 1, "width": 32, "patch_size": 16, "image_size": 32, "head_width": 16},
        "text_cfg": {
            "hf_model_name": "tower",
            "hf_tokenizer_name": "somewhere/else",
            "hf_proj_type": "mlp",
            "hf_pooler_type": "cls_last_hidden_state_pooler",
            "context_length": 16,
        },
    }
    text = {**model["text_cfg"], "hf_model_name": str(path / "tower"), "hf_model_pretrained": False}
    clip = open_clip.CustomTextCLIP(**{**model, "text_cfg": text})
    (path / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": {}}))
    save_file(
        {name: value.contiguous() for name, value in clip.state_dict().items()}, path / "open_clip_model.safetensors"
    )
    return path


def test_text_equals_open_clip(folder):
    encoder = load_encoder(folder)
    assert encoder_sizes(str(folder)) == (12, 20, 16)
    tokens = encoder.tokens(["One red polyp, upper left.", "no polyp"])
    with torch.no_grad():
        expected = encoder.clip.encode_text(tokens, normalize=True)
        pooled, states = encoder.encode_text(tokens)
        replaced, _ = encoder.encode_text(tokens, encoder.embed_tokens(tokens))
        changed, _ = encoder.encode_text(tokens, encoder.embed_tokens(tokens) * encoder.word_mask(tokens)[..., None])
    assert torch.equal(pooled, expected) and torch.equal(replaced, expected) and states.shape == (2, 16, 20)
    assert not torch.allclose(changed, expected)


def test_spans_and_words(folder):
    encoder = load_encoder(folder)
    text = "One  red polyp, upper left."
    spans = encoder.token_spans(text)
    assert [text[slice(*span)] for span in spans if span] == ["One", "red", "pol", "yp", ",", "upper", "left", "."]
    assert [span is not None for span in spans] == encoder.word_mask(encoder.tokens([text]))[0].tolist()


def test_a_long_sentence_is_reported(folder):
    heard: list[str] = []
    load_encoder(folder, report=heard.append).tokens(["red " * 20], ["case_1"])
    assert len(heard) == 1 and heard[0].startswith("case_1: the sentence has 22 tokens and the text encoder reads 16")

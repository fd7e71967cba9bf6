"""What is wrong with an encoder's name is said in one sentence, and nothing is fetched unasked."""

from __future__ import annotations

import json
import pickle
import re
import sys

import pytest
import torch

from cuescan.encoders import encoder_sizes, load_encoder
from cuescan.errors import UserError


def message(spec) -> str:
    with pytest.raises(UserError) as caught:
        load_encoder(spec)
    text = str(caught.value)
    assert "\n" not in text and not text.endswith(".")
    return text


def test_nothing_under_this_name(tmp_path):
    assert message(tmp_path / "missing") == (
        f"{tmp_path / 'missing'}: neither a folder that is there nor an architecture of open_clip; give a folder with "
        "open_clip_config.json and its weights, ARCHITECTURE:FILE, ARCHITECTURE/TAG, hf-hub:ORG/MODEL, or small"
    )
    assert "neither a folder" in message("C:\\encoders\\clip")
    assert message(" ").startswith("the encoder's name is empty; give a folder")


def test_a_name_without_weights():
    assert re.match(
        r"ViT-B-32: does not say which weights; give ViT-B-32/TAG with one of the tags .*laion2b_s34b_b79k.*"
        r", or ViT-B-32:FILE$",
        message("ViT-B-32"),
    )
    assert message("ViT-B-32/nonsense").startswith(
        "ViT-B-32/nonsense: open_clip has no weights 'nonsense' of ViT-B-32;"
    )


def test_a_file_alone_or_that_is_not_there(tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"")
    assert message(tmp_path / "weights.pt").endswith(
        f"put the architecture before it, such as ViT-B-32:{tmp_path / 'weights.pt'}"
    )
    assert message("ViT-B-32/laion2b_s34b_b79k:no.pt") == (
        "ViT-B-32/laion2b_s34b_b79k:no.pt: there is no file no.pt; give the path of the weights after the colon"
    )


def test_an_architecture_whose_weights_differ_needs_a_tag(tmp_path):
    assert "say which these are like, as ViT-B-32/TAG:FILE" in message(f"ViT-B-32:{tmp_path / 'x.pt'}")


def test_offline(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for spec in ("hf-hub:nobody/nothing", "ViT-B-32/laion2b_s34b_b79k"):
        assert re.fullmatch(
            re.escape(spec)
            + r": (open_clip_config.json|its weights) could not be fetched \(HF_HUB_OFFLINE is set, and "
            r"they are not in the cache\); fetch it once where there is a network, or give the path of a local folder",
            message(spec),
        )
    assert message("hf-hub:no model").startswith("hf-hub:no model: ")


def test_a_url_is_not_fetched_when_offline(monkeypatch):
    monkeypatch.setattr("open_clip.pretrained.has_hf_hub", lambda *_: False)
    assert "could not be fetched (HF_HUB_OFFLINE" in message("RN50/cc12m")


def test_a_folder_that_is_incomplete(make_encoder, tmp_path):
    folder = make_encoder()
    (folder / "open_clip_model.safetensors").unlink()
    assert message(folder) == (
        f"{folder}: there are no weights beside open_clip_config.json; put open_clip_model.safetensors or "
        "open_clip_pytorch_model.bin there"
    )
    (folder / "open_clip_config.json").write_text("{}")
    assert "not a configuration of open_clip" in message(folder)
    (folder / "open_clip_config.json").unlink()
    assert message(folder).startswith(f"{folder / 'open_clip_config.json'}: this file is not there; give a folder")


def test_weights_of_another_model(make_encoder):
    folder, other = make_encoder("one"), make_encoder("two", text={"width": 32})
    (other / "open_clip_model.safetensors").replace(folder / "open_clip_model.safetensors")
    assert message(folder).startswith(
        f"{folder / 'open_clip_model.safetensors'}: these are not the weights of {folder}"
    )


def test_a_truncated_file(make_encoder):
    folder = make_encoder()
    path = folder / "open_clip_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    assert message(folder).startswith(f"{path}: these are not the weights of")


class Malicious:
    def __reduce__(self):
        return pytest.fail, ("code of a checkpoint was run",)


def test_code_in_a_checkpoint_is_not_run(make_encoder):
    folder = make_encoder()
    (folder / "open_clip_model.safetensors").unlink()
    path = folder / "open_clip_pytorch_model.bin"
    torch.save({"weight": Malicious()}, path)
    assert message(folder).startswith(f"{path}: not a file of plain weights, so it is not loaded;")
    path.write_bytes(pickle.dumps(Malicious()))
    assert message(folder).startswith(f"{path}: not a file of plain weights")


def test_a_configuration_that_open_clip_cannot_build(make_encoder):
    folder = make_encoder()
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["of_tomorrow"] = 1
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    assert re.search(r"open_clip \S+ cannot build this model \(.*of_tomorrow.*\); pip install", message(folder))


def test_captioning_models(make_encoder):
    assert "(CoCa) is not supported" in message(make_encoder(text={"embed_cls": True}, custom_text=True))


def test_a_hub_text_tower_without_transformers(make_encoder, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    folder = make_encoder()
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"] = {"hf_model_name": "someone/bert", "hf_tokenizer_name": "someone/bert"}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    expected = f"{folder}: its text tower needs the transformers package; pip install transformers"
    assert message(folder) == expected
    with pytest.raises(UserError, match="pip install transformers"):
        encoder_sizes(str(folder))


def test_small_is_a_folder_once_trained():
    assert message("small").startswith("small: this encoder is first trained on a data set's own pairs")

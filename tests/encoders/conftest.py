"""Tiny encoders with random weights, made on the spot: nothing is fetched."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # polyps.py

CONFIG: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {"layers": 1, "width": 32, "patch_size": 16, "image_size": 48, "head_width": 16},
        "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 24, "heads": 2, "layers": 2},
    },
    "preprocess_cfg": {"mean": [0.3, 0.4, 0.5], "std": [0.2, 0.25, 0.3], "resize_mode": "squash"},
}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing leaves this machine, whatever a test asks for."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("urllib.request.urlopen", lambda *_: pytest.fail("a download was started"))


def tiny_config(text: dict | None = None, vision: dict | None = None, **model: Any) -> dict[str, Any]:
    """The tiny configuration with some entries changed."""
    config = copy.deepcopy(CONFIG)
    config["model_cfg"]["text_cfg"].update(text or {})
    config["model_cfg"]["vision_cfg"].update(vision or {})
    config["model_cfg"].update(model)
    return config


def write_encoder(folder: Path, config: dict[str, Any], seed: int = 0) -> Path:
    """An open_clip folder with random weights; the model is built by open_clip alone."""
    import open_clip
    from safetensors.torch import save_file

    model = copy.deepcopy(config["model_cfg"])
    custom = model.pop("custom_text", False)
    torch.manual_seed(seed)
    clip = (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**model)
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(
        {name: value.contiguous() for name, value in clip.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    return folder


@pytest.fixture
def make_encoder(tmp_path: Path) -> Callable[..., Path]:
    """Write a tiny encoder; keywords as for :func:`tiny_config`."""

    def make(name: str = "tiny", seed: int = 0, **changes: Any) -> Path:
        return write_encoder(tmp_path / name, tiny_config(**changes), seed)

    return make


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one tiny encoder, shared and not to be changed."""
    return write_encoder(tmp_path_factory.mktemp("encoders") / "tiny", CONFIG)


@pytest.fixture(scope="session")
def encoder(tiny: Path) -> Any:
    """That encoder, loaded."""
    from cuescan.encoders import load_encoder

    return load_encoder(tiny)

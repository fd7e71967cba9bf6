"""A tiny open_clip model with random weights, as a folder."""

from __future__ import annotations

import json
from pathlib import Path

CONFIG = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {"layers": 1, "width": 32, "head_width": 16, "patch_size": 16, "image_size": 32},
        "text_cfg": {"context_length": 48, "vocab_size": 49408, "width": 24, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bilinear", "resize_mode": "squash"},
}


def make_encoder(folder: Path, seed: int = 0) -> Path:
    """Write the encoder, a few megabytes, and return its folder."""
    import torch
    from safetensors.torch import save_file

    from cuescan.encoders.loading import build_clip

    folder.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        state = build_clip(CONFIG["model_cfg"], "tiny").state_dict()
    save_file({name: value.contiguous() for name, value in state.items()}, folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps(CONFIG))
    return folder

"""Configuration of the small encoder that is trained on a data set's own pairs."""

from __future__ import annotations

from typing import Any

SMALL: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 128,
        "vision_cfg": {"layers": [1, 1, 1, 1], "width": 16, "image_size": 96, "head_width": 64},
        "text_cfg": {"context_length": 128, "vocab_size": 49408, "width": 128, "heads": 4, "layers": 2},
        "init_logit_scale": 2.6592600369327783,  # ln(1 / 0.07)
    },
    "preprocess_cfg": {
        "size": 96,
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "interpolation": "bilinear",
        "resize_mode": "squash",  # all of the image is seen, so a place in it keeps its meaning
        "fill_color": 0,
    },
}

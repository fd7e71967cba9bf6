"""From an encoder's name to the encoder."""

from __future__ import annotations

import copy
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cuescan.encoders.clip_encoder import ClipEncoder
from cuescan.encoders.small_config import SMALL
from cuescan.encoders.sources import Source, find_source
from cuescan.encoders.text_tower import Sizes, missing_transformers, sizes_of, words_of
from cuescan.errors import UserError


def encoder_sizes(spec: str) -> Sizes:
    """Read an encoder's sizes from its configuration alone; of a hub's model only that file is fetched.

    Args:
        spec: as for :func:`load_encoder`, or "small".

    Raises:
        UserError: nothing is there under this name.
    """
    if spec == "small":
        text = SMALL["model_cfg"]["text_cfg"]
        return Sizes(SMALL["model_cfg"]["embed_dim"], text["width"], text["context_length"])
    return sizes_of(find_source(spec))


def load_encoder(
    spec: str | Path, device: torch.device | str = "cpu", report: Callable[[str], None] | None = None
) -> ClipEncoder:
    """Load a frozen encoder.

    Args:
        spec: a folder with ``open_clip_config.json`` and its weights (safetensors, or a ``.bin`` of plain weights);
            ``ARCHITECTURE:FILE``, such as ``ViT-B-32:/path/file.safetensors``; ``ARCHITECTURE/TAG``, such as
            ``ViT-B-32/laion2b_s34b_b79k``; or ``hf-hub:ORG/MODEL``. The last two fetch what is not cached.
        device: where it computes.
        report: takes the one sentence about a text that is too long; None warns.

    Raises:
        UserError: it is not there, cannot be fetched, or holds something else than the weights of this model.
    """
    if str(spec) == "small":
        raise UserError("small: this encoder is first trained on a data set's own pairs; give the folder that came out")
    source = find_source(str(spec))
    sizes = sizes_of(source)
    words = words_of(source)
    config = {"model_cfg": copy.deepcopy(source.model), "preprocess_cfg": source.preprocessing}
    clip = build_clip(source.model, source.spec)
    _load_weights(clip, source)
    return ClipEncoder(clip, words, sizes, config, report).to(device)


def build_clip(model: dict[str, Any], spec: str) -> nn.Module:
    """Build an open_clip model with random weights from its ``model_cfg``.

    Raises:
        UserError: the installed open_clip, timm or transformers cannot build it.
    """
    import open_clip

    model = copy.deepcopy(model)
    for part, key in (("vision_cfg", "timm_model_pretrained"), ("text_cfg", "hf_model_pretrained")):
        if key.split("_")[0] + "_model_name" in model[part]:
            model[part][key] = False  # the weights come from the checkpoint
    custom = model.pop("custom_text", False) or "hf_model_name" in model["text_cfg"]
    try:
        return (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**model)
    except (TypeError, ValueError, RuntimeError, OSError) as error:
        if "transformers" in str(error):
            raise missing_transformers(spec) from error
        raise UserError(
            f"{spec}: open_clip {version('open_clip_torch')} cannot build this model ({_line(error)}); "
            "pip install --upgrade open_clip_torch, or correct its configuration"
        ) from error


def _load_weights(clip: nn.Module, source: Source) -> None:
    import open_clip

    path = source.weights()
    if path.suffix != ".safetensors":
        try:
            torch.load(path, map_location="cpu", weights_only=True)  # older versions of open_clip would run its code
        except Exception as error:  # unpickling raises anything
            raise UserError(
                f"{path}: not a file of plain weights, so it is not loaded; give the weights as "
                ".safetensors, or saved with torch.save(model.state_dict(), FILE)"
            ) from error
    try:
        open_clip.load_checkpoint(clip, str(path))
    except Exception as error:  # a broken file, other keys or shapes: each kind raises its own
        raise UserError(
            f"{path}: these are not the weights of {source.spec} ({_line(error)}); give the configuration "
            "and the weights of the same model"
        ) from error


def _line(error: Exception) -> str:
    """An error's message in one line of bearable length."""
    words = " ".join(str(error).split())
    return words if len(words) <= 200 else f"{words[:200]} ..."

"""What an encoder's name means: where its configuration and its weights are."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cuescan.encoders import hub
from cuescan.errors import UserError

CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")
HUB_PREFIX = "hf-hub:"
WAYS = (
    f"give a folder with {CONFIG} and its weights, ARCHITECTURE:FILE, ARCHITECTURE/TAG, {HUB_PREFIX}ORG/MODEL, or small"
)

_OPENAI_PREPROCESSING: dict[str, Any] = {
    "mean": [0.48145466, 0.4578275, 0.40821073],
    "std": [0.26862954, 0.26130258, 0.27577711],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "fill_color": 0,
}


@dataclass(frozen=True)
class Source:
    """An encoder that was found, before its weights are read.

    Attributes:
        spec: what the user gave.
        model: open_clip's ``model_cfg``: embed_dim, vision_cfg, text_cfg, ...
        preprocessing: open_clip's ``preprocess_cfg``, complete but for the size, which is the model's.
        weights: gives the file of weights; this is what fetches a large file where the name asks for it.
        files: the folder or the hub's model that holds tokenizer files, if the text tower needs any.
    """

    spec: str
    model: dict[str, Any]
    preprocessing: dict[str, Any]
    weights: Callable[[], Path]
    files: str | None = None


def find_source(spec: str) -> Source:
    """Find the configuration that ``spec`` stands for; of what is not local only the configuration is fetched.

    Args:
        spec: a folder (``open_clip_config.json`` beside its weights), ``ARCHITECTURE:FILE`` or
            ``ARCHITECTURE/TAG:FILE`` (a local file of weights), ``ARCHITECTURE/TAG`` (open_clip fetches the weights),
            or ``hf-hub:ORG/MODEL``.

    Raises:
        UserError: nothing is there, or it cannot be fetched.
    """
    if not spec.strip():
        raise UserError(f"the encoder's name is empty; {WAYS}")
    if spec.startswith(HUB_PREFIX):
        return _from_hub(spec)
    path = Path(spec).expanduser()
    if path.is_dir():
        return _from_folder(spec, path)
    if path.is_file():
        raise UserError(
            f"{spec}: a file of weights does not say what it holds; put the architecture before it, "
            f"such as ViT-B-32:{spec}"
        )
    name, colon, file = spec.partition(":")
    architecture, tag, settings = _architecture(name, spec)
    if not tag and not colon:
        raise UserError(
            f"{spec}: does not say which weights; give {architecture}/TAG with one of the tags "
            f"{', '.join(_tags(architecture)) or 'none'}, or {architecture}:FILE"
        )
    model, preprocessing = _with_settings(architecture, settings)
    if colon:
        weights = Path(file).expanduser()
        if not weights.is_file():
            raise UserError(f"{spec}: there is no file {file}; give the path of the weights after the colon")
        return Source(spec, model, preprocessing, lambda: weights)
    return Source(spec, model, preprocessing, lambda: hub.tagged_weights(spec, settings))


def _from_folder(spec: str, folder: Path) -> Source:
    model, preprocessing = _read_config(folder / CONFIG)
    found = [folder / name for name in WEIGHTS if (folder / name).is_file()]
    if not found:
        raise UserError(f"{folder}: there are no weights beside {CONFIG}; put {WEIGHTS[0]} or {WEIGHTS[-1]} there")
    text = model["text_cfg"]
    tower = text.get("hf_model_name")
    if tower and (folder / tower).is_dir():
        text["hf_model_name"] = str(folder / tower)
    return Source(spec, model, preprocessing, lambda: found[0], str(folder))


def _from_hub(spec: str) -> Source:
    name = spec[len(HUB_PREFIX) :]
    model, preprocessing = _read_config(hub.hub_file(name, (CONFIG,)))
    return Source(spec, model, preprocessing, lambda: hub.hub_file(name, WEIGHTS))


def _read_config(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    if not path.is_file():
        raise UserError(f"{path}: this file is not there; {WAYS}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        model = content["model_cfg"]
        if not all(key in model for key in ("embed_dim", "vision_cfg", "text_cfg")):
            raise KeyError("model_cfg")
        given = {key: value for key, value in content.get("preprocess_cfg", {}).items() if value is not None}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: not a configuration of open_clip (it needs model_cfg with embed_dim, vision_cfg and "
            "text_cfg); save the model with open_clip's push_to_hf_hub.save_for_hf"
        ) from error
    return model, {key: given.get(key, default) for key, default in _OPENAI_PREPROCESSING.items()}


def _architecture(name: str, spec: str) -> tuple[str, str, dict[str, Any]]:
    """The architecture, the tag ("" if none is given) and what open_clip knows of the tag."""
    import open_clip

    if open_clip.get_model_config(name.replace("/", "-")) is not None:
        return name.replace("/", "-"), "", {}
    head, _, tag = name.rpartition("/")
    architecture = head.replace("/", "-")
    if not architecture or open_clip.get_model_config(architecture) is None:
        raise UserError(f"{spec}: neither a folder that is there nor an architecture of open_clip; {WAYS}")
    settings = open_clip.get_pretrained_cfg(architecture, tag)
    if not settings:
        raise UserError(
            f"{spec}: open_clip has no weights {tag!r} of {architecture}; give one of "
            f"{', '.join(_tags(architecture)) or 'none'}, or {architecture}:FILE"
        )
    return architecture, tag, {"tag": tag, **settings}


def _tags(architecture: str) -> list[str]:
    import open_clip

    return open_clip.list_pretrained_tags_by_model(architecture)


def _with_settings(architecture: str, settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Configuration and preprocessing of an architecture under the settings of a tag.

    Without a tag, the tags of the architecture must agree on the preprocessing and activation, else one must be named.
    """
    import open_clip

    model = open_clip.get_model_config(architecture)
    named = [{"tag": tag, **open_clip.get_pretrained_cfg(architecture, tag)} for tag in _tags(architecture)]
    choices = []
    for known in [settings] if settings else named or [{}]:
        preprocessing = {key: known.get(key) or default for key, default in _OPENAI_PREPROCESSING.items()}
        preprocessing.update(mean=list(preprocessing["mean"]), std=list(preprocessing["std"]))
        quick = bool(model.get("quick_gelu") or known.get("quick_gelu", known.get("tag") == "openai"))
        if (preprocessing, quick) not in choices:
            choices.append((preprocessing, quick))
    if len(choices) > 1:
        raise UserError(
            f"{architecture}: its weights differ in preprocessing or activation by tag; say which these "
            f"are like, as {architecture}/TAG:FILE with one of {', '.join(_tags(architecture))}"
        )
    preprocessing, model["quick_gelu"] = choices[0]
    return model, preprocessing

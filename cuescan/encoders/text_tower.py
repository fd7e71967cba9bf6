"""open_clip's text towers, with input embeddings that can be replaced and token states that can be read."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cuescan.encoders.sources import Source
from cuescan.encoders.words import BytePairWords, HubWords, Words, missing_transformers
from cuescan.errors import UserError


class Sizes(NamedTuple):
    """Widths of an encoder: of its embeddings, of its token states and input embeddings, and tokens per sentence."""

    dim: int
    token_dim: int
    context_length: int


def sizes_of(source: Source) -> Sizes:
    """Read an encoder's sizes from its configuration.

    Raises:
        UserError: the text tower is of a kind that is not supported, or needs a package that is not installed.
    """
    text = source.model["text_cfg"]
    if "multimodal_cfg" in source.model or text.get("embed_cls"):
        raise UserError(f"{source.spec}: a captioning model (CoCa) is not supported; give a CLIP model")
    width = text.get("width", 512)
    if text.get("hf_model_name"):
        width = _hub_config(source, text["hf_model_name"]).hidden_size
    return Sizes(source.model["embed_dim"], width, text.get("context_length", 77))


def _hub_config(source: Source, name: str) -> Any:
    try:
        from transformers import AutoConfig
    except ImportError as error:
        raise missing_transformers(source.spec) from error
    try:
        return AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{source.spec}: the configuration of its text tower {name} could not be loaded ({type(error).__name__}); "
            "fetch it once where there is a network, or name a folder beside open_clip_config.json in hf_model_name"
        ) from error


def words_of(source: Source) -> Words:
    """The tokenizer of an encoder.

    Raises:
        UserError: its files or the transformers package are not there.
    """
    text = source.model["text_cfg"]
    length, settings = text.get("context_length", 77), dict(text.get("tokenizer_kwargs") or {})
    name = text.get("hf_tokenizer_name") or text.get("hf_model_name")
    if not name:
        return BytePairWords(length, settings)
    if text.get("tokenizer_mode"):
        settings["tokenizer_mode"] = text["tokenizer_mode"]
    return HubWords(source.spec, source.files or name, length, settings)


class TextTower:
    """The text side of an open_clip model.

    It runs open_clip's own ``encode_text`` and looks into it through forward hooks on the embedding and the last
    normalisation, so that the result is that of the installed version of open_clip whatever happens between them.

    Args:
        clip: a CLIP or CustomTextCLIP.
    """

    def __init__(self, clip: nn.Module) -> None:
        tower: Any = getattr(clip, "text", clip)
        self._clip: Any = clip
        self.embedding: nn.Module
        self._last: nn.Module
        if hasattr(tower, "token_embedding"):
            self.embedding, self._last = tower.token_embedding, tower.ln_final
        else:
            self.embedding, self._last = tower.transformer.get_input_embeddings(), tower.transformer

    def __call__(self, tokens: Tensor, embeddings: Tensor | None) -> tuple[Tensor, Tensor]:
        """Pooled embedding (B, dim), of unit length, and token states (B, T, token_dim)."""
        states: list[Tensor] = []
        hooks = [self._last.register_forward_hook(lambda _, __, out: states.append(_hidden(out)))]
        if embeddings is not None:
            hooks.append(self.embedding.register_forward_hook(lambda *_: embeddings))
        try:
            pooled = self._clip.encode_text(tokens, normalize=True)
        finally:
            for hook in hooks:
                hook.remove()
        return pooled, states[-1]


def _hidden(output: Any) -> Tensor:
    if isinstance(output, torch.Tensor):
        return output
    return output.last_hidden_state if hasattr(output, "last_hidden_state") else output[0]

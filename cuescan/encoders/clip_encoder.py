"""A frozen pair of encoders, and what the networks and losses need to know of it."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cuescan.encoders.preprocessing import Preprocessing
from cuescan.encoders.text_tower import Sizes, TextTower
from cuescan.encoders.words import Span, Words


class ClipEncoder(nn.Module):
    """A frozen open_clip model: images and sentences into one space of unit vectors.

    It stays in evaluation mode and asks for no gradient of its weights; gradients pass through it to images and to
    input embeddings. Its ``state_dict`` is open_clip's: a network should refer to it by ``digest`` and not hold it as a
    module.

    Args:
        clip: a CLIP or CustomTextCLIP.
        words: its tokenizer.
        sizes: its widths.
        config: its configuration (model_cfg and preprocess_cfg), for ``digest`` and preprocessing.
        report: takes the one sentence about a text that is too long; None warns.

    Attributes:
        digest: sha256 over configuration and weights, in hexadecimal.
        dim: width D of the embeddings.
        token_dim: width E of token states and input embeddings.
        context_length: tokens T per sentence, with start and end.
        image_size: height and width that the image tower sees.
    """

    def __init__(
        self,
        clip: nn.Module,
        words: Words,
        sizes: Sizes,
        config: dict[str, Any],
        report: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self.dim, self.token_dim, self.context_length = sizes
        visual: Any = clip.visual
        side = visual.image_size
        self.image_size: tuple[int, int] = (side, side) if isinstance(side, int) else (int(side[0]), int(side[1]))
        self.preprocessing = Preprocessing(self.image_size, config["preprocess_cfg"])
        self.clip = clip
        self.report = report or _warn
        self._words, self._tower, self._reported = words, TextTower(clip), set[str]()
        self.digest = digest(config, clip.state_dict())
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> ClipEncoder:
        """Stay in evaluation mode: the encoder is frozen."""
        return super().train(False)

    @property
    def device(self) -> torch.device:
        """Where the encoder is."""
        return self.preprocessing.mean.device

    def tokens(self, texts: Sequence[str], cases: Sequence[str] | None = None) -> Tensor:
        """Token numbers (B, T) of sentences, on the encoder's device.

        A sentence with more tokens than fit is cut off, and reported once, by the name of its case, never by its words.
        """
        for index, text in enumerate(texts):
            count = self._words.count(text)
            key = cases[index] if cases is not None else hashlib.sha256(text.encode()).hexdigest()
            if count > self.context_length and key not in self._reported:
                self._reported.add(key)
                self.report(
                    f"{key if cases is not None else 'a text'}: the sentence has {count} tokens and the text encoder "
                    f"reads {self.context_length}, so its end is not seen; shorten it or put what matters first"
                )
        if not texts:
            return torch.zeros(0, self.context_length, dtype=torch.long, device=self.device)
        return self._words.tokens(list(texts)).to(self.device)

    def token_spans(self, text: str) -> list[Span | None]:
        """Which characters of ``text`` each of its T tokens stands for; None for start, end and padding."""
        return self._words.spans(text)

    def word_mask(self, tokens: Tensor) -> Tensor:
        """(B, T) bool: True at words, False at start, end and padding."""
        return self._words.mask(tokens)

    def embed_tokens(self, tokens: Tensor) -> Tensor:
        """Input embeddings (B, T, E) of tokens, before positions are added."""
        return self._tower.embedding(tokens)

    def encode_text(self, tokens: Tensor, embeddings: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Embed sentences.

        Args:
            tokens: (B, T) from :meth:`tokens`; they say where a sentence ends.
            embeddings: (B, T, E) in place of ``embed_tokens(tokens)``; differentiable.

        Returns:
            Embeddings (B, D) of unit length, and the states (B, T, E) of the last layer, normalised as by the model.
        """
        return self._tower(tokens, embeddings)

    def encode_image(self, images: Tensor) -> Tensor:
        """Embed images (B, C, H, W) in [0, 1], C 1 or 3, of any size, as (B, D) of unit length; differentiable."""
        clip: Any = self.clip
        return clip.encode_image(self.preprocessing(images), normalize=True)

    def extra_repr(self) -> str:
        """The digest's beginning stands for the weights."""
        return f"digest={self.digest[:12]}, dim={self.dim}, token_dim={self.token_dim}"


def digest(config: dict[str, Any], state: dict[str, Tensor]) -> str:
    """sha256 over a configuration and the weights, in an order and form that do not depend on how they were stored."""
    sha = hashlib.sha256(json.dumps(config, sort_keys=True, separators=(",", ":")).encode())
    for name in sorted(state):
        values = state[name].detach().cpu().contiguous()
        sha.update(f"\n{name} {values.dtype} {tuple(values.shape)}\n".encode())
        sha.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=4)

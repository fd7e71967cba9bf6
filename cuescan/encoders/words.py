"""Sentences as tokens, and which characters each token stands for."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from cuescan.encoders.spans import Span, original_spans
from cuescan.errors import UserError


class Words(Protocol):
    """A tokenizer as the encoder uses it; T is the context length."""

    context_length: int

    def tokens(self, texts: list[str]) -> Tensor:
        """(B, T) token numbers; what does not fit is cut off."""

    def count(self, text: str) -> int:
        """How many tokens the whole text has, with start and end."""

    def spans(self, text: str) -> list[Span | None]:
        """T spans of characters; None for start, end and padding."""

    def mask(self, tokens: Tensor) -> Tensor:
        """(B, T) bool, True at words."""


class BytePairWords:
    """CLIP's byte pair tokens; vocabulary and merges lie in the open_clip package.

    Args:
        context_length: T.
        settings: the configuration's ``tokenizer_kwargs``.
    """

    def __init__(self, context_length: int, settings: dict[str, Any]) -> None:
        from open_clip import SimpleTokenizer

        self.context_length = context_length
        self._tokenizer = SimpleTokenizer(context_length=context_length, **settings)
        self._start, self._end = self._tokenizer.all_special_ids[:2]

    def tokens(self, texts: list[str]) -> Tensor:
        """(B, T) token numbers; what does not fit is cut off."""
        return self._tokenizer(texts, context_length=self.context_length)

    def count(self, text: str) -> int:
        """How many tokens the whole text has, with start and end."""
        return len(self._tokenizer.encode(text)) + 2

    def spans(self, text: str) -> list[Span | None]:
        """T spans of characters; None for start, end and padding."""
        cleaned = self._tokenizer.clean_fn(text)
        spans: list[Span] = []
        for word in self._tokenizer.pat.finditer(cleaned):
            owners = [word.start() + index for index, char in enumerate(word[0]) for _ in char.encode()]
            spelled = "".join(self._tokenizer.byte_encoder[byte] for byte in word[0].encode())
            first = 0
            for piece in self._tokenizer.bpe(spelled).split(" "):
                last = first + len(piece.removesuffix("</w>"))
                spans.append((owners[first], owners[last - 1] + 1))
                first = last
        inner = original_spans(text, cleaned, spans)[: self.context_length - 2]
        return [None, *inner, *[None] * (self.context_length - 1 - len(inner))]

    def mask(self, tokens: Tensor) -> Tensor:
        """(B, T) bool, True at words."""
        before_end = (tokens == self._end).cumsum(1) == 0  # padding has the number of a word, "!"
        return before_end & (tokens != self._start)


class HubWords:
    """Tokens of a tokenizer of the transformers package, as text towers from the Hugging Face hub have them.

    Args:
        spec: the encoder, for messages.
        files: folder or hub name with the tokenizer's files.
        context_length: T.
        settings: the configuration's ``tokenizer_kwargs``, and ``tokenizer_mode`` where it names one.

    Raises:
        UserError: the package or the files are not there, or it cannot say which characters a token stands for.
    """

    def __init__(self, spec: str, files: str, context_length: int, settings: dict[str, Any]) -> None:
        from open_clip.tokenizer import HFTokenizer

        self.context_length = context_length
        try:
            self._tokenizer = HFTokenizer(files, context_length=context_length, **settings)
        except ImportError as error:
            raise missing_transformers(spec) from error
        except (OSError, ValueError) as error:
            raise UserError(
                f"{spec}: its tokenizer {files} could not be loaded ({type(error).__name__}); fetch it once where "
                "there is a network, or give a folder that holds tokenizer.json and tokenizer_config.json too"
            ) from error
        self._inner = self._tokenizer.tokenizer
        if not self._inner.is_fast:
            raise UserError(
                f"{spec}: its tokenizer cannot say which characters a token stands for; give an encoder "
                "whose tokenizer has a tokenizer.json"
            )
        self._special = torch.tensor(sorted(self._inner.all_special_ids))

    def tokens(self, texts: list[str]) -> Tensor:
        """(B, T) token numbers; what does not fit is cut off."""
        return self._tokenizer(texts, context_length=self.context_length)

    def count(self, text: str) -> int:
        """How many tokens the whole text has, with start and end."""
        return len(self._inner(self._tokenizer.clean_fn(text), truncation=False).input_ids)

    def spans(self, text: str) -> list[Span | None]:
        """T spans of characters; None for start, end and padding."""
        cleaned = self._tokenizer.clean_fn(text)
        tokens = self.tokens([text])
        encoded = self._inner(cleaned, return_offsets_mapping=True, truncation=True, max_length=self.context_length)
        words = [index for index, inside in enumerate(self.mask(tokens)[0].tolist()) if inside]
        kept = [
            tuple(span)
            for span, number in zip(encoded.offset_mapping, encoded.input_ids, strict=True)
            if number not in self._inner.all_special_ids
        ]
        spans: list[Span | None] = [None] * self.context_length
        for index, span in zip(words, original_spans(text, cleaned, kept), strict=True):
            spans[index] = span
        return spans

    def mask(self, tokens: Tensor) -> Tensor:
        """(B, T) bool, True at words."""
        return ~torch.isin(tokens, self._special.to(tokens.device))


def missing_transformers(spec: str) -> UserError:
    """What to say when an encoder needs the transformers package."""
    return UserError(f"{spec}: its text tower needs the transformers package; pip install transformers")

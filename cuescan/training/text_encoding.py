"""Sentences and prompts of a training as tensors, through a frozen encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from cuescan.cues.language import Statement, Turn, follow, keyword, keyword_spans
from cuescan.encoders import ClipEncoder, TextCache, load_encoder
from cuescan.encoders.sources import CONFIG
from cuescan.errors import UserError
from cuescan.losses import Sentences
from cuescan.training.case_sentences import CaseSentences


def find_encoder(
    spec: str, digest: str | None, device: torch.device, report: Callable[[str], None] | None = None
) -> ClipEncoder:
    """Load an encoder and make sure that it is the one that a network was trained with.

    Args:
        spec: as :func:`cuescan.encoders.load_encoder` takes it.
        digest: sha256 of the encoder that belongs to the network, None if any will do.
        device: where it is needed.
        report: takes sentences about texts that are too long.

    Raises:
        UserError: it is not there, or is another one.
    """
    try:
        encoder = load_encoder(spec, device, report)
    except UserError as error:
        if digest is None:
            raise
        raise UserError(
            f"{error}; the network needs the encoder that it was trained with: say where it is by CUESCAN_ENCODER"
        ) from None
    if digest not in (None, encoder.digest):
        raise UserError(
            f"{spec}: this encoder has sha256 {encoder.digest[:12]}..., but the network was trained with "
            f"{(digest or '')[:12]}...; give that one with CUESCAN_ENCODER"
        )
    return encoder


def find_own_encoder(
    spec: str, folder: Path, digest: str, device: torch.device, report: Callable[[str], None] | None = None
) -> ClipEncoder:
    """Find the encoder that a network was trained with.

    Args:
        spec: "small", a folder that holds encoders, or as :func:`cuescan.encoders.load_encoder` takes it.
        folder: where small encoders are kept; each fold has one of its own, so they are told apart by digest.
        digest: sha256 of the network's encoder.
        device: where it is needed.
        report: takes sentences about texts that are too long.

    Raises:
        UserError: it is not there.
    """
    folder = folder if spec == "small" else Path(spec)
    found = sorted(path.parent for path in folder.glob(f"*/{CONFIG}"))
    if spec != "small" and not found:
        return find_encoder(spec, digest, device, report)
    for path in found:
        try:
            return find_encoder(str(path), digest, device, report)
        except UserError:
            continue  # an encoder of another fold
    raise UserError(
        f"{folder}: the encoder that this model was trained with (sha256 {digest[:12]}...) is not there; give its "
        "folder, or one with the encoders of all folds, with --encoder"
    )


class TextEncoding:
    """Prompts and sentences as tensors; embeddings are computed once.

    Args:
        encoder: the frozen encoder.
        folder: of the cache on disk, which holds numbers only.
    """

    def __init__(self, encoder: ClipEncoder, folder: Path) -> None:
        self.encoder = encoder
        self.cache = TextCache(folder, encoder)
        self.known: dict[str, Tensor] = {}
        self.keywords = lru_cache(maxsize=None)(self._keywords)

    def prompts(self, statements: Sequence[Sequence[Statement]]) -> Tensor:
        """Embeddings (B, K, D) of the keywords of statements, one row per image and one statement per class."""
        phrases = [[keyword(statement) for statement in row] for row in statements]
        new = sorted({phrase for row in phrases for phrase in row} - set(self.known))
        if new:
            self.known.update(zip(new, self.cache.embed(new), strict=True))
        return torch.stack([torch.stack([self.known[phrase] for phrase in row]) for row in phrases])

    def sentences(
        self,
        source: CaseSentences,
        cases: Sequence[str],
        turns: Sequence[Turn],
        shapes: Sequence[Sequence[int]],
        classes: Sequence[str],
    ) -> Sentences:
        """The cases' sentences, rewritten so that they are true of the turned images.

        Args:
            source: the sentences.
            cases: names of B cases.
            turns: how their images were turned.
            shapes: (height, width) of their raw images.
            classes: names of the K classes.
        """
        texts = [
            follow(source.text(case), turn, (shape[0], shape[1]))
            for case, turn, shape in zip(cases, turns, shapes, strict=True)
        ]
        device = self.encoder.device
        keywords = torch.stack([self.keywords(text, tuple(classes)) for text in texts]).to(device)
        groups = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big") for text in texts]
        return Sentences(self.encoder.tokens(texts, cases), keywords, torch.tensor(groups, device=device))

    def _keywords(self, text: str, classes: tuple[str, ...]) -> Tensor:
        """(K, T): 1 at words that carry a class's keyword, 0 at other words, nan at start, end and padding."""
        spans = self.encoder.token_spans(text)
        labels = torch.full((len(classes), len(spans)), torch.nan)
        for row, name in zip(labels, classes, strict=True):
            carriers = keyword_spans(text, (name,))
            for position, span in enumerate(spans):
                if span is not None:
                    row[position] = float(any(start < span[1] and span[0] < end for start, end in carriers))
        return labels

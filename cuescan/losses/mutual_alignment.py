"""Mutual alignment of TIFCMamba: the masked image against the masked sentence, in a frozen encoder's eyes."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cuescan.losses.alignment import InfoNCE
from cuescan.networks import TIFCMambaMaps

MAX_SCALE = 100.0  # of the cosines, as in CLIP and TCL


class Sentences(NamedTuple):
    """A batch's sentences.

    ``tokens`` (B, T); ``keywords`` (B, K, T), 1 where a word carries the keyword of a class, 0 where it does not, nan
    where it takes no part; ``groups`` (B,), equal numbers for sentences that say the same.
    """

    tokens: Tensor
    keywords: Tensor
    groups: Tensor


def words_loss(logits: Tensor, keywords: Tensor) -> Tensor:
    """Binary cross-entropy of word logits (B, K, T) with keyword labels, nan left out (CoDe's text segmenter loss)."""
    stated = ~torch.isnan(keywords)
    cost = F.binary_cross_entropy_with_logits(logits.float(), torch.nan_to_num(keywords), reduction="none")
    return torch.where(stated, cost, 0.0).sum() / stated.sum().clamp_min(1)


class MutualAlignment(nn.Module):
    """Contrast image regions with sentence parts across a batch.

    Source: TIFCMamba (MICCAI 2025), "Overall Workflow": the image is cut out by its mask M and the rest filled at
    random, the sentence is masked by M_T; the frozen encoders embed both, and InfoNCE aligns them. As CoDe does, a word
    that is masked out gives way to a learned embedding. Of several present classes of an image one is drawn at random.
    An image without any is aligned as a whole with its whole sentence ("no polyp").

    Args:
        encoder: a frozen pair of encoders (:class:`cuescan.encoders.ClipEncoder`); it is not registered as a module, so
            its weights are in no ``state_dict``.
    """

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self._encoder = (encoder,)
        self.contrast = InfoNCE()

    def forward(
        self,
        maps: TIFCMambaMaps,
        images: Tensor,
        sentences: Sentences,
        present: Tensor,
        masked_word: Tensor,
        log_temperature: Tensor,
    ) -> Tensor:
        """Compute the loss.

        Args:
            maps: what the network gave, with word logits.
            images: (B, C, H, W) in [0, 1].
            sentences: of the same B images.
            present: (B, K): 1 where a class is in the image.
            masked_word: (E,) in place of words that are masked out.
            log_temperature: logarithm of the factor of the cosines.
        """
        (encoder,) = self._encoder
        rows = torch.arange(len(images), device=images.device)
        has = present == 1
        drawn = (torch.rand(present.shape, device=present.device) * has).argmax(1)
        whole = ~has.any(1)
        assert maps.words is not None
        mask = torch.sigmoid(maps.logits[rows, drawn].float())[:, None]
        mask = F.interpolate(mask, size=images.shape[2:], mode="bilinear", align_corners=False)
        mask = torch.where(whole[:, None, None, None], 1.0, mask)
        region = encoder.encode_image(mask * images + (1 - mask) * torch.rand_like(images))
        words = encoder.word_mask(sentences.tokens) & ~whole[:, None]
        kept = torch.where(words, torch.sigmoid(maps.words[rows, drawn].float()), 1.0)[..., None]
        embeddings = kept * encoder.embed_tokens(sentences.tokens) + (1 - kept) * masked_word
        text, _ = encoder.encode_text(sentences.tokens, embeddings)
        scale = log_temperature.exp().clamp_max(MAX_SCALE)
        return self.contrast(region, text, scale, sentences.groups)

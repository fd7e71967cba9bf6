"""The loss of TIFCMamba: alignment of regions and sentences, priors on masks, and grounding."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cuescan.losses.alignment import knowledge_loss
from cuescan.losses.area import area_loss, smoothness_loss
from cuescan.losses.grounding import GroundingLoss
from cuescan.losses.mutual_alignment import MutualAlignment, Sentences, words_loss
from cuescan.networks import TIFCMambaMaps
from cuescan.networks.places import stated_share


class TextSupervisionLoss(nn.Module):
    """Weighted sum of what sentences teach about masks; a weight of 0 switches a term off.

    The paper names InfoNCE between the masked image and the masked sentence; the other terms and all weights are those
    of CoDe (CVPR 2024) and TCL (CVPR 2023), whose scheme it follows. Grounding is ours.

    Args:
        alignment: Weight of the mutual alignment (:class:`MutualAlignment`); needs an encoder.
        words: Weight of the text segmenter's loss (:func:`words_loss`).
        knowledge: Weight that ties adapted prompts to the encoder's (:func:`knowledge_loss`).
        area: Weight of the area prior of present classes of which neither share nor box is stated.
        area_absent: Weight of the area prior of absent classes.
        area_target: The share that a present class is assumed to cover.
        smoothness: Weight of the masks' total variation.
        grounding: Weight of :class:`GroundingLoss`.
        grounding_terms: Arguments of :class:`GroundingLoss`.
    """

    def __init__(
        self,
        alignment: float = 0.5,
        words: float = 1.0,
        knowledge: float = 8.0,
        area: float = 0.5,
        area_absent: float = 0.05,
        area_target: float = 0.25,
        smoothness: float = 1.0,
        grounding: float = 1.0,
        grounding_terms: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.weights = {
            "alignment": alignment,
            "words": words,
            "knowledge": knowledge,
            "area": area,
            "area_absent": area_absent,
            "smoothness": smoothness,
            "grounding": grounding,
        }
        for name, value in self.weights.items():
            if not value >= 0:
                raise ValueError(f"{name} must be at least 0, got {value}")
        self.area_target = area_target
        self.grounding = GroundingLoss(**(grounding_terms or {}))
        self.mutual_alignment: MutualAlignment | None = None

    def use_encoder(self, encoder: Any) -> None:
        """Set the frozen encoder of the mutual alignment; its weights stay out of this module."""
        self.mutual_alignment = MutualAlignment(encoder)

    def forward(self, maps: TIFCMambaMaps, *arguments: Any, **named: Any) -> Tensor:
        """The weighted sum of :meth:`terms`, a scalar."""
        terms = self.terms(maps, *arguments, **named)
        weighted = [self.weights[name] * value for name, value in terms.items()]
        return torch.stack(weighted or [0 * maps.logits.sum()]).sum()

    def terms(
        self,
        maps: TIFCMambaMaps,
        prompts: Tensor,
        images: Tensor,
        valid: Tensor,
        place: Tensor,
        present: Tensor,
        sentences: Sentences | None = None,
        segmenter: nn.Module | None = None,
        log_temperature: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The terms of a weight above 0 by name, without their weights.

        Args:
            maps: what the network gave.
            prompts: (B, K, d) the encoder's embeddings of the prompts.
            images: (B, C, H, W) in [0, 1].
            valid: (B, 1, H, W) bool, False where padded.
            place: (B, K, R, 6) all that the sentences state: regions in shares of the grid, areas in shares of its
                valid pixels.
            present: (B, K): 1 present, 0 absent, nan not stated.
            sentences: the sentences, for ``alignment`` and ``words``.
            segmenter: the network's text segmenter, whose ``masked_word`` the alignment uses.
            log_temperature: the network's.
        """
        weights = self.weights
        terms: dict[str, Tensor] = {}
        if sentences is not None and maps.words is not None and segmenter is not None and log_temperature is not None:
            if weights["alignment"] and self.mutual_alignment is not None:
                word: Any = segmenter.masked_word
                terms["alignment"] = self.mutual_alignment(maps, images, sentences, present, word, log_temperature)
            if weights["words"]:
                terms["words"] = words_loss(maps.words, sentences.keywords)
        if weights["knowledge"]:
            terms["knowledge"] = knowledge_loss(maps.text.flatten(0, 1), prompts.flatten(0, 1))
        mask = torch.sigmoid(maps.logits.float())
        small = nn.functional.adaptive_avg_pool2d(valid.float(), (mask.shape[2], mask.shape[3])) >= 0.5
        if weights["area"] or weights["area_absent"]:
            unknown = torch.isnan(stated_share(place)) & ~(place[..., 4] == 1).any(2)
            assumed = torch.where(unknown | (present == 0), present, torch.nan)
            terms["area"], terms["area_absent"] = area_loss(mask, self.area_target, assumed, small)
        if weights["smoothness"]:
            terms["smoothness"] = smoothness_loss(mask, small)
        if weights["grounding"]:
            terms["grounding"] = self.grounding(maps.logits, place, present, valid, images)
        return terms

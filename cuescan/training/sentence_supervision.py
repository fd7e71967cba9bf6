"""What a text-prompted network is given for a batch of images, and what its masks are held to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cuescan.cues.grounding import presence
from cuescan.cues.language import Box, Statement, Turn
from cuescan.losses import Sentences, TextSupervisionLoss
from cuescan.networks import TIFCMambaMaps
from cuescan.training.case_sentences import CaseSentences
from cuescan.training.cue_score import CueStatistics, against_boxes, cue_statistics
from cuescan.training.placement import on_patch, stated_places
from cuescan.training.telling import drawn_telling, pointed_telling
from cuescan.training.text_encoding import TextEncoding


class Lesson(NamedTuple):
    """What a batch of B images and K classes teaches.

    Attributes:
        prompts: (B, K, D) embeddings of what the network is told.
        place: (B, K, R, 6) places, boxes and shares that it is told, in shares of the patch.
        states: (B, T, E) token states of the sentences.
        demanded: (B, K, R, 6) what its masks have to fulfil, with shares of the image.
        labels: (B, K) image-level labels: 1 present, 0 denied, nan not mentioned.
        sentences: the sentences' tokens and keywords.
    """

    prompts: Tensor
    place: Tensor
    states: Tensor
    demanded: Tensor
    labels: Tensor
    sentences: Sentences


class SentenceSupervision:
    """Turns sentences into what networks and losses take.

    A batch is a mapping with "keys", the names of its B cases, "shape" (B, 2), height and width of the raw images,
    "crop" (B, 4), left, top, right, bottom of what was kept of them, as shares, and "turn" (B, 3) bool, whether they
    were then transposed, their rows mirrored and their columns mirrored.

    Args:
        sentences: of the data set.
        text: encodes them.
        device: of the results.
    """

    def __init__(self, sentences: CaseSentences, text: TextEncoding, device: torch.device) -> None:
        self.sentences, self.text, self.device = sentences, text, device

    def default_prompts(self) -> Tensor:
        """(K, D) embeddings of the class names, which a network is prompted with where nothing else is said."""
        return self.text.prompts([[Statement(name) for name in self.sentences.cues.classes]])[0]

    def lesson(self, batch: Mapping[str, Any], valid: Tensor) -> Lesson:
        """Draw what the network is told of each image of a batch: a part of what its masks have to fulfil.

        Args:
            batch: see the class.
            valid: (B, 1, H, W) bool, False where padded.
        """
        turns, statements, kept = stated(self.sentences, batch)
        told, demanded = zip(*(drawn_telling(row) for row in statements), strict=True)
        constraints, _ = on_patch(stated_places(demanded, kept).to(self.device), valid)
        _, place = on_patch(stated_places(told, kept).to(self.device), valid)
        sentences = self.text.sentences(
            self.sentences, batch["keys"], turns, batch["shape"].tolist(), self.sentences.cues.classes
        )
        with torch.no_grad():
            prompts = self.text.prompts(told)
            _, states = self.text.encoder.encode_text(sentences.tokens)
        return Lesson(prompts, place, states, constraints, self.labels(statements), sentences)

    def judge(
        self, network: Any, batch: Mapping[str, Any], images: Tensor, valid: Tensor, target: Tensor | None
    ) -> CueStatistics:
        """Score masks by the class names alone, against all that the sentences state, and by place words.

        Args:
            network: maps images, prompts and places to logits.
            batch: see the class.
            images: (B, C, H, W).
            valid: (B, 1, H, W) bool.
            target: (B, 1, H, W) reference masks, for the record.
        """
        _, statements, kept = stated(self.sentences, batch)
        place, _ = on_patch(stated_places(statements, kept).to(self.device), valid)
        labels = self.labels(statements)
        statistics = cue_statistics(network, images, valid, labels, target, place)
        if any(statement.places for row in statements for statement in row):
            told, demanded = zip(*(pointed_telling(row) for row in statements), strict=True)
            _, place = on_patch(stated_places(told, kept).to(self.device), valid)
            with torch.no_grad():
                mask = network(images, self.text.prompts(told), place).argmax(1)
            boxes, _ = on_patch(stated_places(demanded, kept).to(self.device), valid)
            statistics.pointed = against_boxes(mask, valid, labels, boxes)
        return statistics

    def labels(self, statements: Sequence[Sequence[Statement]]) -> Tensor:
        """Image-level labels (B, K): 1 present, 0 denied, nan not mentioned."""
        return torch.from_numpy(np.stack([presence(row) for row in statements])).to(self.device)


def stated(
    sentences: CaseSentences, batch: Mapping[str, Any]
) -> tuple[list[Turn], list[tuple[Statement, ...]], list[Box]]:
    """Of every image of a batch (:class:`SentenceSupervision`): its turn, what is true of it once turned, its part."""
    turns = [Turn(*turn) for turn in batch["turn"].tolist()]
    shapes = [(height, width) for height, width in batch["shape"].tolist()]
    statements = [
        tuple(statement.turned(turn) for statement in sentences.statements(case, shape))
        for case, shape, turn in zip(batch["keys"], shapes, turns, strict=True)
    ]
    kept = [Box(*crop).turned(turn) for crop, turn in zip(batch["crop"].tolist(), turns, strict=True)]
    return turns, statements, kept


def lesson_loss(
    loss: TextSupervisionLoss, network: Any, maps: TIFCMambaMaps, lesson: Lesson, images: Tensor, valid: Tensor
) -> Tensor:
    """The loss of what a network gave for a lesson; ``images`` (B, C, H, W) as encoders expect them."""
    return loss(
        maps, lesson.prompts, images, valid, lesson.demanded, lesson.labels, lesson.sentences, network.text_segmenter,
        network.log_temperature,
    )  # fmt: skip


def unit_images(images: Tensor, valid: Tensor, unit_range: bool) -> Tensor:
    """Images as encoders expect them: grey or RGB, in [0, 1], as they are (``unit_range``) or stretched to it."""
    images = images if images.shape[1] in (1, 3) else images[:, :1]
    if unit_range:
        return images
    low = images.masked_fill(~valid, math.inf).amin((1, 2, 3), keepdim=True)
    high = images.masked_fill(~valid, -math.inf).amax((1, 2, 3), keepdim=True)
    return ((images - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)

"""The pairs of images and sentences that the small encoder learns from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from cuescan.cues.language import Statement, keyword
from cuescan.encoders import small_encoder
from cuescan.training.case_sentences import CaseSentences


class UnitImages:
    """Images (C, H, W) as float32 in [0, 1], each stretched only if it leaves that range; of unusual channels one.

    Args:
        load: an image by its number.
        count: how many there are.
    """

    def __init__(self, load: Callable[[int], np.ndarray], count: int) -> None:
        self.load, self.count = load, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> np.ndarray:
        image = np.asarray(self.load(number), dtype=np.float32)
        low, high = float(image.min()), float(image.max())
        if low < 0 or high > 1:
            image = (image - low) / max(high - low, 1e-6)
        return image if len(image) in (1, 3) else image[:1]


def train_small_encoder(
    images: UnitImages,
    cases: Sequence[str],
    shapes: Sequence[tuple[int, int]],
    sentences: CaseSentences,
    folder: Path,
    seed: int,
    device: torch.device,
) -> Path:
    """Train the small encoder on cases, or find the one that was trained on them before.

    An image is paired with its sentence and with the keywords that follow from it at every level of detail.

    Args:
        images: of the cases.
        cases: their names.
        shapes: (height, width) of their raw images.
        sentences: of the data set.
        folder: where small encoders are kept.
        seed: of the training.
        device: to train on.
    """
    texts = []
    for case, shape in zip(cases, shapes, strict=True):
        stated = [statement for statement in sentences.statements(case, shape) if statement.present is not None]
        phrases = [keyword(reduced(statement, level)) for statement in stated for level in ("name", "place")]
        texts.append([sentences.text(case), *phrases])
    return small_encoder(images, texts, folder, seed, device)


def reduced(statement: Statement, level: str) -> Statement:
    """The statement with what ``level`` keeps of it; a denial is kept whole."""
    return statement.reduced(level) if statement.present else statement

"""The pairs of images and sentences that the small encoder learns from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cuescan.cues.language import Statement, keyword
from cuescan.encoders import small_encoder
from cuescan.nnunet.case_sentences import CaseSentences
from cuescan.nnunet.images import raw_geometry


class UnitImages:
    """Preprocessed images of cases as (C, H, W) float32 in [0, 1], each stretched only if it leaves that range."""

    def __init__(self, source: Any, cases: Sequence[str]) -> None:
        self.source, self.cases = source, cases

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, number: int) -> np.ndarray:
        image = np.asarray(self.source.load_case(self.cases[number])[0][:], dtype=np.float32)[:, 0]
        low, high = float(image.min()), float(image.max())
        if low < 0 or high > 1:
            image = (image - low) / max(high - low, 1e-6)
        return image if len(image) in (1, 3) else image[:1]


def train_small_encoder(
    source: Any, cases: Sequence[str], sentences: CaseSentences, folder: Path, seed: int, device: torch.device
) -> Path:
    """Train the small encoder on cases, or find the one that was trained on them before.

    An image is paired with its sentence and with the keywords that follow from it at every level of detail.
    """
    texts = []
    for case in cases:
        shape, _ = raw_geometry(source.load_case(case)[3])
        stated = [statement for statement in sentences.statements(case, shape) if statement.present is not None]
        phrases = [keyword(reduced(statement, level)) for statement in stated for level in ("name", "place")]
        texts.append([sentences.text(case), *phrases])
    return small_encoder(UnitImages(source, cases), texts, folder, seed, device)


def reduced(statement: Statement, level: str) -> Statement:
    """The statement with what ``level`` keeps of it; a denial is kept whole."""
    return statement.reduced(level) if statement.present else statement

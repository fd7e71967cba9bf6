"""The small encoder that is trained on nnU-Net's preprocessed training cases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from cuescan.nnunet.images import raw_geometry
from cuescan.training.case_sentences import CaseSentences
from cuescan.training.training_pairs import UnitImages, train_small_encoder


def encoder_of_fold(
    source: Any, cases: Sequence[str], sentences: CaseSentences, folder: Path, seed: int, device: torch.device
) -> Path:
    """Train the small encoder on cases of nnU-Net's data set ``source``, or find the one that was trained on them."""
    images = UnitImages(lambda number: source.load_case(cases[number])[0][:][:, 0], len(cases))
    shapes = [raw_geometry(source.load_case(case)[3])[0] for case in cases]
    return train_small_encoder(images, cases, shapes, sentences, folder, seed, device)

"""What a report is about, and what to look for in a folder that a user names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cuescan.cues import Cues
from cuescan.evaluation.labels import Labels
from cuescan.report.curves import Training
from cuescan.report.recipe import Group


@dataclass(frozen=True)
class Wishes:
    """What the user says of a run; None where the run's own places are to be taken.

    Attributes:
        predictions: folder of predicted masks.
        masks: folder of reference masks.
        images: folder of images.
        cues: file of cues or prompts.
    """

    predictions: Path | None = None
    masks: Path | None = None
    images: Path | None = None
    cues: Path | None = None


@dataclass(frozen=True)
class Run:
    """What is known of a run.

    Attributes:
        title: the model's name.
        subtitle: data set, fold, and what was predicted.
        labels: what the integers of the masks mean.
        predictions: folder of predicted masks.
        masks: folder of reference masks, None where there is none.
        images: folder of images, None where there is none.
        cues: None where nothing is stated of the predicted cases.
        cue_file: where the cues were read.
        scores: the document of ``cuescan evaluate``, None without a labelled pixel.
        training: the training's curves, None where they are not there.
        recipe: how the model was made.
        hints: what is missing, and what would bring it.
        store: command that predicts again and stores probabilities.
    """

    title: str
    subtitle: str
    labels: Labels
    predictions: Path
    masks: Path | None
    images: Path | None
    cues: Cues | None
    cue_file: Path | None
    scores: Mapping[str, Any] | None
    training: Training | None
    recipe: tuple[Group, ...]
    hints: tuple[str, ...]
    store: str

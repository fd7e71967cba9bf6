"""What is written beside pseudo-labels: where they come from and how much they label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cuescan.cues import Cues
from cuescan.nnunet.cue_file import digest
from cuescan.pseudo.confidence import ConfidenceCounts, level_confidence
from cuescan.pseudo.folds import Fold
from cuescan.pseudo.weak_model import WeakModel
from cuescan.training import provenance

RECORD = "pseudo_label.json"


@dataclass(frozen=True)
class Record:
    """How a data set was labelled.

    Attributes:
        cues: that removed classes.
        model: that predicted.
        folds: for each image the folds that labelled it.
        keep: share of a predicted class that is labelled.
        seen: whether folds may have trained on what they labelled.
        whole: whether whole images were labelled of which the model saw crops.
        counts: predicted pixels by label and level.
        thresholds: (1 + K,) lowest level labelled.
        labelled: labelled pixels of each image of the new data set.
    """

    cues: Cues
    model: WeakModel
    folds: Mapping[str, Sequence[Fold]]
    keep: float
    seen: bool
    whole: bool
    counts: ConfidenceCounts
    thresholds: np.ndarray
    labelled: Mapping[str, int]

    def classes(self) -> dict[str, dict[str, float]]:
        """By class, the share of all pixels that was predicted as it and that is labelled as it; and the threshold."""
        names = ["background", *self.cues.classes]
        total = max(int(self.counts.pixels.sum()), 1)
        labelled = self.counts.labelled(self.thresholds)
        return {
            name: {
                "predicted": self.counts.pixels[number] / total,
                "labelled": labelled[number] / total,
                "least_confidence": level_confidence(int(self.thresholds[number])),
            }
            for number, name in enumerate(names)
            if number or self.cues.background
        }

    def document(self, source: str) -> dict[str, Any]:
        """The content of ``pseudo_label.json``; ``source`` names the data set."""
        classes = self.classes()
        folder, checkpoint = self.model.folder, self.model.checkpoint
        return {
            "source": source,
            "model": folder.name,
            "checkpoints": {str(fold): digest(folder / f"fold_{fold}" / checkpoint) for fold in self.model.networks},
            "checkpoint": checkpoint,
            "settings": {
                "keep": self.keep,
                "mirroring": self.model.predictor.use_mirroring,
                "scales": list(self.model.scales),
                "seen": self.seen,
                "whole_images": self.whole,
            },
            "classes": classes,
            "ignored": 1 - sum(shares["labelled"] for shares in classes.values()),
            "left_out": sorted(set(self.folds) - set(self.labelled)),
            "labelled_by_folds": {case: list(folds) for case, folds in self.folds.items()},
            "versions": provenance.versions(),
            "commit": provenance.commit(),
        }

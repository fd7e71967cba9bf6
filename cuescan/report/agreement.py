"""How far predictions agree with what the cues state of them, which needs no mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cuescan.report.run import Run


@dataclass(frozen=True)
class ClassAgreement:
    """Counts of cases for one class; a class is found where at least one pixel of it is predicted.

    Attributes:
        name: the class.
        label: its number in the masks.
        present: cases whose cue says that it is there.
        found: of these, in how many it is predicted.
        absent: cases whose cue says that it is not there.
        invented: of these, in how many it is predicted all the same.
        silent: cases whose cue does not say.
    """

    name: str
    label: int
    present: int
    found: int
    absent: int
    invented: int
    silent: int


@dataclass(frozen=True)
class Agreement:
    """What the cues say of the predictions.

    Attributes:
        classes: one row per class.
        disagreement: case -> share of its pixels given to absent classes, plus 1 for each present class that is not
            predicted at all.
    """

    classes: tuple[ClassAgreement, ...]
    disagreement: Mapping[str, float]


def agreement(run: Run, shares: Mapping[str, np.ndarray]) -> Agreement | None:
    """Compare predictions with cues; None where no cue states a label of a predicted case.

    Args:
        run: with the cues.
        shares: case -> share of the image predicted as label 0, 1, ...
    """
    cues = run.cues.cues if run.cues else {}
    stated = {case: cues[case].labels for case in shares if case in cues}
    if not any(value is not None for labels in stated.values() for value in labels.values()):
        return None
    rows = []
    for label, name in enumerate(run.labels.classes, start=1):
        says = {case: labels.get(name) for case, labels in stated.items()}
        there = [case for case, value in says.items() if value == 1]
        gone = [case for case, value in says.items() if value == 0]
        found, invented = (sum(shares[case][label] > 0 for case in cases) for cases in (there, gone))
        rows.append(
            ClassAgreement(name, label, len(there), found, len(gone), invented, len(says) - len(there) - len(gone))
        )
    worse = {
        case: sum(
            float(shares[case][label]) if value == 0 else float(shares[case][label] == 0)
            for label, name in enumerate(run.labels.classes, start=1)
            if (value := labels.get(name)) is not None
        )
        for case, labels in stated.items()
    }
    return Agreement(tuple(rows), worse)


def predicted_shares(run: Run, predictions: Mapping[str, Path]) -> dict[str, np.ndarray]:
    """Case -> share of the image of each label, (1 + K,), sum 1.

    Raises:
        UserError: a prediction cannot be read.
    """
    size = len(run.labels.names)
    shares = {}
    for case, path in tqdm(predictions.items(), desc="read predictions", unit="case", disable=None):
        mask = run.labels.read(path, reference=False)
        shares[case] = np.bincount(mask.ravel(), minlength=size) / mask.size
    return shares

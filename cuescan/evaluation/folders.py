"""Score a folder of predictions against a folder of masks, case by case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cuescan.cues.checking import some
from cuescan.data.images import list_images
from cuescan.errors import UserError
from cuescan.evaluation.borders import BorderBands
from cuescan.evaluation.confusion import ConfusionMatrix
from cuescan.evaluation.labels import Labels
from cuescan.evaluation.scores import Scores, scores


@dataclass(frozen=True)
class Evaluation:
    """The scores of a data set and of each of its cases.

    Attributes:
        total: scores of the one confusion matrix over all cases.
        cases: case name -> scores of that case alone, to find bad cases; they do not average to ``total``.
        without_mask: cases that were predicted but have no mask, so they take no part.
        matrix: the confusion matrix over all cases.
        bands: wrong pixels by their distance from borders, over all cases; None if they were not asked for.
    """

    total: Scores
    cases: dict[str, Scores]
    without_mask: tuple[str, ...]
    matrix: ConfusionMatrix
    bands: BorderBands | None = None


class NothingLabelledError(UserError):
    """No pixel of any reference mask is labelled."""


def read_pair(reference: Path, prediction: Path, labels: Labels, pseudo: bool) -> tuple[np.ndarray, np.ndarray]:
    """Read one case, two int64 arrays of shape (H, W).

    Raises:
        UserError: a file cannot be read, the sizes differ, or a label is unknown.
    """
    expected, predicted = labels.read(reference, True), labels.read(prediction, reference=pseudo)
    if expected.shape != predicted.shape:
        raise UserError(
            f"{prediction}: size {_size(predicted.shape)} differs from {_size(expected.shape)} of the mask "
            f"{reference}; predict the image that belongs to this mask"
        )
    return expected, predicted


def evaluate_folders(
    predictions: Path,
    masks: Path,
    labels: Labels,
    include_background: bool = False,
    only_predicted: bool = False,
    pseudo: bool = False,
    bands: BorderBands | None = None,
) -> Evaluation:
    """Score every case of ``masks``.

    Args:
        predictions: folder of predicted masks, ``<case>.png`` or ``<case>.nii.gz``.
        masks: folder of reference masks with the same case names (the endings may differ).
        labels: what the integers mean.
        include_background: whether the background takes part in the means.
        only_predicted: pass over masks without a prediction, as for one fold's ``validation`` folder.
        pseudo: the predictions are pseudo-labels, whose ``ignore`` pixels take no part.
        bands: counts the wrong pixels by their distance from borders, if given.

    Raises:
        UserError: a prediction is missing, does not fit its mask, or no pixel is labelled at all.
    """
    predicted, expected = list_images(predictions), list_images(masks)
    missing = sorted(set(expected) - set(predicted))
    if missing and not only_predicted:
        raise UserError(
            f"{predictions}: no prediction for case {some(missing)} of {masks}; predict all cases, or score only the "
            "predicted ones with --only-predicted"
        )
    common = [case for case in expected if case in predicted]
    if not common:
        raise UserError(f"{predictions}: no case has a mask in {masks}; check the two folders and the case names")
    pairs = {case: (expected[case], predicted[case]) for case in common}
    without_mask = tuple(sorted(set(predicted) - set(expected)))
    return evaluate_pairs(pairs, labels, include_background, without_mask, pseudo, bands)


def evaluate_pairs(
    pairs: Mapping[str, tuple[Path, Path]],
    labels: Labels,
    include_background: bool = False,
    without_mask: tuple[str, ...] = (),
    pseudo: bool = False,
    bands: BorderBands | None = None,
) -> Evaluation:
    """Score cases, each given as its reference mask and its prediction; see ``evaluate_folders``.

    Raises:
        UserError: a file does not fit, or no pixel is labelled at all.
    """
    total = ConfusionMatrix(labels)
    cases: dict[str, Scores] = {}
    for case, (reference, prediction) in tqdm(pairs.items(), desc="evaluate", unit="case", disable=None):
        masks = read_pair(reference, prediction, labels, pseudo)
        matrix = ConfusionMatrix(labels)
        matrix.update(*masks, partial=pseudo)
        if bands:
            bands.update(*masks)
        total += matrix
        cases[case] = scores(matrix, include_background)
    if not total.counts.any() and not total.undecided:
        places = ", ".join(sorted({str(reference.parent) for reference, _ in pairs.values()}))
        raise NothingLabelledError(f"{places}: every pixel has the label 'ignore'; score against masks that are drawn")
    return Evaluation(scores(total, include_background), cases, without_mask, total, bands)


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(str(length) for length in reversed(shape))

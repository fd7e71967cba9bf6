"""The best and the worst cases, in pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cuescan.evaluation.case_picture import STATED, Case, panels
from cuescan.evaluation.labels import Labels
from cuescan.evaluation.overlays import Sources
from cuescan.evaluation.overview import chosen
from cuescan.report.confidence import colour_confidence, read_confidence
from cuescan.report.pictures import jpeg_uri

SHORTEST, LONGEST = 384, 640


@dataclass(frozen=True)
class Panel:
    """A picture with its caption; without pixels, what stands in its place.

    Attributes:
        name: the caption.
        uri: the picture as a data URI, or "".
        width: of the picture, pixels.
        height: of the picture, pixels.
    """

    name: str
    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class CaseClass:
    """What is known of one class in one case.

    Attributes:
        label: number in the masks.
        name: the class.
        stated: "present", "absent", "not stated", or "" without a cue or where only a sentence may state it.
        predicted: share of the image, 0..1.
        reference: share of the reference mask, None without one.
        iou: None without a reference or where the class is in neither.
        contradiction: the prediction contradicts the cue.
    """

    label: int
    name: str
    stated: str
    predicted: float
    reference: float | None
    iou: float | None
    contradiction: bool


@dataclass(frozen=True)
class CaseView:
    """A case as it is shown.

    Attributes:
        name: the case.
        iou: mean IoU, None without a reference.
        panels: image, prediction, reference and confidence.
        classes: those that are stated to be present, predicted, or in the reference.
        absent: names of classes that are stated to be absent, and are.
        has_text: the cue has a sentence.
        text: the sentence, None where it is not to be shown.
    """

    name: str
    iou: float | None
    panels: tuple[Panel, ...]
    classes: tuple[CaseClass, ...]
    absent: tuple[str, ...]
    has_text: bool
    text: str | None


def selected(
    cases: Sequence[str], ious: Mapping[str, float | None], disagreement: Mapping[str, float], count: int
) -> dict[str, list[str]]:
    """Titles and the cases under them: worst and best by mean IoU, or, without masks, by what the cues say.

    Args:
        cases: all predicted cases.
        ious: mean IoU of the cases that have one.
        disagreement: of :class:`cuescan.report.agreement.Agreement`, empty without cues.
        count: cases under each title.
    """
    known = {case: iou for case, iou in ious.items() if iou is not None and case in set(cases)}
    order = sorted(known, key=lambda case: (known[case], case))
    if order:
        worst = order[: min(count, -(-len(order) // 2))]
        best = [case for case in reversed(order) if case not in worst][:count]
        return {title: group for title, group in (("Lowest mean IoU", worst), ("Highest mean IoU", best)) if group}
    odd = sorted((case for case in disagreement if disagreement[case] > 0), key=lambda case: -disagreement[case])
    rest = [case for case in cases if case not in odd[:count]]
    groups = {"Furthest from their cues": odd[:count], "Evenly spaced over all cases": chosen(rest, count)}
    return {title: group for title, group in groups.items() if group}


def view(name: str, sources: Sources, predictions: Path, show_text: bool) -> CaseView:
    """Read and draw one case.

    Raises:
        UserError: a file cannot be read.
    """
    case = sources.read(name)
    drawn = [_panel(title, pixels) for title, pixels in panels(case, sources.labels, SHORTEST, LONGEST)]
    size = drawn[0].height, drawn[0].width
    stored = predictions / f"{name}.npz"
    if case.reference is None and sources.masks:
        drawn.append(Panel("reference", "", 0, 0))
    if stored.is_file():
        confidence = read_confidence(stored, (case.prediction.shape[0], case.prediction.shape[1]))
        drawn.append(_panel("confidence", colour_confidence(confidence, chance(sources.labels), size)))
    else:
        drawn.append(Panel("confidence", "", 0, 0))
    result = case.scores(sources.labels)
    iou = result.mean("iou") if result else None
    classes = _classes(case, sources)
    text = case.cue.text if case.cue else None
    return CaseView(
        name,
        iou,
        tuple(drawn),
        tuple(row for row in classes if row.stated == STATED[1] or row.predicted or row.reference),
        tuple(row.name for row in classes if row.stated == STATED[0] and not row.predicted and not row.reference),
        text is not None,
        text if show_text else None,
    )


def chance(labels: Labels) -> float:
    """The lowest that the highest probability of a pixel can be; label 0 has none where there is no background."""
    return 1 / (len(labels.classes) + labels.background)


def _classes(case: Case, sources: Sources) -> list[CaseClass]:
    result = case.scores(sources.labels)
    ious = {row.label: row.iou for row in result.rows} if result else {}
    rows = []
    for label, name in enumerate(sources.labels.classes, start=1):
        predicted = float((case.prediction == label).mean())
        reference = None if case.reference is None else float((case.reference == label).mean())
        value = case.cue.labels.get(name) if case.cue else None
        contradiction = value is not None and (value == 1) != (predicted > 0)
        stated = STATED[value] if case.cue and (value is not None or case.cue.text is None) else ""
        rows.append(CaseClass(label, name, stated, predicted, reference, ious.get(label), contradiction))
    return rows


def _panel(name: str, pixels: np.ndarray) -> Panel:
    return Panel(name, jpeg_uri(pixels), pixels.shape[1], pixels.shape[0])

"""One picture per case: image, prediction and reference side by side, and what the cue said of each class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from cuescan.cues import Cue
from cuescan.evaluation.confusion import ConfusionMatrix
from cuescan.evaluation.labels import Labels
from cuescan.evaluation.lettering import ALARM, FAINT, INK, font, shortened, swatch, wrapped
from cuescan.evaluation.paint import class_colour, fit, paint, resize_image, resize_mask
from cuescan.evaluation.scores import Scores, scores

MARGIN = 12
LINE = 24
SMALLEST, LARGEST = 448, 768
STATED = {1: "present", 0: "absent", None: "not stated"}


@dataclass(frozen=True)
class Case:
    """What is known of one case.

    Attributes:
        name: the case's name.
        image: uint8 of shape (H, W, 3).
        prediction: labels of shape (H, W).
        reference: labels of shape (H, W), or None.
        cue: the case's cue, or None.
    """

    name: str
    image: np.ndarray
    prediction: np.ndarray
    reference: np.ndarray | None = None
    cue: Cue | None = None

    def scores(self, labels: Labels) -> Scores | None:
        """Scores of this case alone, None without a reference."""
        if self.reference is None:
            return None
        matrix = ConfusionMatrix(labels)
        matrix.update(self.reference, self.prediction)
        return scores(matrix)

    def title(self, labels: Labels) -> str:
        """The case's name and, with a reference, its mean IoU."""
        result = self.scores(labels)
        mean = result.mean("iou") if result else None
        return self.name if mean is None else f"{self.name}   IoU {mean:.2f}"


def panels(case: Case, labels: Labels, shortest: int, longest: int) -> list[tuple[str, np.ndarray]]:
    """The titled panels of a case, the longer side of each within the two bounds (pixels)."""
    size = fit((case.image.shape[0], case.image.shape[1]), shortest, longest)
    image = resize_image(case.image, size)
    shown = [("image", image), ("prediction", paint(image, resize_mask(case.prediction, size), labels))]
    if case.reference is not None:
        shown.append(("reference", paint(image, resize_mask(case.reference, size), labels)))
    return shown


def case_picture(case: Case, labels: Labels, show_text: bool = False) -> Image.Image:
    """Draw a case.

    Args:
        case: what to draw.
        labels: the data set's labels.
        show_text: whether a cue's sentence is written out; it may speak of a patient.
    """
    shown = panels(case, labels, SMALLEST, LARGEST)
    height, width = shown[0][1].shape[:2]
    total = max(MARGIN + len(shown) * (width + MARGIN), 2 * SMALLEST)
    note = _note(case.cue, total - 2 * MARGIN, show_text)
    rows = _rows(case, labels)
    bottom = MARGIN + 2 * LINE + height + MARGIN
    picture = Image.new("RGB", (total, bottom + (len(rows) + len(note)) * LINE + MARGIN), "white")
    draw = ImageDraw.Draw(picture)
    title = shortened(case.title(labels), font(18, bold=True), total - 2 * MARGIN)
    draw.text((MARGIN, MARGIN), title, INK, font(18, bold=True))
    for index, (name, panel) in enumerate(shown):
        left = MARGIN + index * (width + MARGIN)
        draw.text((left, MARGIN + LINE), name, FAINT, font(15))
        picture.paste(Image.fromarray(panel), (left, MARGIN + 2 * LINE))
    _draw_rows(draw, rows, bottom, total)
    for index, line in enumerate(note):
        draw.text((MARGIN, bottom + (len(rows) + index) * LINE), line, INK, font(15))
    return picture


@dataclass(frozen=True)
class _Row:
    label: int
    cells: tuple[str, ...]
    contradiction: bool = False


def _rows(case: Case, labels: Labels) -> list[_Row]:
    """A heading and one row per class: what the cue states, the areas, the IoU."""
    result = case.scores(labels)
    heading = ["class", "cue", "predicted"] + (["reference", "IoU"] if result else [])
    rows = [_Row(0, tuple(heading))]
    for label, name in enumerate(labels.classes, start=1):
        predicted = float((case.prediction == label).mean())
        stated = case.cue.labels.get(name) if case.cue else None
        cells = [name, STATED[stated] if case.cue else "none", f"{predicted:.1%}"]
        if result and case.reference is not None:
            iou = next(row.iou for row in result.rows if row.label == label)
            cells += [f"{(case.reference == label).mean():.1%}", "absent" if iou is None else f"{iou:.2f}"]
        contradiction = stated is not None and (stated == 1) != (predicted > 0)
        rows.append(_Row(label, tuple(cells), contradiction))
    return rows


def _draw_rows(draw: ImageDraw.ImageDraw, rows: list[_Row], top: int, width: int) -> None:
    face = font(15)
    names = max(face.getlength(row.cells[0]) for row in rows)
    first = MARGIN + 24
    second = first + int(min(names, width - first - 420)) + 2 * MARGIN
    for index, row in enumerate(rows):
        y = top + index * LINE
        if row.label:
            swatch(draw, MARGIN, y + 2, 14, class_colour(row.label))
        draw.text((first, y), shortened(row.cells[0], face, second - first - MARGIN), INK if row.label else FAINT, face)
        for column, cell in enumerate(row.cells[1:]):
            ink = ALARM if row.contradiction and column < 2 else INK if row.label else FAINT
            draw.text((second + column * 105, y), cell, ink, face)


def _note(cue: Cue | None, width: int, show_text: bool) -> list[str]:
    if cue is None or cue.text is None:
        return []
    if not show_text:
        return ["cue: a sentence, written out with --show-text"]
    return wrapped(f"cue: {cue.text}", font(15), width)

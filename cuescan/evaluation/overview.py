"""A contact sheet of many cases."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from cuescan.evaluation.case_picture import LINE, MARGIN, Case, panels
from cuescan.evaluation.labels import Labels
from cuescan.evaluation.lettering import FAINT, INK, font, shortened, swatch
from cuescan.evaluation.paint import class_colour

SIDE = 220
WIDEST = 2000


def chosen(cases: Sequence[str], count: int) -> list[str]:
    """At most ``count`` cases, evenly spaced over all of them so that none is picked for its looks."""
    if count >= len(cases):
        return list(cases)
    return [cases[index] for index in np.linspace(0, len(cases) - 1, count).round().astype(int)]


def tile(case: Case, labels: Labels, with_reference: bool) -> Image.Image:
    """One case in small: its panels, ``SIDE`` pixels at most, under its name; tiles differ in height only."""
    shown = [panel for _, panel in panels(case, labels, SIDE, SIDE)]
    boxes = 3 if with_reference else 2
    picture = Image.new("RGB", (boxes * (SIDE + 4), shown[0].shape[0] + LINE), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((0, 2), shortened(case.title(labels), font(14), picture.width), INK, font(14))
    for index, panel in enumerate(shown):
        width = panel.shape[1]
        corner = (index * (SIDE + 4) + (SIDE - width) // 2, LINE)
        picture.paste(Image.fromarray(panel), corner)
    return picture


def contact_sheet(tiles: Sequence[Image.Image], labels: Labels, caption: str) -> Image.Image:
    """Tiles in a grid, above them the legend.

    Args:
        tiles: at least one, all of one width.
        labels: the data set's labels, for the legend.
        caption: a line at the top.
    """
    width, height = tiles[0].width, max(picture.height for picture in tiles)
    columns = min(
        len(tiles), max(1, WIDEST // (width + 2 * MARGIN)), math.ceil(math.sqrt(len(tiles) * height / width)) + 1
    )
    total = columns * (width + 2 * MARGIN)
    legend = _legend_lines(labels, total - 2 * MARGIN)
    top = 2 * MARGIN + (1 + len(legend)) * LINE
    picture = Image.new("RGB", (total, top + math.ceil(len(tiles) / columns) * (height + MARGIN)), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((MARGIN, MARGIN), shortened(caption, font(15), total - 2 * MARGIN), FAINT, font(15))
    for line, entries in enumerate(legend, start=1):
        y = MARGIN + line * LINE
        for left, label, name in entries:
            swatch(draw, MARGIN + left, y + 2, 14, class_colour(label))
            draw.text((MARGIN + left + 22, y), name, INK, font(15))
    for index, picture_of_case in enumerate(tiles):
        row, column = divmod(index, columns)
        picture.paste(picture_of_case, (MARGIN + column * (width + 2 * MARGIN), top + row * (height + MARGIN)))
    return picture


def _legend_lines(labels: Labels, width: int) -> list[list[tuple[int, int, str]]]:
    """Lines of (left, label, name) that fit into ``width`` pixels."""
    lines: list[list[tuple[int, int, str]]] = [[]]
    left = 0
    for label, name in enumerate(labels.classes, start=1):
        shown = shortened(name, font(15), width - 22)
        needed = 22 + int(font(15).getlength(shown))
        if lines[-1] and left + needed > width:
            lines.append([])
            left = 0
        lines[-1].append((left, label, shown))
        left += needed + 2 * MARGIN
    return lines

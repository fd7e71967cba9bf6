"""Boxes in several notations, in pixels or in shares; numbers stand for left, top, right, bottom in that order.

Pixels are counted from the upper left corner; left and top are the first row and column inside, right and bottom the
first ones outside, so that right - left is the width. Numbers that are all at most 1, one of them with a decimal
point, are shares of the image's width and height.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cuescan.cues.language.geometry import Box, Turn

_N = r"(?<![0-9.])([0-9]+(?:\.[0-9]+)?)(?![0-9]|\.[0-9]|\s*%)\s*(?:px\b|pixels?\b)?"
_COMMA = r"\s*[,;]\s*"
_PAIR = rf"[(\[]\s*{_N}{_COMMA}{_N}\s*[)\]]"
_FOUR = rf"{_N}{_COMMA}{_N}{_COMMA}{_N}{_COMMA}{_N}"
_CORNER = r"(?:the\s+)?(?:top|upper|bottom|lower)[-\s]+(?:left|right)(?:\s+corner)?\s*(?:at|is|=|:)?\s*"
_TO = rf"\s*(?:to|and|through|until|-|–|—|→|,)?\s*(?:{_CORNER})?"
_BETWEEN = r"\s*(?:-|–|—|to|and|until|through|\.{2,3}|,|:)\s*"
_RUNS = r"\s*(?:=|:|from|in|between|ranges?\s+from|is)?\s*[(\[]?\s*"
_X = rf"\b(?:x|columns?|cols?)\b{_RUNS}{_N}{_BETWEEN}{_N}\s*[)\]]?"
_Y = rf"\b(?:y|rows?)\b{_RUNS}{_N}{_BETWEEN}{_N}\s*[)\]]?"
_NEXT = r"\s*(?:,|;|and|by|/|×)?\s*(?:and\s+)?"

_LTRB, _XYXY = ("left", "top", "right", "bottom"), ("x", "y", "x", "y")
_NOTATIONS = [
    (re.compile(rf"(?:\b{_CORNER})?{_PAIR}{_TO}{_PAIR}", re.I), _XYXY),
    (re.compile(rf"[(\[{{]\s*{_FOUR}\s*[)\]}}]", re.I), _LTRB),
    (re.compile(rf"\b(?:box|bbox|bounds|rectangle)\b\s*(?:is|at|:|=|of)?\s*{_FOUR}", re.I), _LTRB),
    (re.compile(rf"\b(?:box|bbox|rectangle)\b\s*(?:is|at|:|=|of)?\s*{_N}\s+{_N}\s+{_N}\s+{_N}", re.I), _LTRB),
    (re.compile(rf"\bfrom\s+{_N}{_COMMA}{_N}\s*(?:to|-|–)\s*{_N}{_COMMA}{_N}", re.I), _XYXY),
    (re.compile(rf"{_X}{_NEXT}{_Y}", re.I), ("x", "x", "y", "y")),
    (re.compile(rf"{_Y}{_NEXT}{_X}", re.I), ("y", "y", "x", "x")),
]
_NAMES: Mapping[str, str] = {
    "left": "left", "xmin": "left", "x0": "left", "x": "left", "top": "top", "ymin": "top", "y0": "top", "y": "top",
    "right": "right", "xmax": "right", "x2": "right", "bottom": "bottom", "ymax": "bottom", "y2": "bottom",
    "width": "width", "w": "width", "height": "height", "h": "height",
}  # fmt: skip
_NAME = r"x_?min|y_?min|x_?max|y_?max|[xy]_?[012]|left|top|right|bottom|width|height|[xywh]"
_NAMED = rf"\b({_NAME})\b\s*(?:=|:|at|is)?\s*{_N}"
_FOUR_NAMED = re.compile(rf"{_NAMED}{_NEXT}{_NAMED}{_NEXT}{_NAMED}{_NEXT}{_NAMED}", re.I)
_SLACK = 0.02  # of a side: how far a box may stick out before it is taken for a slip


@dataclass(frozen=True)
class Slot:
    """A number of a box: which edge (or width, height) it gives, and its characters."""

    role: str
    start: int
    end: int
    text: str

    @property
    def value(self) -> float:
        """The number."""
        return float(self.text)

    @property
    def decimals(self) -> int:
        """Digits after the point."""
        return len(self.text.partition(".")[2])


@dataclass(frozen=True)
class BoxPhrase:
    """A box as it is written."""

    start: int
    end: int
    slots: tuple[Slot, ...]

    def _edges(self) -> tuple[float, float, float, float]:
        found = {slot.role: slot.value for slot in self.slots}
        left, top = found["left"], found["top"]
        right = found["right"] if "right" in found else left + found["width"]
        return left, top, right, found["bottom"] if "bottom" in found else top + found["height"]

    @property
    def relative(self) -> bool:
        """Whether the numbers are shares."""
        return any(slot.decimals for slot in self.slots) and max(self._edges()) <= 1

    def box(self, shape: tuple[int, int] | None) -> Box | None:
        """The box in shares; None where it cannot be one in an image of (height, width)."""
        if not self.relative and (shape is None or min(shape) < 1):
            return None
        height, width = (1, 1) if self.relative or shape is None else shape
        left, top, right, bottom = self._edges()
        if left >= right or top >= bottom or right > width * (1 + _SLACK) or bottom > height * (1 + _SLACK):
            return None
        box = Box(left / width, top / height, min(right / width, 1), min(bottom / height, 1))
        return box if box.left < box.right and box.top < box.bottom else None

    def edits(self, turn: Turn, shape: tuple[int, int]) -> list[tuple[int, int, str]]:
        """The numbers in the turned image."""
        left, top, right, bottom = self._edges()
        if self.box(shape) is not None and not self.relative:
            left, top, right, bottom = left, top, min(right, shape[1]), min(bottom, shape[0])
        height, width = (1.0, 1.0) if self.relative else map(float, turn.shape(shape))
        if turn.transpose:
            left, top, right, bottom = top, left, bottom, right
        if self.box(shape) is not None:
            if turn.flip_rows:
                top, bottom = height - bottom, height - top
            if turn.flip_columns:
                left, right = width - right, width - left
        new = {"left": left, "top": top, "right": right, "bottom": bottom, "width": right - left}
        new["height"] = bottom - top
        digits = max(slot.decimals for slot in self.slots)
        return [(slot.start, slot.end, f"{new[slot.role]:.{digits}f}") for slot in self.slots]


def _slots(match: re.Match[str], roles: tuple[str, ...]) -> tuple[Slot, ...]:
    """Slots with x and y turned into edges: the smaller one is left or top."""
    slots = [Slot(role, *match.span(n), match.group(n)) for n, role in enumerate(roles, start=1)]
    for axis, low, high in (("x", "left", "right"), ("y", "top", "bottom")):
        places = [number for number, slot in enumerate(slots) if slot.role == axis]
        if places:
            first, second = places
            order = (low, high) if slots[first].value <= slots[second].value else (high, low)
            for number, role in zip(places, order, strict=True):
                slots[number] = Slot(role, slots[number].start, slots[number].end, slots[number].text)
    return tuple(slots)


def _named_slots(match: re.Match[str]) -> tuple[Slot, ...] | None:
    names = [match.group(n).lower().replace("_", "") for n in (1, 3, 5, 7)]
    from_zero = "x0" in names
    slots = []
    for number, name in enumerate(names):
        if name in ("x1", "y1"):
            role = {"x1": ("left", "right"), "y1": ("top", "bottom")}[name][from_zero]
        else:
            role = _NAMES.get(name, "")
        slots.append(Slot(role, *match.span(2 * number + 2), match.group(2 * number + 2)))
    roles = {slot.role for slot in slots}
    right, bottom = roles & {"right", "width"}, roles & {"bottom", "height"}
    return tuple(slots) if {"left", "top"} < roles and len(right) == len(bottom) == 1 else None


def find_boxes(text: str) -> list[BoxPhrase]:
    """All boxes of a text, in order, none overlapping another."""
    candidates = []
    for pattern, roles in _NOTATIONS:
        candidates += [BoxPhrase(m.start(), m.end(), _slots(m, roles)) for m in pattern.finditer(text)]
    for match in _FOUR_NAMED.finditer(text):
        slots = _named_slots(match)
        if slots:
            candidates.append(BoxPhrase(match.start(), match.end(), slots))
    found: list[BoxPhrase] = []
    for phrase in sorted(candidates, key=lambda phrase: (phrase.start, -phrase.end)):
        if not found or phrase.start >= found[-1].end:
            found.append(phrase)
    return found

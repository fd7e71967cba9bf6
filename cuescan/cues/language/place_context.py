"""Whether directions in a sentence are a place in the image: what stands before and after them decides.

"Left" is one in "on the left", "the left half" and "left side of the image", but not in "left colon", "the patient's
left", "left of the fold" or "left untreated".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cuescan.cues.language.directions import Core
from cuescan.cues.language.tokens import MARK, WORD, Item, touching
from cuescan.cues.language.words import ANATOMY, BE, CONJUNCTIONS, FRAMES, PREPOSITIONS, PRONOUNS, word_set

_WIDTHS = {
    "half": "half", "halves": "half", "side": "half", "sides": "half", "part": "half", "parts": "half",
    "portion": "half", "area": "half", "region": "half", "section": "half", "zone": "half", "hand": "half",
    "third": "third", "thirds": "third", "edge": "third", "edges": "third", "border": "third", "borders": "third",
    "margin": "third", "rim": "third", "boundary": "third", "corner": "third", "corners": "third", "cell": "third",
    "ninth": "third", "row": "third", "column": "third", "strip": "third", "quarter": "quarter", "quarters": "quarter",
    "quadrant": "half", "quadrants": "half",
}  # fmt: skip
_LINES = {"row": "column", "column": "row"}
_LOOSE = word_set("side sides part parts portion area region section zone hand")
_QUADRANTS = word_set("quadrant quadrants")
_BEFORE_NOUN = word_set("on at to toward towards in from near by around close into along")
_LYING = word_set("located placed positioned lying situated")
_OWNERS = word_set("his her their my your patient anatomical anatomic anatomically hospital medical")
_MAY_FOLLOW = CONJUNCTIONS.union(
    PREPOSITIONS - {"of"},
    BE,
    PRONOUNS,
    _LYING,
    word_set("a an the one two three another no none covering covers occupying occupies spanning measuring shows"),
    word_set("showing has have may can where also only about each box bounding partly"),
)


@dataclass(frozen=True)
class Line:
    """A noun that names rows or columns and changes when they are swapped."""

    start: int
    end: int
    swapped: str


@dataclass(frozen=True)
class Tail:
    """What follows the directions.

    Attributes:
        width: the width that the named part of the image has; None where none is named.
        loose: "side" or "part", which leave the width to the directions.
        quadrant: the part is a quadrant.
        single: the part is one of nine.
        end: the first item after it.
        line: where the part is a row or column.
    """

    width: str | None
    loose: bool
    quadrant: bool
    end: int
    line: Line | None = None
    single: bool = False


def text_at(items: Sequence[Item], index: int) -> str:
    """The item's text, or nothing beyond the ends."""
    return items[index].text if 0 <= index < len(items) else ""


def read_tail(items: Sequence[Item], index: int) -> Tail:
    """The part of the image named at ``index``: "half", "-hand side", "two thirds", "grid cell"."""
    if text_at(items, index) == "-" and touching(items, index):
        index += 1
    if text_at(items, index) == "most":
        index += 1
    two = text_at(items, index) in ("two", "2")
    noun = index + 1 + (text_at(items, index + 1) == "-") if two else index
    if two and text_at(items, noun) == "thirds":
        return Tail("two thirds", False, False, noun + 1)
    if text_at(items, noun) in ("grid", "hand") and text_at(items, noun + 1) in _WIDTHS:
        noun += 1
    word = text_at(items, noun)
    if two or word not in _WIDTHS:
        return Tail(None, False, False, index)
    item = items[noun]
    line = Line(item.start, item.end, _LINES[word]) if word in _LINES else None
    return Tail(_WIDTHS[word], word in _LOOSE, word in _QUADRANTS, noun + 1, line, word in ("cell", "ninth"))


def _names_frame(items: Sequence[Item], index: int) -> bool:
    """Whether the words from ``index`` name the image: "the image", "this endoscopic video frame"."""
    for item in items[index : index + 5]:
        if item.text in FRAMES:
            return True
        if item.kind != WORD or item.text in PREPOSITIONS or item.text in ANATOMY:
            return False
    return False


def _owned(items: Sequence[Item], index: int) -> bool:
    """Whether someone's side is meant: "the patient's left", "his left side"."""
    word = text_at(items, index)
    return word in _OWNERS or (word.endswith("'s") and word[:-2] not in FRAMES)


def _may_end(items: Sequence[Item], index: int) -> bool:
    """Whether a phrase can end before ``index``, so that its direction belongs to no noun."""
    if index >= len(items):
        return True
    item = items[index]
    if item.text == "-" and touching(items, index):
        return False
    return item.kind != WORD or item.text in _MAY_FOLLOW


def _of_body(items: Sequence[Item], end: int) -> bool:
    """Whether a noun follows that makes the directions a part of the body: "left colon", "left-sided"."""
    hyphen = text_at(items, end) == "-" and touching(items, end) and touching(items, end + 1)
    noun = text_at(items, end + hyphen)
    return noun in ANATOMY or noun in ("sided", "handed")


def is_place(items: Sequence[Item], core: Core, before: int, tail: Tail) -> bool:
    """Whether directions are a place in the image.

    Args:
        items: the text.
        core: the directions.
        before: the item before them.
        tail: what follows them.
    """
    if _of_body(items, tail.end) or _owned(items, before):
        return False
    if core.central and tail.width is not None and not (tail.loose or tail.line or tail.single):
        return False
    of = text_at(items, tail.end) == "of"
    in_frame = of and _names_frame(items, tail.end + 1)
    if of and not in_frame:
        return False
    if core.relation or in_frame:
        return text_at(items, before) not in BE or tail.width is not None or core.relation
    if core.central:
        return _centre(items, before, tail)
    if tail.quadrant and (core.sideways_first or not core.pair):
        return False
    if tail.width is not None:
        return True
    if core.pair:
        return not core.sideways_first or _may_end(items, tail.end)
    return _bare(items, before, tail.end)


def _bare(items: Sequence[Item], before: int, end: int) -> bool:
    """Whether one direction without a noun is a place: "on the left,", "polyp (left)", "left: polyp"."""
    if not _may_end(items, end):
        return False
    word = text_at(items, before)
    if word == "the":
        return text_at(items, before - 1) in _BEFORE_NOUN
    if word in _BEFORE_NOUN:
        return True
    closing = end >= len(items) or (items[end].kind == MARK and items[end].text in ".;),:")
    return closing and (word in (",", ":", "(") or _heading(items, before, end))


def _centre(items: Sequence[Item], before: int, tail: Tail) -> bool:
    """Whether "centre" or "central" is the image's centre."""
    if tail.width is not None:
        return True
    if not _may_end(items, tail.end):
        return False
    word = text_at(items, before)
    if text_at(items, tail.end - 1) == "centrally":
        return word in _LYING or text_at(items, tail.end) in _LYING
    if word in ("the", "very", "exact"):
        word = text_at(items, before - 1 - (text_at(items, before - 1) == "the"))
    stands = before < 0 or word in _BEFORE_NOUN or word in BE or word in _LYING or word in (",", ":", "(", "and", "or")
    return stands or _heading(items, before, tail.end)


def _heading(items: Sequence[Item], before: int, end: int) -> bool:
    """Whether a sentence begins with the directions and a colon: "Left: a polyp"."""
    return (before < 0 or text_at(items, before) in (".", ";", "!", "?")) and text_at(items, end) == ":"

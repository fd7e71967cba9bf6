"""Cut a text into sentences and their segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cuescan.cues.language.tokens import FINDING, MARK, WORD, Item, touching
from cuescan.cues.language.words import is_descriptive, word_set

_ABBREVIATIONS = word_set("approx ca cf e g i vs fig figs dr mr mrs ms prof st")
_ENDS = (".", ";", "!", "?")
_SEPARATORS = word_set(
    "and but while whereas whilst although though however plus or nor with without yet where & + , : ( )"
)
_DASHES = ("-", "–", "—")


@dataclass(frozen=True)
class Segment:
    """A stretch between commas and conjunctions: items ``start`` to ``end``, and the separators around it."""

    start: int
    end: int
    opened_by: str
    closed_by: str


@dataclass(frozen=True)
class Sentence:
    """Items from one full stop to the next.

    Attributes:
        items: without the mark at the end.
        question: whether that mark is a question mark.
        segments: in order; together they hold every item that is no separator.
    """

    items: Sequence[Item]
    question: bool
    segments: tuple[Segment, ...] = field(default=(), repr=False)

    def segment(self, index: int) -> Segment:
        """The segment that holds the item, or the one before a separator."""
        return next((part for part in reversed(self.segments) if part.start <= index), self.segments[0])

    def after(self, segment: Segment) -> Segment | None:
        """The next segment."""
        position = self.segments.index(segment) + 1
        return self.segments[position] if position < len(self.segments) else None

    def text(self, index: int) -> str:
        """The item's text, or nothing beyond the ends."""
        return self.items[index].text if 0 <= index < len(self.items) else ""

    def foreign(self, start: int, end: int) -> bool:
        """Whether a noun that is no finding of a class stands between two items."""
        return any(item.kind == WORD and not is_descriptive(item.text) for item in self.items[start:end])


def _is_separator(items: Sequence[Item], index: int) -> bool:
    text = items[index].text
    if items[index].kind not in (WORD, MARK):
        return False
    return text in _SEPARATORS or (text in _DASHES and not touching(items, index) and not touching(items, index + 1))


def _segments(items: Sequence[Item]) -> tuple[Segment, ...]:
    cuts = [number for number in range(len(items)) if _is_separator(items, number)]
    edges = [-1, *cuts, len(items)]
    parts = []
    opened = ""
    for left, right in zip(edges, edges[1:], strict=False):
        closed = items[right].text if right < len(items) else ""
        if right - left > 1 or len(edges) == 2:
            parts.append(Segment(left + 1, right, opened, closed))
            opened = closed
        else:
            opened = f"{opened} {closed}".strip()
    return tuple(parts) or (Segment(0, len(items), "", ""),)


def _ends(items: Sequence[Item], index: int) -> bool:
    item = items[index]
    if item.kind != MARK or item.text not in _ENDS:
        return False
    if item.text == "." and index and items[index - 1].text in _ABBREVIATIONS:
        return False
    before_finding = index + 1 < len(items) and items[index + 1].kind == FINDING
    return not (item.text == "?" and before_finding and not touching(items, index))


def split_sentences(items: Sequence[Item]) -> list[Sentence]:
    """The sentences of a text; "?polyp" is no end of one."""
    sentences: list[Sentence] = []
    start = 0
    for index in range(len(items) + 1):
        if index < len(items) and not _ends(items, index):
            continue
        part = items[start:index]
        if part:
            question = index < len(items) and items[index].text == "?"
            sentences.append(Sentence(part, question, _segments(part)))
        start = index + 1
    return sentences

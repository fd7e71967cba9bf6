"""A sentence as items: words, numbers and marks, and later the phrases that were understood in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|[0-9]+(?:\.[0-9]+)?|\S")

WORD, NUMBER, MARK = "word", "number", "mark"
PLACE, BOX, SHARE, FINDING = "place", "box", "share", "finding"


@dataclass(frozen=True)
class Item:
    """A stretch of the text.

    Attributes:
        kind: what it is.
        text: in lower case, with straight apostrophes.
        start: first character.
        end: one past the last character.
        value: what a phrase means.
    """

    kind: str
    text: str
    start: int
    end: int
    value: Any = None


def _kind(text: str) -> str:
    if text[0].isdigit() and text[0].isascii():
        return NUMBER
    return WORD if text[0].isalpha() else MARK


def tokenise(text: str) -> list[Item]:
    """Split a text into words, numbers and single marks; a line's end is the mark ``;``."""
    items = []
    last = 0
    for match in _TOKEN.finditer(text):
        if "\n" in text[last : match.start()]:
            items.append(Item(MARK, ";", match.start(), match.start()))
        last = match.end()
        token = match.group()
        items.append(Item(_kind(token), token.lower().replace("’", "'"), match.start(), match.end()))
    return items


def put_phrases(items: Sequence[Item], phrases: Iterable[Item]) -> list[Item]:
    """Replace the items that lie within each phrase by the phrase; phrases do not overlap."""
    result: list[Item] = []
    waiting = sorted(phrases, key=lambda phrase: phrase.start)
    position = 0
    for item in items:
        while position < len(waiting) and waiting[position].end <= item.start:
            position += 1
        inside = position < len(waiting) and waiting[position].start < item.end and item.start < waiting[position].end
        if not inside:
            result.append(item)
        elif not result or result[-1] is not waiting[position]:
            result.append(waiting[position])
    return result


def touching(items: Sequence[Item], index: int) -> bool:
    """Whether the item at ``index`` follows the one before it without a blank."""
    return 0 < index < len(items) and items[index - 1].end == items[index].start

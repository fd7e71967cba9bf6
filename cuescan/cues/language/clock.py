"""Clock positions: "at 3 o'clock", "from 9 to 12 o'clock", seen from the image's centre."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cuescan.cues.language.geometry import Box, Turn
from cuescan.cues.language.places import Place, clock_place, turned_hour
from cuescan.cues.language.tokens import PLACE, WORD, Item
from cuescan.cues.language.words import NUMBERS, word_set

Edit = tuple[int, int, str]
_OTHER_CLOCKS = word_set("breast breasts nipple anal anus perianal cervix prostate watch yesterday today am pm")
_HOURS = {word: number for word, number in NUMBERS.items() if 1 <= number <= 12}
_ENDS = ("o'clock", "oclock")


@dataclass(frozen=True)
class Hour:
    """A number on the clock's face and its characters."""

    hour: int
    start: int
    end: int


@dataclass(frozen=True)
class ClockPhrase:
    """One hour, or the clockwise range from the first to the last."""

    hours: tuple[Hour, ...]

    @property
    def _covered(self) -> list[int]:
        first, last = self.hours[0].hour, self.hours[-1].hour
        inner = [(first + step - 1) % 12 + 1 for step in range(1, (last - first) % 12)]
        return inner or [first, last]

    @property
    def place(self) -> Place | None:
        """What all hours of the range agree on."""
        places = [clock_place(hour) for hour in self._covered]
        vertical, horizontal = {place.vertical for place in places}, {place.horizontal for place in places}
        agreed = [values.pop() if len(values) == 1 else None for values in (vertical, horizontal)]
        return None if agreed == [None, None] else Place(agreed[0], agreed[1])

    @property
    def box(self) -> Box | None:
        """The half or quadrant, or None where the range goes all around."""
        return self.place.box if self.place else None

    def edits(self, turn: Turn) -> list[Edit]:
        """The hours in the turned image; a mirrored range runs the other way."""
        mirrored = turn.transpose ^ turn.flip_rows ^ turn.flip_columns
        hours = [turned_hour(hour.hour, turn) for hour in self.hours]
        if mirrored:
            hours.reverse()
        return [(old.start, old.end, str(new)) for old, new in zip(self.hours, hours, strict=True) if old.hour != new]


def _hour(items: Sequence[Item], index: int) -> Hour | None:
    if not 0 <= index < len(items):
        return None
    item = items[index]
    number = _HOURS.get(item.text) if item.kind == WORD else None
    if item.text.isascii() and item.text.isdigit() and 1 <= int(item.text[:3]) <= 12 and len(item.text) <= 2:
        number = int(item.text)
    return None if number is None else Hour(number, item.start, item.end)


def _clock_end(items: Sequence[Item], index: int) -> int | None:
    words = [item.text for item in items[index : index + 3]]
    if words and words[0] in _ENDS:
        return index + 1
    if words[:2] == ["o", "clock"]:
        return index + 2
    return index + 3 if words in (["o", "'", "clock"], ["o", "-", "clock"]) else None


def clock_phrase(items: Sequence[Item], index: int) -> Item | None:
    """The clock position that begins at ``index``, or None; clocks of a breast or a day are no places."""
    first = _hour(items, index)
    if first is None:
        return None
    hours, end = [first], _clock_end(items, index + 1)
    if end is None:
        second, after = _hour(items, index + 2), _clock_end(items, index + 3)
        joiner = items[index + 1].text if index + 1 < len(items) else ""
        between = index > 0 and items[index - 1].text == "between"
        if second is None or after is None or joiner not in ("-", "–", "to", "and", "or", "/"):
            return None
        if joiner in ("-", "–", "to") or between:
            hours, end = [first, second], after
        else:
            end = index + 1
    if any(item.text in _OTHER_CLOCKS for item in items):
        return None
    return Item(PLACE, "", first.start, items[end - 1].end, ClockPhrase(tuple(hours)))

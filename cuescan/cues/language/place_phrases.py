"""Find the phrases of a sentence that name a place in the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cuescan.cues.language.clock import Edit, clock_phrase
from cuescan.cues.language.directions import Core, read_core
from cuescan.cues.language.geometry import Turn
from cuescan.cues.language.place_context import Line, Tail, is_place, read_tail, text_at
from cuescan.cues.language.places import Place
from cuescan.cues.language.tokens import PLACE, WORD, Item, put_phrases, tokenise
from cuescan.cues.language.words import word_set

_FAR = word_set("far extreme outer outermost very")


@dataclass(frozen=True)
class PlacePhrase:
    """A place with the characters that say it: the directions, and the noun where that depends on the direction."""

    place: Place
    core: Core
    line: Line | None = None

    def edits(self, turn: Turn) -> list[Edit]:
        """The words in the turned image."""
        changes: list[Edit] = []
        words = self.core.words(turn)
        if words is not None:
            changes.append((self.core.start, self.core.stop, words))
        if self.line and turn.transpose:
            changes.append((self.line.start, self.line.end, self.line.swapped))
        return changes


def _place(core: Core, tail: Tail, far: bool) -> Place | None:
    """What directions and the named part of the image mean together."""
    place = core.place
    if core.central and tail.line:
        return Place(0, None) if tail.line.swapped == "column" else Place(None, 0)
    if not core.pair and 0 in (place.vertical, place.horizontal):
        return None
    width = tail.width
    if width is None or tail.loose:
        width = "third" if far or core.outermost else place.width
    if core.pair and width in ("quarter", "two thirds"):
        width = "half"
    return Place(place.vertical, place.horizontal, width)


def _chain(items: Sequence[Item], index: int) -> list[Core]:
    """Directions joined by "and" or "or" that share what follows: "upper and lower thirds"."""
    cores: list[Core] = []
    core = read_core(items, index)
    while core:
        cores.append(core)
        joined = core.end + (text_at(items, core.end) == ",")
        if text_at(items, joined) not in ("and", "or", "&", "/"):
            break
        core = read_core(items, joined + 1)
    return cores


def _phrases_at(items: Sequence[Item], index: int) -> tuple[list[PlacePhrase], int]:
    """The places that begin at ``index``, and the item to go on from."""
    cores = _chain(items, index)
    after = cores[0].end if cores else index + 1
    far = text_at(items, index - 1) in _FAR
    while cores:
        tail = read_tail(items, cores[-1].end)
        shared = _sharing(items, cores, tail)
        if all(is_place(items, core, index - 1 - far, own) for core, own in shared):
            places = [_place(core, own, far) for core, own in shared]
            phrases = [
                PlacePhrase(place, core, own.line) for (core, own), place in zip(shared, places, strict=True) if place
            ]
            return (phrases if len(phrases) == len(places) else []), tail.end
        cores.pop()
    return [], after


def _sharing(items: Sequence[Item], cores: Sequence[Core], tail: Tail) -> list[tuple[Core, Tail]]:
    """What each of the listed directions shares with the others: a direction, and the noun behind the last."""
    noun = text_at(items, tail.end - 1) if tail.width else ""
    for_all = not noun or noun.endswith("s")
    shared = [core.sharing(cores[-1], later=True) for core in cores]
    if for_all or noun in ("corner", "quadrant"):
        shared = [core.sharing(before, later=False) for core, before in zip(shared, [cores[0], *cores], strict=False)]
    without = [Tail(None, False, False, core.end) for core in shared]
    return [
        (core, tail if for_all or core.pair == shared[-1].pair else bare)
        for core, bare in zip(shared, without, strict=True)
    ]


def find_places(items: Sequence[Item]) -> list[Item]:
    """Replace every phrase that names a place by an item of kind ``PLACE``.

    Its value is a :class:`PlacePhrase` or a :class:`~cuescan.cues.language.clock.ClockPhrase`.
    """
    found: list[Item] = []
    index = 0
    while index < len(items):
        clock = clock_phrase(items, index)
        if clock is not None:
            found.append(clock)
            while index < len(items) and items[index].start < clock.end:
                index += 1
            continue
        if items[index].kind != WORD:
            index += 1
            continue
        phrases, end = _phrases_at(items, index)
        for number, phrase in enumerate(phrases):
            last = number + 1 == len(phrases)
            stop = items[end - 1].end if last else phrase.core.stop
            found.append(Item(PLACE, "", phrase.core.start, stop, phrase))
        index = max(end, index + 1)
    return put_phrases(items, found)


def turned_words(words: str, turn: Turn) -> str:
    """Place words in the form of :attr:`Place.words` (alternatives joined by "or") for the turned image."""
    alternatives = []
    for part in words.split(" or "):
        phrase = next(item.value for item in find_places(tokenise(part)) if item.kind == PLACE)
        alternatives.append(phrase.place.turned(turn).words)
    return " or ".join(alternatives)

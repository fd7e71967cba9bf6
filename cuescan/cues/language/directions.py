"""Direction words: "upper left", "top-left", "lower", "middle right", "left of the centre"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cuescan.cues.language.geometry import Turn
from cuescan.cues.language.places import Place
from cuescan.cues.language.tokens import WORD, Item, touching
from cuescan.cues.language.words import FRAMES, word_set

_FAMILIES = {
    "upper": ("upper", "lower"),
    "top": ("top", "bottom"),
    "uppermost": ("uppermost", "lowermost"),
    "topmost": ("topmost", "bottommost"),
}
_VERTICAL = {word: (side, name) for name, pair in _FAMILIES.items() for side, word in zip((-1, 1), pair, strict=True)}
_HORIZONTAL = {"left": -1, "right": 1, "leftmost": -1, "rightmost": 1}
_JOINED = {
    f"{vertical}{horizontal}": (vertical, horizontal)
    for vertical in ("top", "bottom", "upper", "lower")
    for horizontal in ("left", "right")
}
_RELATIONS = {"above": (-1, None), "below": (1, None), "left": (None, -1), "right": (None, 1)}
CENTRE = word_set("centre center central middle mid centrally")


@dataclass(frozen=True)
class Core:
    """Direction words that stand together.

    Attributes:
        place: what they mean when no noun says more.
        start: first character.
        stop: one past the last character.
        end: the first item after them.
        joiner: what stands between two of them.
        family: which words the sentence has for up and down.
        sideways_first: "left upper" rather than "upper left".
        outermost: "leftmost".
        relation: "left of the centre".
        shared: one of the directions is said of a neighbour in a list.
    """

    place: Place
    start: int
    stop: int
    end: int
    joiner: str = " "
    family: str = "top"
    sideways_first: bool = False
    outermost: bool = False
    relation: bool = False
    shared: bool = False

    @property
    def pair(self) -> bool:
        """Whether both directions are said."""
        return self.place.vertical is not None and self.place.horizontal is not None

    @property
    def central(self) -> bool:
        """Whether only the centre is named."""
        return self.place.vertical == 0 and self.place.horizontal == 0

    def sharing(self, other: Core, later: bool) -> Core:
        """The core with the direction it shares with a neighbour: "upper and lower left", "upper left and right"."""
        mine, theirs = self.place, other.place
        if self.pair or not other.pair or 0 in (theirs.vertical, theirs.horizontal):
            return self
        if self.relation or not other.joiner:
            return self
        sideways = mine.horizontal is not None
        if sideways != (other.sideways_first == later):
            return self
        if sideways:
            place = replace(mine, vertical=theirs.vertical, width=theirs.width)
            return replace(self, place=place, family=other.family, shared=True)
        place = replace(mine, horizontal=theirs.horizontal, width=theirs.width)
        return replace(self, place=place, shared=True)

    def words(self, turn: Turn) -> str | None:
        """The directions in the turned image; None where they stay as they are."""
        place = self.place.turned(turn)
        if self.central or (place == self.place and not self.shared):
            return None
        up_down = dict(zip((-1, 1), _FAMILIES[self.family], strict=True)) | {0: "middle"}
        sides = {-1: "leftmost", 1: "rightmost"} if self.outermost else {-1: "left", 1: "right"}
        if place.vertical is None:
            side = sides[place.horizontal or -1]
            return f"{side} of" if self.relation else side
        if place.horizontal is None:
            if self.relation:
                return "above" if place.vertical < 0 else "below"
            return up_down[place.vertical]
        words = [up_down[place.vertical], (sides | {0: "centre"})[place.horizontal]]
        return self.joiner.join(reversed(words) if self.sideways_first and 0 not in _sides(place) else words)


def _sides(place: Place) -> tuple[int | None, int | None]:
    return place.vertical, place.horizontal


def _text(items: Sequence[Item], index: int) -> str:
    return items[index].text if 0 <= index < len(items) else ""


def _relation(items: Sequence[Item], index: int) -> Core | None:
    """Read "left of the centre" or "above the image centre"."""
    word = items[index].text
    last = index + (word in _HORIZONTAL)
    if word not in _RELATIONS or (last > index and _text(items, last) != "of"):
        return None
    position = last + 1
    while _text(items, position) in ("the", "image's", "exact") or _text(items, position) in FRAMES:
        position += 1
    if _text(items, position) not in ("centre", "center", "middle") or _direction(items, position + 1):
        return None
    place = Place(*_RELATIONS[word])
    return Core(place, items[index].start, items[last].end, position + 1, relation=True)


def _direction(items: Sequence[Item], index: int) -> tuple[str, int] | None:
    """A direction word and the item after it, where "left-hand" is one word."""
    word = _text(items, index)
    if word in _VERTICAL or word in CENTRE:
        return word, index + 1
    if word not in _HORIZONTAL:
        return None
    hand = index + 1 + (_text(items, index + 1) == "-")
    return word, hand + 1 if _text(items, hand) == "hand" else index + 1


def read_core(items: Sequence[Item], index: int) -> Core | None:
    """The direction words that begin at ``index``, or None."""
    if index >= len(items) or items[index].kind != WORD:
        return None
    item = items[index]
    if item.text in _JOINED:
        vertical, horizontal = _JOINED[item.text]
        return _core([vertical, horizontal], item.start, item.end, index + 1, "")
    relation = _relation(items, index)
    first = _direction(items, index)
    if relation or first is None:
        return relation
    words, end, joiner = [first[0]], first[1], " "
    hyphen = _text(items, end) == "-" and touching(items, end) and touching(items, end + 1)
    second = _direction(items, end + hyphen)
    if second and _axis(second[0]) != _axis(words[0]):
        words.append(second[0])
        end, joiner = second[1], "-" if hyphen else " "
    if _direction(items, end) or _direction(items, index - 1) or _text(items, index - 1) == "hand":
        return None  # "left right" means nothing
    return _core(words, item.start, items[end - 1].end, end, joiner)


def _axis(word: str) -> str:
    return "vertical" if word in _VERTICAL else "horizontal" if word in _HORIZONTAL else "centre"


def _core(words: list[str], start: int, stop: int, end: int, joiner: str) -> Core:
    up_down = next((word for word in words if word in _VERTICAL), None)
    sideways = next((word for word in words if word in _HORIZONTAL), None)
    vertical, family = _VERTICAL[up_down] if up_down else (None, "top")
    horizontal = _HORIZONTAL[sideways] if sideways else None
    outermost = bool(sideways and sideways.endswith("most")) or family.endswith("most")
    if any(word in CENTRE for word in words):
        vertical, horizontal = vertical or 0, horizontal or 0
    tight = family != "upper" and vertical is not None and horizontal is not None
    place = Place(vertical, horizontal, "third" if tight else "half")
    if outermost and family == "top":
        family = "uppermost"
    return Core(place, start, stop, end, joiner, family, words[0] == sideways and bool(up_down), outermost)

"""What a sentence states about one class."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cuescan.cues.language.geometry import Box, Turn
from cuescan.cues.language.place_phrases import turned_words

LEVELS = ("name", "place", "full")


@dataclass(frozen=True)
class Statement:
    """What is stated about a class; whatever is not stated is None or empty.

    Every word in it is of a fixed vocabulary, so that ``repr`` shows nothing of the sentence.

    Attributes:
        name: the class.
        present: True, False ("no polyp"), or None where the class is not mentioned or left open.
        count: how many findings there are.
        colours: such as ("red", "dark brown").
        size: "tiny", "small", "medium", "large" or "huge".
        places: one box per stated place: the centre of a finding or of a part of it lies in each.
        boxes: stated tight boxes around findings.
        share: of the image's area that all findings of the class cover together, in (0, 1].
        place_words: the places in words, one for each.
    """

    name: str
    present: bool | None = None
    count: int | None = None
    colours: tuple[str, ...] = ()
    size: str | None = None
    places: tuple[Box, ...] = ()
    boxes: tuple[Box, ...] = ()
    share: float | None = None
    place_words: tuple[str, ...] = ()

    def turned(self, turn: Turn) -> Statement:
        """The statement that is true of the turned image."""
        return replace(
            self,
            places=tuple(box.turned(turn) for box in self.places),
            boxes=tuple(box.turned(turn) for box in self.boxes),
            place_words=tuple(turned_words(words, turn) for words in self.place_words),
        )

    def reduced(self, level: str) -> Statement:
        """The statement with less in it: "name" keeps name and presence, "place" drops boxes and share, "full" nothing.

        Raises:
            ValueError: another level.
        """
        if level == "name":
            return Statement(self.name, self.present)
        if level == "place":
            return replace(self, boxes=(), share=None)
        if level == "full":
            return self
        raise ValueError(f"level is {level!r} but must be one of {', '.join(LEVELS)}")

"""Colour and size words, and whether they describe the finding after them or one before."""

from __future__ import annotations

from dataclasses import dataclass

from cuescan.cues.language.clauses import Sentence
from cuescan.cues.language.mentions import Mention
from cuescan.cues.language.tokens import FINDING, MARK, PLACE, WORD
from cuescan.cues.language.words import (
    BE,
    COLOURS,
    CONJUNCTIONS,
    DETERMINERS,
    EXTREMES,
    FRAMES,
    NO_COLOUR_BEFORE,
    NO_SIZE_BEFORE,
    PREPOSITIONS,
    PRONOUNS,
    SIZES,
    TONES,
    VERBS,
    is_descriptive,
    word_set,
)

_STOPS = PREPOSITIONS.union(DETERMINERS, BE, PRONOUNS, CONJUNCTIONS - {"and", "&", "/"}, VERBS)
_PASSING = word_set("and & / , -")


@dataclass(frozen=True)
class Adjective:
    """A colour or a size: its meaning and its characters."""

    colour: bool
    meaning: str
    start: int
    end: int


def adjective(sentence: Sentence, index: int) -> Adjective | None:
    """The colour or size at ``index``, or None; "dark" before a colour is part of it."""
    item, right = sentence.items[index], sentence.text(index + 1)
    if item.kind != WORD:
        return None
    following = sentence.text(index + 2) if right == "-" else right
    if following in COLOURS and item.text in TONES and following not in TONES:
        return None
    if item.text in COLOURS and right not in NO_COLOUR_BEFORE:
        before = index - 1 - (sentence.text(index - 1) == "-")
        tone = "" if item.text in TONES else TONES.get(sentence.text(before), "")
        start = sentence.items[before].start if tone else item.start
        return Adjective(True, f"{tone} {COLOURS[item.text]}".strip(), start, item.end)
    if item.text in SIZES and right not in NO_SIZE_BEFORE and (item.text != "mid" or following == "sized"):
        size = SIZES[item.text]
        extreme = size in EXTREMES and sentence.text(index - 1) in ("very", "extremely", "really")
        start = sentence.items[index - 1].start if extreme else item.start
        return Adjective(False, EXTREMES[size] if extreme else size, start, item.end)
    return None


def described_ahead(sentence: Sentence, index: int, mentions: list[Mention]) -> Mention | None:
    """The mention that an adjective at ``index`` stands before: "a red, flat polyp"."""
    if sentence.text(index - 1) in BE:
        return None
    segment = sentence.segment(index)
    for position in range(index + 1, min(index + 9, len(sentence.items))):
        item = sentence.items[position]
        mention = next((one for one in mentions if one.index == position), None)
        if mention is not None:
            crossed = position >= segment.end
            return None if crossed and sentence.foreign(segment.start, index) else mention
        if item.kind not in (WORD, MARK, PLACE) or item.text in _STOPS:
            return None
        if item.kind == MARK and item.text not in _PASSING:
            return None
    return None


def describes_earlier(sentence: Sentence, index: int) -> bool:
    """Whether an adjective may belong to a mention before it ("the polyp is red", "polyp, small").

    It does not where a noun of its own follows, or where the image is what it describes.
    """
    segment = sentence.segment(index)
    for position in range(index + 1, segment.end):
        item = sentence.items[position]
        if item.kind == FINDING or item.text in FRAMES:
            return False
        if item.kind != WORD or item.text in PREPOSITIONS or item.text in VERBS or item.text in BE:
            break
        if not is_descriptive(item.text):
            return False
    before = sentence.items[segment.start : index]
    return not any(item.text in FRAMES for item in before) or any(item.kind == FINDING for item in before)

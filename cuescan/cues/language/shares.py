"""Shares of the image's area: "covers 12.5% of the image", "about a third of the frame"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cuescan.cues.language.words import FRAMES, NUMBERS

_COVER = (
    r"(?:cover|occup|fill|tak(?:e|es|ing)\b|account|compris|span|mak(?:e|es|ing)\b|constitut|represent|amount)\w*"
    r"(?:\s+up|\s+to|\s+for)?"
)
_NOUN = r"(?:share|area|proportion|fraction|coverage|percentage|extent)"
_ABOUT = r"(?:(?:about|around|roughly|approximately|approx\.?|circa|ca\.?|almost|nearly|only|some|just|~|≈)\s*)*"
_NO_LENGTH = r"(?!(?:['’]s)?\s+(?:width|height|side|diameter|length|edge))"
_FRAMES = "|".join([*sorted(FRAMES), r"field\s+of\s+view"])
_FRAME = rf"(?:the|this|its|that|an?)?\s*(?:[^\W\d_]+\s+){{0,3}}?(?:{_FRAMES})s?\b{_NO_LENGTH}"
_PARTS = {
    "half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
    "tenth": 10, "twelfth": 12, "twentieth": 20, "fiftieth": 50, "hundredth": 100,
}  # fmt: skip
_COUNTED = "|".join(["an?", *(word for word, number in NUMBERS.items() if 0 < number <= 9 and word != "both"), "[1-9]"])
_FRACTION = rf"(?:(?P<times>{_COUNTED})[\s-]+)?(?P<part>{'|'.join(_PARTS)}|halves)s?\b"

_PERCENT = re.compile(r"(?<![\w.,])([0-9]{1,3}(?:[.,][0-9]+)?)\s?(?:%|per\s?cent\b|pct\b)", re.I)
_COVERED_PART = re.compile(rf"\b{_COVER}\s+{_ABOUT}{_FRACTION}(?P<of>\s*(?:of\s+)?{_FRAME})?", re.I)
_PART_OF_FRAME = re.compile(rf"\b{_FRACTION}\s+of\s+{_FRAME}", re.I)
_PLACED_BEFORE = re.compile(r"\b(?:in|left|right|upper|lower|top|bottom|middle|central)\s+(?:the\s+)?$", re.I)
_DECIMAL = re.compile(rf"\b{_COVER}\s+{_ABOUT}(0?\.[0-9]+)\s+of\s+{_FRAME}", re.I)
_RATIO = re.compile(rf"\b{_COVER}\s+{_ABOUT}([1-9])/([1-9][0-9]?)\s+(?:of\s+)?{_FRAME}", re.I)
_ALL = re.compile(rf"\b{_COVER}\s+(?:the\s+)?(?:whole|entire)\s+{_FRAME}", re.I)

_BOUND_BEFORE = re.compile(
    r"(?:\b(?:less|more|fewer|greater|larger|smaller)\s+than|\b(?:under|over|above|below|exceeding|between|at\s+least"
    r"|at\s+most|up\s+to|to|and|or|from)|[<>≤≥±–-])\s*(?:about\s*)?$",
    re.I,
)
_RANGE_AFTER = re.compile(r"\s*(?:-|–|to\b|or\b)\s*[0-9]", re.I)
_AMOUNT_TO = re.compile(r"(?:amount\w*|account\w*|equal|compris\w*)\s+(?:to|for)\s*$", re.I)
_COVERS = re.compile(rf"\b(?:{_COVER}|{_NOUN})\b[^.;!?]{{0,60}}$", re.I)
_NOUN_AFTER = re.compile(rf"\s*{_NOUN}\b", re.I)
_OF_FRAME = re.compile(rf"\s*(?:of|in)\s+{_FRAME}", re.I)
_OF = re.compile(r"\s*of\b", re.I)


@dataclass(frozen=True)
class SharePhrase:
    """A share in (0, 1] with the characters that say it."""

    start: int
    end: int
    share: float


def _percentages(text: str) -> list[SharePhrase]:
    found = []
    for match in _PERCENT.finditer(text):
        before, share = text[max(0, match.start() - 90) : match.start()], float(match[1].replace(",", ".")) / 100
        bound = _BOUND_BEFORE.search(before)
        if (bound and not _AMOUNT_TO.search(before)) or _RANGE_AFTER.match(text, match.end()) or not 0 < share <= 1:
            continue
        of_frame = _OF_FRAME.match(text, match.end())
        if _OF.match(text, match.end()) and not of_frame:
            continue
        if of_frame or _NOUN_AFTER.match(text, match.end()) or _COVERS.search(before):
            found.append(SharePhrase(match.start(), of_frame.end() if of_frame else match.end(), share))
    return found


def _limited(text: str, start: int) -> bool:
    """Whether what stands before makes of a fraction a bound or a place."""
    before = text[max(0, start - 40) : start]
    return bool(_BOUND_BEFORE.search(before) or _PLACED_BEFORE.search(before))


def _part(match: re.Match[str]) -> float:
    word = (match["times"] or "a").lower()
    times = 1 if word in ("a", "an") else int(word) if word.isdigit() else NUMBERS[word]
    part = match["part"].lower()
    return times / _PARTS["half" if part == "halves" else part]


def _fractions(text: str) -> list[SharePhrase]:
    found = []
    for match in [*_COVERED_PART.finditer(text), *_PART_OF_FRAME.finditer(text)]:
        covered = "of" in match.re.groupindex
        if covered and not match["of"] and _OF.match(text, match.end()):
            continue
        article = match["times"] or (covered and match["part"].lower() == "half")
        if article and _part(match) <= 1 and (covered or not _limited(text, match.start())):
            start = match.start("times") if match["times"] else match.start("part")
            found.append(SharePhrase(start, match.end(), _part(match)))
    return found


def find_shares(text: str) -> list[SharePhrase]:
    """All shares of the image that a text states, in order; bounds ("less than 5%") and ranges state none."""
    found = _percentages(text) + _fractions(text)
    found += [SharePhrase(m.start(1), m.end(), float(m[1])) for m in _DECIMAL.finditer(text)]
    found += [SharePhrase(m.start(1), m.end(), int(m[1]) / int(m[2])) for m in _RATIO.finditer(text)]
    found += [SharePhrase(m.start(), m.end(), 1.0) for m in _ALL.finditer(text)]
    result: list[SharePhrase] = []
    for phrase in sorted(found, key=lambda phrase: (phrase.start, -phrase.end)):
        if (not result or phrase.start >= result[-1].end) and 0 < phrase.share <= 1:
            result.append(phrase)
    return result

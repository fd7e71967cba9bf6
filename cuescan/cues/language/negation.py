"""Whether a mention affirms a finding, denies it, or leaves it open."""

from __future__ import annotations

from cuescan.cues.language.clauses import Sentence
from cuescan.cues.language.doubt_words import (
    ANSWERS,
    DENIALS,
    DENIED,
    DOUBTS,
    DOUBTS_WITH_FOR,
    EVIDENCE,
    LINKS,
    NEUTRAL,
    OBSERVERS,
    OTHERS,
    POINTING,
    SEEING,
    STOPS,
    UNDECIDED,
)
from cuescan.cues.language.tokens import FINDING, MARK, WORD, Item
from cuescan.cues.language.words import ANATOMY, COLOURS, FRAMES, SIZES, is_descriptive

YES, NO, OPEN = "yes", "no", "open"


class _Backwards:
    """What was met on the way from a finding back to a denial.

    Attributes:
        crossed: a comma or conjunction, so that other members of a list may lie between.
        listed: a conjunction.
        restricted: an adjective that narrows what is denied: "no large polyp".
        article: "a", before which only "evidence of" and the like may stand.
        verb: a verb of seeing, before which a denial must stand at once.
    """

    def __init__(self, sentence: Sentence, index: int) -> None:
        self.sentence = sentence
        self.plural = sentence.items[index].value.plural
        self.crossed = self.listed = self.restricted = self.article = self.verb = False

    def step(self, position: int) -> str | None:
        """What the item decides, or None to go on."""
        item, left = self.sentence.items[position], self.sentence.text(position - 1)
        text = item.text
        if text in ("only", "just", "doubt") and left in ("not", "no"):
            return YES
        if text in DENIALS and not (text == "free" and self.sentence.text(position + 1) not in ("of", "from")):
            if self.restricted or (self.crossed and not self.listed and not self.plural):
                return OPEN
            return NO
        if text in LINKS:
            return None if left in LINKS[text] else YES
        if self.article and text not in EVIDENCE and text not in SEEING:
            return YES
        if text == "that" and self.sentence.text(position + 1) in SEEING:
            return None
        if text in POINTING:
            return NO if left in DENIALS and not self.crossed else YES
        if self.verb and text not in OBSERVERS | SEEING | DENIALS:
            return YES
        return self._pass(item)

    def _pass(self, item: Item) -> str | None:
        """Note a word on the way; YES where it ends what a denial before it reaches."""
        text = item.text
        if text in ("a", "an"):
            self.article = True
        elif text in (",", "or", "and", "&", "/"):
            self.crossed, self.listed = True, self.listed or text != ","
        elif text in SEEING and not self.crossed:
            self.verb = True
        elif item.kind == MARK:
            return None if text in ("-", "_") else YES
        elif item.kind not in (WORD, FINDING) or text in STOPS - EVIDENCE - NEUTRAL:
            return YES
        elif text in OTHERS or not self.crossed and item.kind == WORD and text not in EVIDENCE | NEUTRAL | ANATOMY:
            self.restricted = True
        return None


def _before(sentence: Sentence, index: int) -> tuple[str, bool]:
    """What stands before a finding makes of it, and whether a list was crossed to find it."""
    way = _Backwards(sentence, index)
    for position in range(index - 1, -1, -1):
        decision = way.step(position)
        if decision is not None:
            return decision, way.crossed
    return YES, way.crossed


def _after(sentence: Sentence, index: int) -> str | None:
    """What follows a finding makes of it: "polyp-free", "polyps are not seen", "polyp: none"."""
    first = index + 1 + (sentence.text(index + 1) == "-")
    if sentence.text(first) == "free" and sentence.text(first + 1) not in ("of", "from"):
        return NO
    segment = sentence.segment(index)
    words = []
    for item in sentence.items[index + 1 : segment.end]:
        if item.kind == FINDING:
            break
        words.append(item.text)
    text = " ".join(word for word in words if word)
    if UNDECIDED.search(text):
        return OPEN
    if DENIED.search(text):
        return NO
    following = sentence.after(segment)
    if following and not words and following.opened_by in (":", "-", "–", "—", "="):
        return NO if sentence.text(following.start) in ANSWERS else None
    return None


def _doubted(sentence: Sentence, index: int) -> bool:
    """Whether a word of doubt stands before the finding in its segment, or an alternative beside it."""
    segment = sentence.segment(index)
    for position in range(index - 1, segment.start - 1, -1):
        item = sentence.items[position]
        if item.kind == FINDING:
            break
        if item.text in DOUBTS or (item.text == "for" and sentence.text(position - 1) in DOUBTS_WITH_FOR):
            return True
    return _alternative(sentence, index)


def _alternative(sentence: Sentence, index: int) -> bool:
    """Whether "or" joins the finding to something else: "a polyp or a fold"."""
    name = sentence.items[index].value.name
    for step in (1, -1):
        position = index + step
        while step < 0 and _modifies(sentence, position):
            position -= 1
        if sentence.text(position) != "or":
            continue
        position += step
        while _modifies(sentence, position) and step > 0:
            position += 1
        if not 0 <= position < len(sentence.items):
            continue
        other = sentence.items[position]
        if other.kind == FINDING and other.value.name != name:
            return True
        if other.kind == WORD and not is_descriptive(other.text) and other.text not in FRAMES:
            return True
    return False


def _modifies(sentence: Sentence, index: int) -> bool:
    text = sentence.text(index)
    return text in ("a", "an", "the") or text in COLOURS or text in SIZES


def polarity(sentence: Sentence, index: int) -> str:
    """YES, NO or OPEN for the finding at ``index``."""
    if sentence.question:
        return OPEN
    after = _after(sentence, index)
    if after is not None:
        return after
    before, _ = _before(sentence, index)
    if before == YES and _doubted(sentence, index):
        return OPEN
    return before


def denial_crosses(sentence: Sentence, index: int) -> bool:
    """Whether the denial reached the finding over a list, which a place of its own calls into doubt."""
    before, crossed = _before(sentence, index)
    return crossed and before != YES and _after(sentence, index) is None and not _doubted(sentence, index)


def denial_words(sentence: Sentence, index: int) -> list[tuple[int, int]]:
    """The characters of the words that deny the finding at ``index``: the nearest on each side of it."""
    items = sentence.items
    before = next((items[n] for n in range(index - 1, -1, -1) if items[n].text in DENIALS), None)
    after = next((item for item in items[index + 1 :] if item.text in DENIALS or item.text in ANSWERS), None)
    chosen = after if _after(sentence, index) == NO else before
    return [(chosen.start, chosen.end)] if chosen else []

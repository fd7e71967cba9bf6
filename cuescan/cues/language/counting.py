"""How many findings a mention names, and how many all mentions of a class name together."""

from __future__ import annotations

from collections.abc import Sequence

from cuescan.cues.language.clauses import Sentence
from cuescan.cues.language.mentions import MANY, Mention
from cuescan.cues.language.tokens import NUMBER, PLACE, WORD
from cuescan.cues.language.words import (
    BE,
    BOUNDS,
    COLOURS,
    CONJUNCTIONS,
    DETERMINERS,
    LABELLED,
    NUMBERS,
    PREPOSITIONS,
    PRONOUNS,
    SIZES,
    UNITS,
    VERBS,
    is_descriptive,
    word_set,
)
from cuescan.cues.language.words import MANY as MANY_WORDS

_ADDING = word_set("another second third additional further extra")
_DEFINITE = word_set("the this that these those its their his her other first each every any no")
_GROUPS = word_set("number group cluster handful variety row series lot lots")
_STOPS = PREPOSITIONS.union(DETERMINERS, BE, PRONOUNS, CONJUNCTIONS - {"and", "&", "/"}, VERBS)
_PLACED = word_set("located placed positioned situated")


def _number(sentence: Sentence, index: int) -> int | None:
    item = sentence.items[index]
    if item.kind == NUMBER and item.text.isdigit() and len(item.text) <= 3:
        return int(item.text)
    return NUMBERS.get(item.text) if item.kind == WORD else None


def _own_count(sentence: Sentence, mention: Mention) -> int | str | None:
    """A pronoun's own number: "one", "another", "two"."""
    word = sentence.text(mention.index)
    if word in ("other", "others", "ones", "first", "none"):
        return MANY if word in ("ones", "others") else None
    mention.added = word in _ADDING
    return 1 if mention.added else _number(sentence, mention.index)


def _ends_phrase(sentence: Sentence, index: int) -> bool:
    """Whether the words before a finding that belong to it end after the item at ``index``."""
    item, left = sentence.items[index], sentence.text(index - 1)
    if item.kind == PLACE or item.text == "-":
        return False
    if item.kind not in (WORD, NUMBER):
        return item.text != "," or not is_descriptive(left)
    if item.text in ("and", "&"):
        return left not in COLOURS and left not in SIZES
    if item.text == "of":
        return left not in NUMBERS and left not in _GROUPS
    return item.text in _STOPS - _PLACED


def count_mention(sentence: Sentence, mention: Mention) -> None:
    """Set how many findings a mention names, by the words before it or a number right after it."""
    if mention.pronoun:
        mention.count = _own_count(sentence, mention)
    index, measured = mention.index - 1, False
    while index >= 0:
        item = sentence.items[index]
        measured = measured or item.text in UNITS
        if item.text in (*_DEFINITE, "a", "an") or item.text in MANY_WORDS | _GROUPS | _ADDING:
            _determine(mention, item.text, sentence.text(index - 1) == "the")
            if item.text not in _DEFINITE and mention.count is not None:
                mention.spans.append((item.start, item.end))
            return
        if _number(sentence, index) and not (measured and item.kind == NUMBER):
            _set_number(sentence, mention, index)
            if mention.added or sentence.text(index - 1) not in ("a", "other"):
                return
        elif _ends_phrase(sentence, index):
            break
        index -= 1
    if mention.count is None and mention.plural:
        mention.count = _count_after(sentence, mention) or MANY


def _determine(mention: Mention, word: str, definite: bool) -> None:
    """Set the count by an article, "several" or "another"."""
    if word in _DEFINITE:
        mention.count = None if mention.pronoun else mention.count
    elif word in MANY_WORDS or word in _GROUPS:
        mention.count = MANY
    elif word in _ADDING:
        mention.count, mention.added = (MANY if mention.plural else mention.count or 1), not definite
    elif mention.count is None:
        mention.count = MANY if mention.plural else 1


def _set_number(sentence: Sentence, mention: Mention, index: int) -> None:
    """Set the count by a number word, unless it counts something else or is only a bound."""
    item, left = sentence.items[index], sentence.text(index - 1)
    if left in LABELLED:
        return
    mention.count = MANY if left in BOUNDS or left in ("-", "–", "<", ">") else _number(sentence, index)
    mention.added = left in _ADDING or sentence.text(index + 1) in _ADDING | {"more", "other"}
    mention.spans.append((item.start, item.end))


def _count_after(sentence: Sentence, mention: Mention) -> int | None:
    """The number in "polyps: 2" and "polyps (two)"."""
    index = mention.index + 1
    while sentence.text(index) in (":", "(", "=", "x", "×"):
        index += 1
    closing = sentence.text(index + 1) in ("", ",", ")", ";")
    if index == mention.index + 1 or index >= len(sentence.items) or not closing:
        return None
    return _number(sentence, index)


def _members(group: Mention, following: Sequence[Mention]) -> bool:
    """Whether named findings after a group are its members: "two polyps: one polyp left, one polyp right"."""
    same = [m for m in following if m.sentence == group.sentence and isinstance(m.count, int) and not m.pronoun]
    if not same or same[0].opened_by not in (":", ",", "("):
        return False
    return sum(int(mention.count or 0) for mention in same) == group.count


def total_count(mentions: Sequence[Mention]) -> int | None:
    """The number of findings, or None where it is not said.

    "Two polyps, one upper left and one lower right" are two; "a polyp upper left and one lower right" are two as
    well; "a polyp ... . A red polyp ..." in a new sentence may be the same one, so that equal numbers are not added.
    """
    total: int | None = None
    group: Mention | None = None
    last: Mention | None = None
    members = False
    for number, mention in enumerate(mentions):
        if mention.count is None:
            continue
        if not isinstance(mention.count, int):
            if total is None:
                return None
            continue
        if total is None:
            total = mention.count
            group = mention if mention.count > 1 else None
            members = group is not None and _members(group, mentions[number + 1 :])
        elif group is not None and (mention.pronoun or (members and mention.sentence == group.sentence)):
            continue
        elif mention.pronoun or mention.added or (last is not None and last.sentence == mention.sentence):
            total += mention.count
        elif mention.count != total:
            return None
        last = mention
    return total

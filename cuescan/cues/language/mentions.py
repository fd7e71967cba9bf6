"""The mentions of findings in a sentence: by name, by a pronoun ("one", "another"), or left out in a short note."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cuescan.cues.language.clauses import Sentence
from cuescan.cues.language.negation import NO, YES, denial_crosses, polarity
from cuescan.cues.language.tokens import BOX, FINDING, MARK, NUMBER, PLACE, SHARE, WORD
from cuescan.cues.language.words import (
    BE,
    COLOURS,
    CONJUNCTIONS,
    FRAMES,
    NUMBERS,
    PREPOSITIONS,
    SIZES,
    VERBS,
    is_descriptive,
    word_set,
)

MANY = "many"
_PRONOUNS = word_set("one ones another other others second first third none") | (
    set(NUMBERS) - {"zero", "dozen", "pair"}
)
_NO_PRONOUNS = word_set("single solitary sole couple")
_ORDINALS = word_set("first second third")
_NOUNS = word_set("side sides edge border margin part portion corner half quadrant area region row column end hand")
_LINKING = BE.union(CONJUNCTIONS, PREPOSITIONS, VERBS, word_set("each there where that which"))
_NOTES = PREPOSITIONS.union(
    FRAMES, SIZES, word_set("the and about approximately roughly location size share box bounding")
)


@dataclass
class Mention:
    """A finding as one phrase names it.

    Attributes:
        name: its class.
        sentence: number of the sentence.
        index: item in that sentence, -1 where the finding is left out.
        plural: by a plural.
        pronoun: by a pronoun.
        polarity: whether it is affirmed, denied or left open.
        crossed: denied over a list.
        count: how many it names; MANY where the words do not say.
        added: by "another", so that it adds to what was counted.
        opened_by: the separator before its segment.
        each: its share is that of each of them.
        colours: in the order of the text.
        sizes: in the order of the text.
        places: phrases; alternatives joined by "or" stand in one tuple.
        boxes: phrases.
        shares: of the image.
        spans: characters of the words that say all this, without boxes and shares.
    """

    name: str
    sentence: int
    index: int
    plural: bool = False
    pronoun: bool = False
    polarity: str = YES
    crossed: bool = False
    count: int | str | None = None
    added: bool = False
    opened_by: str = ""
    each: bool = False
    colours: list[str] = field(default_factory=list)
    sizes: list[str] = field(default_factory=list)
    places: list[tuple[Any, ...]] = field(default_factory=list)
    boxes: list[Any] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)


def _is_pronoun(sentence: Sentence, index: int) -> bool:
    """Whether a number word or "another" stands for a finding: what follows is no noun."""
    item = sentence.items[index]
    if item.kind != WORD or item.text not in _PRONOUNS or item.text in _NO_PRONOUNS:
        return False
    if sentence.text(index + 1) in ("than", "'", "o'clock"):
        return False
    if item.text in _ORDINALS and (sentence.text(index - 1) not in ("a", "the") or sentence.text(index + 1) == "of"):
        return False
    for position in range(index + 1, len(sentence.items)):
        following = sentence.items[position]
        if following.kind in (MARK, PLACE, BOX, SHARE):
            return following.text not in ("-", "%", "/")
        if following.kind == FINDING or following.kind == NUMBER or following.text in _PRONOUNS:
            return False
        if following.text in _LINKING:
            return not (following.text == "of" and sentence.text(position + 2) in FRAMES)
        if not is_descriptive(following.text) or following.text in FRAMES or following.text in _NOUNS:
            return False
    return True


def _shares_noun(sentence: Sentence, index: int) -> bool:
    """Whether a number shares the noun of another that follows: "one large and one small polyp"."""
    following = [item.kind for item in sentence.items[index + 1 : index + 7]]
    return sentence.text(index + 1) in SIZES.keys() | COLOURS.keys() and FINDING in following


def _named(sentence: Sentence, number: int) -> list[Mention]:
    mentions = []
    for index, item in enumerate(sentence.items):
        if item.kind == FINDING:
            mention = Mention(item.value.name, number, index, item.value.plural)
            mention.polarity = polarity(sentence, index)
            mention.opened_by = sentence.segment(index).opened_by
            mention.crossed = mention.polarity != YES and denial_crosses(sentence, index)
            mention.spans.append((item.start, item.end))
            mentions.append(mention)
    return mentions


def _short_note(sentence: Sentence) -> bool:
    """Whether a sentence is nothing but a place, box or share, as a prompt may be: "upper left, 5% of the image"."""
    stated = any(item.kind in (PLACE, BOX, SHARE) for item in sentence.items)
    return stated and all(
        item.kind in (PLACE, BOX, SHARE) or item.text in _NOTES or (item.kind == MARK and item.text in ",:()-")
        for item in sentence.items
    )


def find_mentions(sentences: Sequence[Sentence], classes: Sequence[str]) -> list[Mention]:
    """All mentions in the order of the text; a pronoun stands for the class mentioned last."""
    mentions: list[Mention] = []
    for number, sentence in enumerate(sentences):
        named = _named(sentence, number)
        for index, item in enumerate(sentence.items):
            here = next((mention for mention in named if mention.index == index), None)
            if here is not None:
                mentions.append(here)
            elif (mentions or _shares_noun(sentence, index)) and _is_pronoun(sentence, index):
                name = mentions[-1].name if mentions else named[0].name
                mention = Mention(name, number, index, item.text in ("ones", "others"), pronoun=True)
                mention.polarity = NO if item.text == "none" else polarity_of_pronoun(sentence, index)
                mention.spans.append((item.start, item.end))
                mentions.append(mention)
    if not mentions and len(classes) == 1 and len(sentences) == 1 and _short_note(sentences[0]):
        mentions.append(Mention(classes[0], 0, -1))
    return mentions


def polarity_of_pronoun(sentence: Sentence, index: int) -> str:
    """Open after "not" and in a question, affirmed otherwise."""
    return "open" if sentence.question or sentence.text(index - 1) in ("not", "no") else YES

"""Read a sentence: mentions of findings first, then what they amount to for each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cuescan.cues.language.attachment import attach
from cuescan.cues.language.boxes import find_boxes
from cuescan.cues.language.clauses import Sentence, split_sentences
from cuescan.cues.language.counting import total_count
from cuescan.cues.language.findings import find_findings
from cuescan.cues.language.geometry import WHOLE, Box
from cuescan.cues.language.mentions import Mention, find_mentions
from cuescan.cues.language.negation import NO, YES
from cuescan.cues.language.place_phrases import find_places
from cuescan.cues.language.shares import find_shares
from cuescan.cues.language.statement import Statement
from cuescan.cues.language.tokens import BOX, SHARE, Item, put_phrases, tokenise


def lex(text: str) -> list[Item]:
    """A text as items, with its boxes, shares and places found; the same for every class list."""
    boxes = [Item(BOX, "", box.start, box.end, box) for box in find_boxes(text)]
    shares = [Item(SHARE, "", share.start, share.end, share) for share in find_shares(text)]
    shares = [share for share in shares if not any(b.start < share.end and share.start < b.end for b in boxes)]
    return find_places(put_phrases(tokenise(text), [*boxes, *shares]))


def understand(
    text: str, classes: Sequence[str], synonyms: Mapping[str, Sequence[str]]
) -> tuple[list[Sentence], list[Mention]]:
    """The sentences of a text and the mentions in them, with everything that is said of each."""
    sentences = split_sentences(find_findings(lex(text), classes, synonyms))
    mentions = find_mentions(sentences, classes)
    attach(sentences, mentions)
    return sentences, mentions


def _places(mentions: Sequence[Mention]) -> tuple[tuple[Box, ...], tuple[str, ...]]:
    """The stated places, alternatives joined to the rectangle that holds them; what says nothing is left out."""
    found: dict[str, Box] = {}
    for mention in mentions:
        for alternatives in mention.places:
            places = [phrase.place for phrase in alternatives if phrase.place is not None]
            if len(places) < len(alternatives):
                continue
            box = places[0].box
            for place in places[1:]:
                box = box.hull(place.box)
            if box != WHOLE:
                found.setdefault(" or ".join(dict.fromkeys(place.words for place in places)), box)
    return tuple(found.values()), tuple(found)


def _share(mentions: Sequence[Mention], count: int | None) -> float | None:
    """What all findings cover together: the sum where each states its own."""
    shares = [share for mention in mentions for share in mention.shares]
    if len(shares) == 1:
        each = any(mention.each and mention.shares for mention in mentions)
        total = shares[0] * (count or 0) if each and count != 1 else shares[0]
    elif shares and len(shares) == count:
        total = sum(shares)
    else:
        return None
    return round(total, 9) if 0 < total <= 1 else None


def _affirmed(mention: Mention) -> bool:
    located = bool(mention.places or mention.boxes or mention.shares)
    return mention.polarity == YES or (mention.crossed and located)


def _statement(name: str, mentions: Sequence[Mention], shape: tuple[int, int] | None) -> Statement:
    affirmed = [mention for mention in mentions if _affirmed(mention)]
    if not affirmed:
        denied = any(m.polarity == NO and not m.places and not m.pronoun for m in mentions)
        return Statement(name, False if denied else None)
    count = total_count(affirmed)
    places, words = _places(affirmed)
    boxes = [phrase.box(shape) for mention in affirmed for phrase in mention.boxes]
    sizes = {size for mention in affirmed for size in mention.sizes}
    return Statement(
        name=name,
        present=True,
        count=count,
        colours=tuple(dict.fromkeys(colour for mention in affirmed for colour in mention.colours)),
        size=sizes.pop() if len(sizes) == 1 else None,
        places=places,
        boxes=tuple(dict.fromkeys(box for box in boxes if box is not None)),
        share=_share(affirmed, count),
        place_words=words,
    )


def read_sentence(
    text: str,
    classes: Sequence[str],
    shape: tuple[int, int] | None = None,
    synonyms: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Statement, ...]:
    """What a sentence (or a few) in English says about each class.

    What is not understood is not stated: nonsense, other languages and doubt give statements that say nothing.

    Args:
        text: the sentence.
        classes: class names; plurals, spellings, hyphens and common synonyms of them are understood.
        shape: (height, width) of the image in pixels; without it, boxes in pixels are not stated.
        synonyms: class -> other words for it.

    Returns:
        One statement per class, in their order.
    """
    _, mentions = understand(text, classes, synonyms or {})
    return tuple(_statement(name, [m for m in mentions if m.name == name], shape) for name in classes)

"""The keyword of a sentence (TIFCMamba's W: "A red polyp left side") and the words that carry it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cuescan.cues.language.negation import denial_words
from cuescan.cues.language.nouns import plural, spoken
from cuescan.cues.language.reading import understand
from cuescan.cues.language.statement import Statement
from cuescan.cues.language.words import spelt


def keyword(statement: Statement) -> str:
    """The short phrase for the text encoder: "one small red polyp, upper left", "no polyp", or the bare name.

    Boxes and shares are left out: a text encoder makes little of digits.
    """
    noun = spoken(statement.name)
    if statement.present is False:
        return f"no {noun}"
    words = [*([statement.size] if statement.size else []), *statement.colours]
    if statement.count:
        words.insert(0, spelt(statement.count))
    phrase = " ".join([*words, plural(noun) if (statement.count or 1) > 1 else noun])
    return ", ".join([phrase, " and ".join(statement.place_words)]) if statement.place_words else phrase


def keyword_spans(
    text: str, classes: Sequence[str], synonyms: Mapping[str, Sequence[str]] | None = None
) -> list[tuple[int, int]]:
    """The characters of the words that carry the keyword: finding, colour, size, place, number and negation.

    Args:
        text: the sentence.
        classes: class names.
        synonyms: class -> other words for it.

    Returns:
        (start, end) in order, none overlapping; nothing where no class is mentioned.
    """
    sentences, mentions = understand(text, classes, synonyms or {})
    spans = {span for mention in mentions for span in mention.spans}
    for mention in mentions:
        spans.update(denial_words(sentences[mention.sentence], mention.index) if mention.polarity == "no" else ())
    result: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if result and start < result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result

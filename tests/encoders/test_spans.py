"""Each token stands for the characters that its span names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuescan.encoders.words import BytePairWords

WORDS = BytePairWords(24, {})
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEF0123456789 .,;:-()%\t\n'\"éüß"


def pieces(text: str) -> list[str]:
    return [text[span[0] : span[1]] for span in WORDS.spans(text) if span is not None]


def test_words_and_subwords():
    text = "Two  Polyps: a sessile\nadenoma (5%), x=12."
    found = pieces(text)
    assert found[:5] == ["Two", "Poly", "ps", ":", "a"]
    assert "".join(found) == "".join(text.split())
    assert len(WORDS.spans(text)) == 24 and WORDS.spans(text)[0] is None


@given(st.text(ALPHABET, max_size=60))
def test_span_equals_token(text):
    tokens, spans = WORDS.tokens([text])[0], WORDS.spans(text)
    assert [span is not None for span in spans] == WORDS.mask(tokens[None])[0].tolist()
    for number, span in zip(tokens.tolist(), spans, strict=True):
        if span is not None:
            said = WORDS._tokenizer.decode([number]).strip()
            if "\ufffd" not in said:  # a part of a character
                assert "".join(text[slice(*span)].lower().split()) == said


@given(st.text(max_size=40))
def test_any_text_has_ordered_spans_within_it(text):
    spans = [span for span in WORDS.spans(text) if span is not None]
    assert all(0 <= start <= end <= len(text) for start, end in spans)
    assert spans == sorted(spans)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\u201cred\u201d wall", ["\u201c", "red", "\u201d", "wall"]),  # curly quotes become straight
        ("red &amp; pale", ["red", "&", "pale"]),
        ("\ufb02at wall", ["\ufb02at", "wall"]),  # a ligature becomes two letters
        ("İ red", ["İ", "İ", "red"]),  # its lower case is two characters
        ("", []),
    ],
)
def test_cleaning(text, expected):
    assert pieces(text) == expected


def test_a_long_text_fills_all_places():
    spans = WORDS.spans("polyp " * 40)
    assert spans[0] is None and spans[-1] is None and all(spans[1:-1])

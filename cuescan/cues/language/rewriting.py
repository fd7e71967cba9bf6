"""Rewrite a sentence so that it is true of the turned image."""

from __future__ import annotations

from cuescan.cues.language.geometry import Turn
from cuescan.cues.language.reading import lex
from cuescan.cues.language.tokens import BOX, PLACE, WORD
from cuescan.cues.language.words import word_set

_DIRECTIONS = word_set(
    """left right upper lower top bottom above below leftmost rightmost topmost bottommost uppermost lowermost o'clock
    clockwise vertical horizontal vertically horizontally"""
)


def can_follow(text: str) -> bool:
    """Whether every direction in a sentence is understood, so that :func:`follow` leaves none behind.

    "Left colon" and "left of the fold" are no places in the image; where a sentence has such words, an image that is
    turned may no longer agree with it.
    """
    return not any(item.kind == WORD and item.text in _DIRECTIONS for item in lex(text))


def follow(text: str, turn: Turn, shape: tuple[int, int]) -> str:
    """Rewrite the places and boxes of a sentence; everything else stays.

    Args:
        text: the sentence about the image as it was.
        turn: how the image is turned.
        shape: (height, width) of the image before the turn.

    Returns:
        The sentence about the turned image.
    """
    if turn == Turn():
        return text
    edits: list[tuple[int, int, str]] = []
    for item in lex(text):
        if item.kind == PLACE:
            edits += item.value.edits(turn)
        elif item.kind == BOX:
            edits += item.value.edits(turn, shape)
    for start, end, words in sorted(set(edits), reverse=True):
        old = text[start:end]
        text = text[:start] + (words.capitalize() if old[:1].isupper() else words) + text[end:]
    return text

"""From characters of a text that a tokenizer has cleaned back to characters of the text itself."""

from __future__ import annotations

from difflib import SequenceMatcher

Span = tuple[int, int]


def original_spans(text: str, cleaned: str, spans: list[Span]) -> list[Span]:
    """Carry spans of a cleaned text (blanks joined, lower case, entities resolved) back to the text.

    Characters other than blanks are matched in order; where cleaning replaced a stretch, all of that stretch counts.

    Args:
        text: as written.
        cleaned: what the tokenizer made of it.
        spans: starts and ends in ``cleaned``, each with a character that is no blank.

    Returns:
        Starts and ends in ``text``, one per span.
    """
    before = [(index, char) for index, whole in enumerate(text) for char in whole.lower() if not char.isspace()]
    after = [(index, char) for index, char in enumerate(cleaned.lower()) if not char.isspace()]
    matched = _match("".join(char for _, char in before), "".join(char for _, char in after))
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for (index, _), (start, end) in zip(after, matched, strict=True):
        opens = before[start][0] if start < len(before) else len(text)
        first.setdefault(index, opens)
        last[index] = before[end - 1][0] + 1 if end > start else opens
    return [_carry(cleaned, span, first, last) for span in spans]


def _match(before: str, after: str) -> list[Span]:
    """For each character of ``after`` the stretch of ``before`` that it comes from."""
    if before == after:
        return [(index, index + 1) for index in range(len(after))]
    matched: list[Span] = []
    for kind, start, end, first, last in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        for offset in range(last - first):
            matched.append((start + offset, start + offset + 1) if kind == "equal" else (start, end))
    return matched


def _carry(cleaned: str, span: Span, first: dict[int, int], last: dict[int, int]) -> Span:
    inside = [index for index in range(*span) if not cleaned[index].isspace()]
    return first[inside[0]], last[inside[-1]]

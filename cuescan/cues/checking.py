"""Reject cues that cannot be meant, in messages that never show a sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from cuescan.cues.model import Cue, Cues, Part
from cuescan.errors import UserError

RESERVED = ("background", "ignore")
"""Names that nnU-Net gives to labels of its own."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ", did you mean 'x'?" for the nearest known name, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean '{near[0]}'?" if near else ""


def some(names: Sequence[str], limit: int = 3) -> str:
    """Name the first few and count the rest: "'a', 'b' and 4 more"."""
    shown = ", ".join(f"'{name}'" for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def check_classes(classes: Sequence[str], source: Path | str) -> None:
    """Check that class names are usable as nnU-Net labels.

    Raises:
        UserError: there is none, or one is empty, padded with blanks, reserved or repeated (also in another case).
    """
    if not classes:
        raise UserError(f"{source}: the class list is empty; name at least one class")
    seen: dict[str, str] = {}
    for name in classes:
        if not name or name != name.strip():
            raise UserError(f"{source}: class name {name!r} is empty or has blanks at its ends; remove them")
        if name.casefold() in RESERVED:
            raise UserError(f"{source}: class name '{name}' is reserved by nnU-Net; choose another name")
        if name.casefold() in seen:
            raise UserError(
                f"{source}: class '{name}' is listed twice (as '{seen[name.casefold()]}'); keep one of them"
            )
        seen[name.casefold()] = name


def _shown(value: object) -> str:
    """A number as it is; of anything else only the type, since a string may be a sentence in the wrong place."""
    return repr(value) if isinstance(value, (int, float)) else f"a {type(value).__name__}"


def check_cue(cue: Cue, case: str, classes: Sequence[str], source: Path | str) -> None:
    """Check one case's cue against the class list.

    Raises:
        UserError: an unknown class, a value other than 0, 1 or None, a part without pixels, an empty sentence, or
            nothing stated at all.
    """
    for part in cue.parts:
        _check_box(part, case, source)
    stated = [cue.labels, *(part.labels for part in cue.parts)]
    for name, value in (pair for labels in stated for pair in labels.items()):
        if name not in classes:
            hint = did_you_mean(name, classes) or "; use one of them or add it to the classes"
            raise UserError(f"{source}: case '{case}': unknown class '{name}' (classes: {', '.join(classes)}){hint}")
        if isinstance(value, bool) or (value is not None and value not in (0, 1)):
            raise UserError(
                f"{source}: case '{case}': the label of class '{name}' must be 1 (present), 0 (absent) or "
                f"null (not stated), not {_shown(value)}; correct it"
            )
    if cue.text is not None and not cue.text.strip():
        raise UserError(f"{source}: case '{case}': the sentence is empty; write one or leave 'text' out")
    if not cue.states_something:
        raise UserError(
            f"{source}: case '{case}': no label is stated and there is no sentence; state a label, give a text, "
            "or remove the case"
        )


def _check_box(part: Part, case: str, source: Path | str) -> None:
    top, left, bottom, right = part.box
    if not (0 <= top < bottom and 0 <= left < right):
        raise UserError(
            f"{source}: case '{case}': a part has the box {list(part.box)}, which is no rectangle of the image; give "
            "top, left, bottom and right in pixels, bottom and right just outside"
        )


def check_cases(cues: Cues, cases: Iterable[str], source: Path | str) -> None:
    """Check that every case has a cue and every cue a case.

    Raises:
        UserError: names the first cases that lack their counterpart.
    """
    known = set(cases)
    missing = sorted(known - set(cues.cues))
    if missing:
        raise UserError(f"{source}: no cue for case {some(missing)}; add the cue or remove the image")
    extra = sorted(set(cues.cues) - known)
    if extra:
        hint = did_you_mean(extra[0], missing or known)
        raise UserError(f"{source}: no image for the cue of case {some(extra)}; add the image or remove the cue{hint}")


def check_cues(cues: Cues, cases: Iterable[str], source: Path | str) -> None:
    """Check class names, every cue, and that cues and cases belong together.

    Args:
        cues: what to check.
        cases: names of the cases that have an image.
        source: the file that messages name.

    Raises:
        UserError: one sentence with the file, the case and the remedy; never with a cue's text.
    """
    check_classes(cues.classes, source)
    for case, cue in cues.cues.items():
        check_cue(cue, case, cues.classes, source)
    check_cases(cues, cases, source)

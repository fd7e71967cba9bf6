"""Read the prompts of cases that are to be segmented."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cuescan.cues import Cue, Cues
from cuescan.cues.reading import load_json
from cuescan.data.cue_tables import read_cue_table
from cuescan.data.images import case_name
from cuescan.errors import UserError


def read_prompts(path: Path, classes: Sequence[str], cases: Sequence[str]) -> dict[str, str]:
    """Read one sentence per case; cases without one are left out.

    Args:
        path: JSON, ``{"case": "sentence", ...}``, or any table of cues with a column ``text``
            (:func:`cuescan.data.cue_tables.read_cue_table`).
        classes: the model's class names.
        cases: names of the cases that there are.

    Raises:
        UserError: the file cannot be read, or it has an empty prompt or a prompt of an image that is not there; names
            the file and the case, never the prompt.
    """
    cues = read_any_cues(path, classes).cues
    prompts = {case: cue.text for case, cue in cues.items() if cue.text is not None}
    extra = sorted(set(prompts) - set(cases))
    if extra:
        raise UserError(f"{path}: there is no image for the prompt of case '{extra[0]}'; correct the name or remove it")
    return prompts


def read_any_cues(path: Path, classes: Sequence[str]) -> Cues:
    """Read cues in any form that people keep them in: prompts, a table, or a ``cues.json``.

    Args:
        path: of :func:`read_prompts`, or a ``cues.json``.
        classes: the class names, where the file does not give them.

    Raises:
        UserError: the file cannot be read; names the file and the case, never a sentence.
    """
    prompts = _json_prompts(path)
    if prompts is not None:
        return Cues(tuple(classes), cues={case: Cue(text=text) for case, text in prompts.items()})
    document = load_json(path) if path.suffix.lower() == ".json" else None
    return read_cue_table(path, () if isinstance(document, dict) else classes).cues


def _json_prompts(path: Path) -> dict[str, str] | None:
    if path.suffix.lower() != ".json":
        return None
    document = load_json(path)
    if not isinstance(document, dict) or "version" in document:
        return None
    prompts: dict[str, str] = {}
    for name, text in document.items():
        case = case_name(Path(name))
        if not isinstance(text, str) or not text.strip():
            raise UserError(f"{path}: case '{case}': the prompt must be a sentence; write one or remove the case")
        if case in prompts:
            raise UserError(f"{path}: case '{case}' has two prompts; keep one of them")
        prompts[case] = text
    return prompts

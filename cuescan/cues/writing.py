"""Write ``cues.json``, and other files that are whole or not there."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from cuescan.cues.checking import check_cues
from cuescan.cues.model import VERSION, Cue, Cues


def _entry(cue: Cue) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    if cue.labels:
        entry["labels"] = dict(cue.labels)
    if cue.text is not None:
        entry["text"] = cue.text
    if cue.parts:
        entry["parts"] = [{"box": list(part.box), "labels": dict(part.labels)} for part in cue.parts]
    return entry


def cues_document(cues: Cues) -> dict[str, Any]:
    """The JSON document of cues, cases in the order of the mapping."""
    return {
        "version": VERSION,
        "classes": list(cues.classes),
        "background": cues.background,
        "cues": {case: _entry(cue) for case, cue in cues.cues.items()},
    }


def write_text(text: str, path: Path | str) -> None:
    """Write text in UTF-8 so that ``path`` is either what it was or complete."""
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(document: Any, path: Path | str) -> None:
    """Write JSON in UTF-8 so that ``path`` is either what it was or complete."""
    write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", path)


def write_cues(cues: Cues, path: Path | str) -> None:
    """Check cues and write them atomically.

    Raises:
        UserError: the cues would not be read back (see :func:`cuescan.cues.check_cues`).
    """
    check_cues(cues, cues.cues, path)
    write_json(cues_document(cues), path)

"""Read ``cues.json`` (schema: ``dataset_json/cues.schema.json``)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cuescan.cues.checking import check_classes, check_cue, did_you_mean
from cuescan.cues.model import VERSION, Cue, Cues, Part
from cuescan.errors import UserError


class _RepeatedKey(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _RepeatedKey(key)
        found[key] = value
    return found


def load_json(path: Path | str) -> Any:
    """Load a JSON file in UTF-8 (with or without a byte order mark) without duplicate keys.

    Raises:
        UserError: the file is missing, not UTF-8, not JSON, or repeats a key in one object.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is not valid UTF-8; save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}: not valid JSON at line {error.lineno}, column {error.colno} ({error.msg}); correct it there"
        ) from None
    except _RepeatedKey as error:
        raise UserError(f"{path}: the key '{error}' stands twice in one object; keep one of them") from None
    except RecursionError:
        raise UserError(f"{path}: nested too deeply to be a cue file; write it as cues.json") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); check the path") from None


def _object(value: Any, where: str, allowed: tuple[str, ...] | None = None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{where}: must be a JSON object; see the schema (cuescan path schema)")
    for key in value if allowed else ():
        if key not in (allowed or ()):
            hint = did_you_mean(key, allowed or ()) or "; remove it"
            raise UserError(f"{where}: unknown key '{key}' (known: {', '.join(allowed or ())}){hint}")
    return value


def _label(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value in (0.0, 1.0) else value


def _parse_cue(entry: Any, case: str, source: Path | str) -> Cue:
    where = f"{source}: case '{case}'"
    entry = _object(entry, where, ("labels", "text", "parts"))
    labels = _labels(entry.get("labels", {}), where)
    text = entry.get("text")
    if "text" in entry and not isinstance(text, str):
        raise UserError(f"{where}: 'text' must be a string; correct it or leave it out")
    try:
        (text or "").encode("utf-8")
    except UnicodeEncodeError:
        raise UserError(f"{where}: the sentence is not valid UTF-8 text; type it again") from None
    parts = entry.get("parts", [])
    if not isinstance(parts, list):
        raise UserError(f"{where}: 'parts' must be a list of objects with 'box' and 'labels'; correct it")
    return Cue(labels, text, tuple(_parse_part(part, f"{where}: parts") for part in parts))


def _labels(value: Any, where: str) -> dict[str, Any]:
    return {name: _label(label) for name, label in _object(value, f"{where}: labels").items()}


def _parse_part(entry: Any, where: str) -> Part:
    entry = _object(entry, where, ("box", "labels"))
    box = entry.get("box")
    whole = isinstance(box, list) and all(isinstance(side, int) and not isinstance(side, bool) for side in box)
    if not whole or len(box) != 4:
        raise UserError(f"{where}: 'box' must be four whole numbers: top, left, bottom and right; correct it")
    top, left, bottom, right = box
    return Part((top, left, bottom, right), _labels(entry.get("labels", {}), where))


def parse_cues(document: Any, source: Path | str) -> Cues:
    """Turn a loaded ``cues.json`` document into checked cues; ``source`` is what messages name.

    Raises:
        UserError: anything the schema forbids, and classes that no list declares.
    """
    document = _object(document, str(source), ("version", "classes", "background", "cues"))
    version = document.get("version")
    if isinstance(version, bool) or version != VERSION:
        raise UserError(
            f"{source}: version is {version!r} but this cuescan reads version {VERSION}; "
            f'set "version": {VERSION} or install the cuescan that wrote the file'
        )
    classes = document.get("classes")
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise UserError(f"{source}: 'classes' must be a list of names; add it")
    background = document.get("background", True)
    if not isinstance(background, bool):
        raise UserError(f"{source}: 'background' must be true or false; correct it")
    check_classes(classes, source)
    entries: Mapping[str, Any] = _object(document.get("cues"), f"{source}: cues")
    cues = {}
    for case, entry in entries.items():
        if not case.strip():
            raise UserError(f"{source}: a cue has an empty case name; write the name of its image")
        cue = _parse_cue(entry, case, source)
        check_cue(cue, case, classes, source)
        cues[case] = cue
    return Cues(tuple(classes), background, cues)


def read_cues(path: Path | str) -> Cues:
    """Read and check a cue file.

    Raises:
        UserError: one sentence with the file, the case and the remedy; never with a cue's text.
    """
    return parse_cues(load_json(path), path)

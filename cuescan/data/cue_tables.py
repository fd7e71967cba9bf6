"""Cues as people keep them: a CSV or JSON table with a row per image, or a ``cues.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from cuescan.cues import Cue, Cues, parse_cues
from cuescan.cues.checking import check_classes, check_cue, did_you_mean
from cuescan.cues.reading import load_json
from cuescan.data.images import case_name
from cuescan.data.tables import column, read_table
from cuescan.errors import UserError

IMAGE, LABELS, TEXT = "image", "labels", "text"
_VALUES = {"1": 1, "1.0": 1, "true": 1, "yes": 1, "0": 0, "0.0": 0, "false": 0, "no": 0} | dict.fromkeys(
    ("", "nan", "na", "null", "none")
)
_SEPARATORS = (";", "|")

Record = Mapping[str, Any]


@dataclass(frozen=True)
class CueTable:
    """Cues, and case -> group where a group column was named."""

    cues: Cues
    groups: Mapping[str, str]


def _records(path: Path) -> list[Record] | Cues:
    if path.suffix.lower() != ".json":
        return list(read_table(path))
    document = load_json(path)
    if isinstance(document, dict):
        return parse_cues(document, path)
    if not isinstance(document, list) or not document or not all(isinstance(row, dict) for row in document):
        raise UserError(f"{path}: must be a cues.json or a list of objects, one per image; correct it")
    return document


def _case(value: Any, path: Path) -> str:
    """The case that an image column means: a file name or a path, with or without ending."""
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{path}: a row has no image name; fill the column '{IMAGE}' or remove the row")
    return case_name(Path(PurePosixPath(PureWindowsPath(value.strip()).as_posix()).name))


def _value(value: Any, name: str, case: str, path: Path) -> int | None:
    key = "" if value is None else str(value).strip().casefold()
    if key not in _VALUES:
        raise UserError(
            f"{path}: case '{case}': column '{name}' must hold 1, 0 or nothing to be a class; correct the value, or "
            "name the classes with --classes and the group's column with --group"
        )
    return _VALUES[key]


def _listed(value: Any, case: str, classes: Sequence[str], path: Path) -> dict[str, int | None]:
    """The labels that a list of the classes in the image states: what is not listed is absent."""
    if isinstance(value, str):
        for separator in _SEPARATORS[1:]:
            value = value.replace(separator, _SEPARATORS[0])
        value = [name.strip() for name in value.split(_SEPARATORS[0]) if name.strip()]
    for name in value:
        if name not in classes:
            hint = did_you_mean(str(name), classes) or "; use one of them"
            raise UserError(f"{path}: case '{case}': unknown class '{name}' (classes: {', '.join(classes)}){hint}")
    return {name: int(name in value) for name in classes}


def _cue(row: Record, case: str, columns: Sequence[str], classes: Sequence[str], path: Path) -> Cue:
    text = row.get(TEXT)
    if text is not None and not isinstance(text, str):
        raise UserError(f"{path}: case '{case}': 'text' must be a sentence; correct it or leave it out")
    text = text if text and text.strip() else None
    labels = {name: _value(row.get(name), name, case, path) for name in columns}
    listed = row.get(LABELS)
    if isinstance(listed, dict):
        labels.update({name: _value(value, name, case, path) for name, value in listed.items()})
    elif isinstance(listed, (str, list)) and (listed or text is None):
        labels = _listed(listed, case, classes, path)
    cue = Cue(labels, text)
    check_cue(cue, case, classes, path)
    return cue


def _class_columns(
    records: list[Record], classes: Sequence[str], special: set[str], path: Path
) -> tuple[list[str], Sequence[str]]:
    """The columns that are classes, and the class list."""
    names = list(dict.fromkeys(name for row in records for name in row))
    if not classes:
        classes = [name for name in names if name not in special]
        if not classes or any(LABELS in row for row in records):
            raise UserError(f"{path}: the table does not say which classes there are; name them with --classes")
    check_classes(classes, path)
    found = [name for name in classes if name in names]
    if found and len(found) < len(classes):
        absent = next(name for name in classes if name not in names)
        raise UserError(f"{path}: no column for class '{absent}'; add it{did_you_mean(absent, names)}")
    if not found and LABELS not in names and TEXT not in names:
        raise UserError(f"{path}: no column of a class, no '{LABELS}' and no '{TEXT}'; add one of them")
    return found, classes


def read_cue_table(
    path: Path, classes: Sequence[str] = (), background: bool = True, group: str | None = None
) -> CueTable:
    """Read the cues of a data set.

    A table has a column ``image`` (file name, with or without ending) and one column per class (1, 0, or empty where
    it is not stated), or a column ``labels`` with the classes in the image, separated by ``;`` or ``|`` (what is not
    listed is absent), or a column ``text``. JSON is a list of such rows, or a ``cues.json``.

    Args:
        path: CSV, TSV or JSON.
        classes: the class names; empty takes every column that has no other meaning (or those of a cues.json).
        background: of the data set; a cues.json says so itself.
        group: the column of patient or slide.

    Raises:
        UserError: one sentence with the file, the case and the remedy; never with a sentence of the table.
    """
    records = _records(path)
    if isinstance(records, Cues):
        if classes and tuple(classes) != records.classes:
            raise UserError(f"{path}: its classes are {', '.join(records.classes)}; leave --classes away")
        if group:
            raise UserError(f"{path}: a cues.json has no column '{group}'; give a table, or leave --group away")
        return CueTable(records, {})
    rows = [{str(key): value for key, value in row.items()} for row in records]
    image = column(rows, path, IMAGE, "case")
    special = {image, LABELS, TEXT} | ({column(rows, path, group)} if group else set())
    columns, classes = _class_columns(list(rows), classes, special, path)
    cues: dict[str, Cue] = {}
    groups: dict[str, str] = {}
    for row in rows:
        case = _case(row.get(image), path)
        if case in cues:
            raise UserError(f"{path}: case '{case}' has two rows; keep one of them")
        cues[case] = _cue(row, case, columns, classes, path)
        if group:
            groups[case] = _group(row, column(rows, path, group), case, path)
    return CueTable(Cues(tuple(classes), background, cues), groups)


def _group(row: Record, name: str, case: str, path: Path) -> str:
    value = str(row.get(name) or "").strip()
    if not value:
        raise UserError(f"{path}: case '{case}': the column '{name}' is empty; fill it, or leave --group away")
    return value


def read_groups(path: Path, group: str) -> dict[str, str]:
    """Case -> group, from a table of which nothing else is read."""
    records = _records(path)
    if isinstance(records, Cues):
        raise UserError(f"{path}: a cues.json has no column '{group}'; give a table, or leave --group away")
    rows = [{str(key): value for key, value in row.items()} for row in records]
    image, name = column(rows, path, IMAGE, "case"), column(rows, path, group)
    return {case: _group(row, name, case, path) for row in rows for case in [_case(row.get(image), path)]}
